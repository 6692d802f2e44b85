"""A loop that looks for work until it is stopped: at once when somebody wakes it, and now and then besides, because the row is the truth and the wake a hint."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway import journal

AFTER_TROUBLE = 1.0
"""Seconds before a loop goes on after a trouble, whatever it was."""


class Wakeful:
    """`_look` does one batch, and says whether there may be more at once. `name` is for the journal."""

    name: str
    idle = 0.25
    """Seconds between looks where nobody wakes it: another node may have committed something and died."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name=self.name)

    def wake(self) -> None:
        """Something was committed that it may have to do with."""
        self._wake.set()

    async def stop(self) -> None:
        if self._loop:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _look(self) -> bool:
        raise NotImplementedError

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await self._look():
                    continue
            except Exception as error:  # a loop that ended here would never do its work again, and nobody would hear of it
                journal.trouble(self.name, error)
                await asyncio.sleep(AFTER_TROUBLE)
                continue
            try:
                async with asyncio.timeout(self.idle):
                    await self._wake.wait()
            except TimeoutError:
                pass


class Claiming(Wakeful):
    """One that claims work and has several at once under way, each a task; where one ends it looks again."""

    def __init__(self) -> None:
        super().__init__()
        self._under_way: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Ends the loop, then what is under way, wherever that is."""
        await super().stop()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake()
