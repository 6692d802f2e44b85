"""Gives events their positions in the feed, as they are committed, and wakes those who wait for them.

Every node runs one; the feed's head, a row, is held by one of them at a time.
"""

import asyncio

from gateway import journal
from gateway.clock import Clock
from gateway.store import feed
from gateway.store.store import Store, landed

IDLE = 0.25
"""Seconds between looks, where nobody wakes us: another node may have committed an event and died."""
PATIENCE_WITH_STORE = 1.0


class Placer:
    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="placer")

    def wake(self) -> None:
        """Something was committed that may wait for its place."""
        self._wake.set()

    @property
    def moved(self) -> asyncio.Event:
        """Set once when the feed moves on from here by this node's hand. Taken before a look, it misses nothing."""
        return self._moved

    def rouse(self) -> None:
        """Whoever waits looks again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def stop(self) -> None:
        if self._loop:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await self._place():
                    continue
            except Exception as error:  # a loop that ended here would leave every reader without news
                journal.trouble("feed", error)
                await asyncio.sleep(PATIENCE_WITH_STORE)
                continue
            try:
                async with asyncio.timeout(IDLE):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _place(self) -> bool:
        """One commit's worth; True if there may be more."""
        if not await landed(self._store.read(feed.some_wait)):
            return False
        placed = await landed(self._store.consumers.place(self._clock()))
        if placed:
            self.rouse()
        return placed == feed.MOST_PLACED
