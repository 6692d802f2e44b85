"""The translation workers as the parent sees them: processes spawned beforehand, one call at a time each, replaced when lost."""

import asyncio
import os
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gateway import journal
from gateway.translate.frames import HEAD, pack, sizes, unpack
from partners import library

WALL_SECONDS = 60
WALL_SECONDS_A_MEGABYTE = 6
"""A worker that waits and burns no CPU is lost after this: a backstop behind its own CPU limit, wide enough for a busy machine."""

PATIENCE_BEHIND = 2
"""Seconds for which a replay lets live work go first."""
BEHIND = "~"
"""Whose turn a replay takes then; no partner is called so."""


class WorkerLost(Exception):
    """The worker ended, or was ended, in the middle of a call."""


@dataclass
class _Process:
    number: int
    process: asyncio.subprocess.Process
    profiles: set[tuple[str, int]] = field(default_factory=set)
    """Revisions it has been told."""
    calling: "asyncio.Task[list[dict[str, Any]]] | None" = None
    """The call that it is in, also where its caller is gone."""

    @property
    def is_calling(self) -> bool:
        return self.calling is not None and not self.calling.done()


def _heard(call: "asyncio.Task[list[dict[str, Any]]]") -> None:
    """Its caller may be gone; what it came to is then nobody's trouble."""
    if not call.cancelled():
        call.exception()


class Pool:
    def __init__(self, workers: int, memory: int) -> None:
        self._count = workers
        self._memory = memory
        self._idle: list[_Process] = []
        self._waiting: dict[str, deque[asyncio.Future[_Process]]] = {}
        """Who waits for a worker: partners in the order of their turns, each with its calls."""
        self._all: dict[int, _Process] = {}
        self._freed = asyncio.Event()
        self.lost = 0

    async def start(self) -> None:
        for number in range(1, self._count + 1):
            self._idle.append(await self._spawn(number))

    async def _spawn(self, number: int) -> _Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.translate.worker", str(self._memory),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20, env=environment(),
            start_new_session=True,  # Ctrl-C is for us, who let them end what they do; uvloop knows no process_group
        )  # fmt: skip
        one = _Process(number, process)
        self._all[number] = one
        return one

    @property
    def pids(self) -> list[int]:
        return [one.process.pid for one in self._all.values()]

    async def take(self, partner: str) -> "_Process":
        """A worker of one's own, for one call or some chunks of a message; give it back afterwards. Partners that wait take turns."""
        if self._idle:
            return self._idle.pop()
        waiter: asyncio.Future[_Process] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(partner, deque()).append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(waiter.result())
            raise

    def give_back(self, worker: "_Process") -> None:
        """To the first call of the partner whose turn it is; it then comes after all others that wait.

        Not in the middle of a call: an answer that nobody has read would be taken for that of the next one.
        """
        if worker.calling is not None and worker.is_calling:
            worker.calling.add_done_callback(lambda _: self.give_back(worker))
            return
        while self._waiting:
            partner = next(iter(self._waiting))
            calls = deque(waiter for waiter in self._waiting.pop(partner) if not waiter.done())
            if calls:
                calls.popleft().set_result(worker)
                if calls:
                    self._waiting[partner] = calls
                return
        self._idle.append(worker)
        self._freed.set()

    def is_wanted(self, partner: str) -> bool:
        """Whether another partner waits for a worker."""
        return any(not waiter.done() for other, calls in self._waiting.items() if other != partner for waiter in calls)

    async def call_behind(self, jobs: list[dict[str, Any]], blob: bytes, profiles: dict[tuple[str, int], str]) -> list[dict[str, Any]] | None:
        """One call that lets live work go first; None where the worker was lost over it."""
        worker = await self._spare()
        try:
            return await self.call(worker, jobs, blob, profiles)
        except WorkerLost:
            return None
        finally:
            self.give_back(worker)

    @property
    def size(self) -> int:
        return self._count

    async def _spare(self) -> "_Process":
        """A worker that live work does not want now; after PATIENCE_BEHIND it waits its turn like a partner, so that it is not starved."""
        try:
            async with asyncio.timeout(PATIENCE_BEHIND):
                while self._waiting or not self._idle:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return await self.take(BEHIND)
        return self._idle.pop()

    async def call(self, worker: "_Process", jobs: list[dict[str, Any]], blob: bytes, profiles: dict[tuple[str, int], str]) -> list[dict[str, Any]]:
        """One result a job. Raises WorkerLost; the worker has then been replaced under the same number and may be used again.

        A caller that is cancelled leaves the call to its end: a worker is free only when its answer has been read.
        """
        worker.calling = asyncio.create_task(self._call(worker, jobs, blob, profiles))
        worker.calling.add_done_callback(_heard)
        return await asyncio.shield(worker.calling)

    async def _call(self, worker: "_Process", jobs: list[dict[str, Any]], blob: bytes, profiles: dict[tuple[str, int], str]) -> list[dict[str, Any]]:
        for job in jobs:
            key = (job["partner"], job["revision"])
            job["profile"] = None if key in worker.profiles else profiles[key]
        megabytes = sum(job["size"] for job in jobs) / 2**20
        try:
            async with asyncio.timeout(WALL_SECONDS + WALL_SECONDS_A_MEGABYTE * megabytes):
                results = await self._exchange(worker, pack({"jobs": jobs}, blob))
            if [result["message"] for result in results] != [job["message"] for job in jobs]:
                raise ValueError("it answers something else")
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, KeyError, TypeError) as error:
            await self._replace(worker, error, [job["message"] for job in jobs])
            raise WorkerLost(str(error)) from error
        worker.profiles |= {(job["partner"], job["revision"]) for job in jobs}
        return results

    async def _exchange(self, worker: "_Process", frame: bytes) -> list[dict[str, Any]]:
        stdin, stdout = worker.process.stdin, worker.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(frame)
        await stdin.drain()
        text, _ = sizes(await stdout.readexactly(HEAD.size))
        results: list[dict[str, Any]] = unpack(await stdout.readexactly(text))["results"]
        return results

    async def _replace(self, worker: "_Process", error: Exception, messages: list[str]) -> None:
        self.lost += 1
        if worker.process.returncode is None:
            try:
                worker.process.kill()
            except ProcessLookupError:
                pass
            await worker.process.wait()
        journal.worker_lost(worker.number, f"ended with {worker.process.returncode} ({type(error).__name__})", messages)
        fresh = await self._spawn(worker.number)
        worker.process, worker.profiles = fresh.process, set()
        self._all[worker.number] = worker

    def _give_up(self) -> None:
        """Calls whose callers are gone."""
        for one in self._all.values():
            if one.calling is not None:
                one.calling.cancel()

    async def stop(self) -> None:
        self._give_up()
        for one in self._all.values():
            if one.process.returncode is None:
                assert one.process.stdin is not None
                one.process.stdin.close()
        for one in self._all.values():
            try:
                async with asyncio.timeout(5):
                    await one.process.wait()
            except TimeoutError:
                one.process.kill()
                await one.process.wait()


def environment() -> dict[str, str]:
    """Our own, with the library's folder, which a worker reads by itself."""
    folder = library.chosen()
    return dict(os.environ) | ({library.ENVIRONMENT: str(folder.absolute())} if folder is not None else {})
