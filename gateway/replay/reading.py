"""Documents of a replay read again by the translation workers, behind live work.

Knows the workers only as something that turns jobs into rows, and nothing of what becomes of the rows.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gateway.clock import as_text
from gateway.live_profiles import ProfileText
from gateway.replay.records import Portion, Stored
from gateway.store.payloads import DAMAGED, PayloadDamaged, PayloadFiles, sound

TOGETHER = 32
"""Small messages that go to a worker in one call."""
SMALL = 64 * 1024
LOST = "reading it has ended a worker process twice"

Row = dict[str, Any]


class Workers(Protocol):
    @property
    def size(self) -> int: ...

    async def call_behind(self, jobs: list[Row], blob: bytes, profiles: dict[tuple[str, int], str]) -> list[Row] | None:
        """One result a job, letting live work go first; None where a worker was lost over them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a replay reads."""

    stream: str | None = None
    target: str | None = None
    override: str | None = None


@dataclass(slots=True)
class Reading:
    """What came of a portion."""

    portion: Portion
    rows: list[Row] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    """Documents (or the message, where none was asked for) that nobody could read, and why."""
    held: str | None = None
    """Why the message is not read at all under this profile."""


@dataclass(frozen=True, slots=True)
class _Task:
    portion: Portion
    documents: list[Stored]
    revision: int


class Reader:
    def __init__(self, workers: Workers, files: PayloadFiles, profile_text: ProfileText) -> None:
        self._workers, self._files, self._profile_text = workers, files, profile_text
        self._room = asyncio.Semaphore(max(1, workers.size))
        self._verified = ""
        """The large payload that was last read through: its portions follow each other."""

    async def read(self, portions: list[Portion], terms: Terms, revision_of: Callable[[Portion, Stored | None], int]) -> list[Reading]:
        """One reading a portion, in their order."""
        readings = {portion.message: Reading(portion) for portion in portions}
        tasks: list[_Task] = []
        for portion in portions:
            for task in _tasks(portion, revision_of):
                if why := await self._damage(portion):
                    _give_up(readings[portion.message], task, why)
                else:
                    tasks.append(task)
        calls = [self._together(batch, terms, readings) for batch in _batches(tasks)]
        await asyncio.gather(*calls)
        return list(readings.values())

    async def _damage(self, portion: Portion) -> str:
        """Why its stored bytes cannot be used; "" where they are as they were stored."""
        payload = portion.payload
        if payload.data is not None:
            return "" if sound(payload.data, payload.sha256) else DAMAGED
        if self._verified != payload.sha256:
            try:
                await asyncio.to_thread(self._files.verify, payload.sha256)
            except PayloadDamaged as error:
                return f"its stored bytes are damaged and are not handed on: {error}"
            self._verified = payload.sha256
        return ""

    async def _together(self, batch: list[_Task], terms: Terms, readings: dict[str, Reading]) -> None:
        async with self._room:
            results: list[Row | None] = list(await self._call(batch, terms) or []) or [None] * len(batch)
            for task, result in zip(batch, results, strict=True):
                reading = readings[task.portion.message]
                if result is not None and "error" not in result:
                    _take(reading, result["chunk"])
                elif len(task.documents) > 1:
                    for one in task.documents:
                        await self._alone(replace(task, documents=[one]), terms, reading)
                else:
                    await self._alone(task, terms, reading)

    async def _alone(self, task: _Task, terms: Terms, reading: Reading) -> None:
        """One document, so that a poison one takes nothing else with it."""
        results = await self._call([task], terms)
        if results is None:
            _give_up(reading, task, LOST)
        elif "error" in results[0]:
            _give_up(reading, task, results[0]["error"])
        else:
            _take(reading, results[0]["chunk"])

    async def _call(self, batch: list[_Task], terms: Terms) -> list[Row] | None:
        jobs, blob, profiles = [], bytearray(), {}
        for task in batch:
            profiles[task.portion.partner, task.revision] = await self._profile_text(task.portion.partner, task.revision)
            jobs.append(self._job(task, terms, len(blob)))
            blob += task.portion.payload.data or b""
        return await self._workers.call_behind(jobs, bytes(blob), profiles)

    def _job(self, task: _Task, terms: Terms, blob_start: int) -> Row:
        portion = task.portion
        path = None if portion.payload.data is not None else str(self._files.local(portion.payload.sha256).absolute())
        places = [{"i": one.interchange - 1, "g": one.group - 1, "s": one.ordinal - 1, "o": one.byte_start} for one in task.documents]
        return {
            "message": portion.message, "partner": portion.partner, "revision": task.revision, "profile": None, "size": portion.size, "path": path,
            "blob_start": blob_start, "received_at": as_text(portion.arrival), "resume": {"replay": places} if places else None,
            "resume_text": None, "dropped": [], "earlier": [], "hold": False, "override": terms.override, "file_name": portion.file_name,
            "stream": terms.stream, "target": terms.target,
        }  # fmt: skip


def _tasks(portion: Portion, revision_of: Callable[[Portion, Stored | None], int]) -> list[_Task]:
    """A portion's documents by the revision that each is read under."""
    if not portion.documents:
        return [_Task(portion, [], revision_of(portion, None))]
    by: dict[int, list[Stored]] = {}
    for one in portion.documents:
        by.setdefault(revision_of(portion, one), []).append(one)
    return [_Task(portion, documents, revision) for revision, documents in by.items()]


def _batches(tasks: list[_Task]) -> list[list[_Task]]:
    """Small messages by the dozen, large ones alone."""
    small = [task for task in tasks if task.portion.payload.data is not None and task.portion.size <= SMALL]
    large = [task for task in tasks if task.portion.payload.data is None or task.portion.size > SMALL]
    return [*(small[start : start + TOGETHER] for start in range(0, len(small), TOGETHER)), *([task] for task in large)]


def _take(reading: Reading, chunk: Row) -> None:
    reading.rows += chunk["documents"]
    reading.held = reading.held or chunk["held"]


def _give_up(reading: Reading, task: _Task, why: str) -> None:
    for name in [one.id for one in task.documents] or [task.portion.message]:
        reading.unread[name] = why
