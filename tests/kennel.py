"""Translation workers that outlive a test: starting one costs a second of CPU, and hundreds of tests want one.

They are the real processes, spoken to in the real frames. One that was killed, or is in the middle of a call, does not come back.
"""

import asyncio
import atexit
import contextlib
import os
import socket
import subprocess
import sys
from typing import Any

from gateway.translate.pool import Pool, _Process, environment
from partners import library

MEMORY = 1 << 30


class _Dog:
    """One worker process with the line to it. Looks like an asyncio process to the pool that has it."""

    def __init__(self) -> None:
        self.line, theirs = socket.socketpair()
        command = [sys.executable, "-m", "gateway.translate.worker", str(MEMORY)]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environment())
        theirs.close()
        self.pid = self.process.pid
        self.stdin: Any = None
        self.stdout: Any = None

    async def lead(self) -> None:
        """On this event loop from now on."""
        self.stdout, self.stdin = await asyncio.open_connection(sock=self.line.dup(), limit=2**20)

    async def leave(self) -> None:
        self.stdin.close()
        with contextlib.suppress(OSError):
            await self.stdin.wait_closed()

    @property
    def returncode(self) -> int | None:
        return self.process.poll()

    def kill(self) -> None:
        self.process.kill()

    async def wait(self) -> int:
        return await asyncio.to_thread(self.process.wait)

    def end(self) -> None:
        self.line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()


_idle: list[_Dog] = []


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


class KennelPool(Pool):
    """Borrows its workers, and brings them back."""

    async def _spawn(self, number: int) -> _Process:
        own = library.chosen() is not None or self._memory != MEMORY or "CROSSDOCK_FAILPOINTS" in os.environ
        if own:
            return await super()._spawn(number)
        dog = _idle.pop() if _idle else _Dog()
        await dog.lead()
        one = _Process(number, dog)  # type: ignore[arg-type]
        self._all[number] = one
        return one

    async def stop(self) -> None:
        calling = [one for one in self._all.values() if one.is_calling]
        self._give_up()
        for number, one in list(self._all.items()):
            dog: Any = one.process
            if not isinstance(dog, _Dog):
                continue
            del self._all[number]
            await dog.leave()
            if one in self._idle and one not in calling and dog.returncode is None:
                _idle.append(dog)
            else:
                dog.process.kill()
                await asyncio.to_thread(dog.end)
        await super().stop()
