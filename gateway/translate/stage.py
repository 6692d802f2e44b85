"""Translate: claims messages in the order of their channel, has workers read them, commits what each chunk came to (COMMIT 2).

Knows workers only as a pool that turns jobs into rows.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any

from gateway import journal, traces
from gateway.clock import SECOND, Clock, as_text, span
from gateway.errors import CrossdockError, StoreUnavailable
from gateway.failpoints import reach
from gateway.live_profiles import ProfileText
from gateway.records.answers import Acknowledgment, Receipt
from gateway.records.documents import document_row
from gateway.records.translation import Chunk, ChunkKept, ToTranslate, TranslateClaim, TranslateLane
from gateway.store import search
from gateway.store.payloads import DAMAGED, PayloadDamaged, checked, sound
from gateway.store.store import Store, landed
from gateway.translate.pool import Pool, WorkerLost
from gateway.translate.telling import CHUNK_DOCUMENTS
from gateway.wakeful import AFTER_TROUBLE, Claiming

LEASE = timedelta(seconds=15)
LANES = 16
MESSAGES = 512
"""Of one lane at most in one claim: between two claims of a lane the workers wait for its last commit, its release and the next claim."""
TOGETHER = 16
MOST_TOGETHER = 64
"""Small messages that go to a worker in one call: more where many wait, for a call is a commit, and a commit's statements cost the same for any number."""
SMALL = 64 * 1024
LONGEST_TURN = 2.0
"""Seconds for which a large message may have a worker that another partner waits for; what it had in its mind is then read again."""
MOST_LOSSES = 3


class TranslateStage(Claiming):
    name = "translate"

    def __init__(
        self, store: Store, pool: Pool, *, node: str, clock: Clock, profile_text: ProfileText, on_kept: Callable[[], None] = lambda: None,
        hooks: Callable[[str], bool] = lambda partner: False, on_translated: Callable[[str, dict[str, int], float | None], None] = lambda *told: None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._store = store
        self._pool = pool
        self._node = node
        self._clock = clock
        self._profile_text = profile_text
        self._on_kept = on_kept
        self._hooks = hooks
        self._on_translated = on_translated
        self._held: set[tuple[str, str]] = set()
        """Lanes from their claim to their release, by partner and channel."""

    def wake_for(self, partner: str, channel: str) -> None:
        """A message of this lane is kept. While the lane is ours nothing can be claimed for it: its release looks for what has come meanwhile."""
        if (partner, channel) not in self._held:
            self.wake()

    async def _look(self) -> bool:
        """Whether it got any. A chunk that is cut when the stage stops is claimed again when its lease runs out, or at the next start."""
        room = LANES - len(self._under_way)
        lanes = await self._claim(room) if room > 0 else []
        for lane in lanes:
            self._begin(self._lane(lane))
        return bool(lanes)

    async def _claim(self, room: int) -> list[TranslateLane]:
        now = self._clock()
        try:
            lanes = await landed(self._store.claim_messages(TranslateClaim(self._node, now, now + span(LEASE), room, MESSAGES)))
        except Exception as error:
            # Whatever it is: a loop that ended here would leave every partner waiting, and nobody would know why.
            journal.trouble("translate: claim", error)
            await asyncio.sleep(AFTER_TROUBLE)
            return []
        if lanes:
            reach("translate.claimed")
        return lanes

    async def _lane(self, lane: TranslateLane) -> None:
        """The lane's messages, in order: read side by side, committed one after another."""
        self._held.add((lane.partner, lane.channel))
        renewing = asyncio.create_task(self._renew(lane))
        try:
            batches = _batches(lane.messages, self._pool.size)
            reading = [asyncio.create_task(self._read_together(batch)) if len(batch) > 1 else None for batch in batches]
            try:
                for batch, task in zip(batches, reading, strict=True):
                    read = await task if task else {}
                    await self._commit_in_order(batch, read)
            finally:
                for task in filter(None, reading):
                    task.cancel()
        except StoreUnavailable as error:
            journal.trouble("translate: COMMIT 2", error)
            await asyncio.sleep(AFTER_TROUBLE)
        except Exception as error:
            # The one place that catches all: the lane must be released, and the journal must know.
            journal.trouble("translate", error)
            await asyncio.sleep(AFTER_TROUBLE)
        finally:
            renewing.cancel()
            try:
                await landed(self._store.release_lane(lane))
            except CrossdockError as error:
                journal.trouble("translate: release", error)
            finally:
                self._held.discard((lane.partner, lane.channel))

    async def _renew(self, lane: TranslateLane) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await landed(self._store.renew_lane(lane, self._clock() + span(LEASE)))
            except StoreUnavailable as error:
                journal.trouble("translate: renew", error)

    async def _read_together(self, batch: list[ToTranslate]) -> dict[str, dict[str, Any]]:
        """Results by message; without those that a lost worker took with it, which are read one by one afterwards."""
        jobs, blob, profiles = [], bytearray(), {}
        standing = await self._where_they_stand([message.id for message in batch if message.resume])
        for message in batch:
            data = message.data
            if data is None or not sound(data, message.sha256):
                continue  # it is read alone, which says what is wrong with it
            profiles[message.partner, message.profile_revision] = await self._profile_text(message.partner, message.profile_revision)
            dropped, earlier = standing.get(message.id, ([], []))
            jobs.append(self._job(message, blob_start=len(blob), resume=message.resume, dropped=dropped, earlier=earlier))
            blob += data
        worker = await self._pool.take(batch[0].partner)
        try:
            results = await self._pool.call(worker, jobs, bytes(blob), profiles)
        except WorkerLost:
            return {}
        finally:
            self._pool.give_back(worker)
        reach("translate.read")
        return {result["message"]: result for result in results}

    async def _commit_in_order(self, batch: list[ToTranslate], read: dict[str, dict[str, Any]]) -> None:
        waiting: list[tuple[ToTranslate, Future[ChunkKept]]] = []
        for message in batch:
            result = read.get(message.id)
            if result is None or result.get("chunk", {}).get("resume"):
                # Alone: it is large, was begun before, or a worker was lost over it. Those before it land first.
                await self._landed(waiting)
                waiting = []
                await self._alone(message)
                continue
            waiting.append((message, self._store.keep_chunk(self._chunk(message, result, message.resume))))
        await self._landed(waiting)

    async def _landed(self, waiting: "list[tuple[ToTranslate, Future[ChunkKept]]]") -> None:
        for message, future in waiting:
            try:
                kept = await landed(future)
            except StoreUnavailable:
                raise
            except Exception as error:
                await self._hold_for_fault(message, message.resume, error)
                continue
            self._tell(message, kept, whole=True)
        if waiting:
            reach("translate.committed")
            self._on_kept()

    async def _alone(self, message: ToTranslate) -> None:
        """One message, chunk after chunk, on one worker. What we cannot do for our own fault holds it; its lane goes on."""
        way = _Way(message.resume, message.losses)
        try:
            is_done = False
            while not is_done:
                worker = await self._pool.take(message.partner)
                try:
                    is_done = await self._chunk_after_chunk(message, way, worker)
                finally:
                    self._pool.give_back(worker)
        except StoreUnavailable:
            raise
        except PayloadDamaged as error:
            await self._hold(message, way.resume, f"{DAMAGED}: {error}")
        except Exception as error:
            await self._hold_for_fault(message, way.resume, error)

    async def _hold_for_fault(self, message: ToTranslate, resume: str | None, error: Exception) -> None:
        journal.trouble(f"translate: {message.id}", error)
        await self._hold(message, resume, f"our own fault: {type(error).__name__}: {error}")

    async def _chunk_after_chunk(self, message: ToTranslate, way: "_Way", worker: Any) -> bool:
        """Until the message is whole, or held (True); or until others have waited for this worker for long enough (False): then it is another's turn."""
        profiles = {(message.partner, message.profile_revision): await self._profile_text(message.partner, message.profile_revision)}
        if message.data is not None:
            checked(message.data, message.sha256)
        elif not way.is_verified:
            await asyncio.to_thread(self._store.files.verify, message.sha256)
        way.is_verified = True
        if way.resume:
            way.dropped, way.earlier = await self._where_it_stands(message)
        ahead: asyncio.Task[list[dict[str, Any]]] | None = None
        until = asyncio.get_running_loop().time() + LONGEST_TURN
        while True:
            if way.losses > MOST_LOSSES:
                await self._hold(message, way.resume, f"reading it has ended {way.losses} worker processes, even with the set at this place left out")
                return True
            try:
                (result,) = await (ahead or self._pool.call(worker, [self._next_job(message, way)], message.data or b"", profiles))
            except WorkerLost:
                ahead = None
                way.losses += 1
                way.alone = CHUNK_DOCUMENTS
                await landed(self._store.count_loss(message.id))
                if way.resume:
                    way.dropped, way.earlier = await self._where_it_stands(message)
                continue
            reach("translate.read")
            chunk = self._chunk(message, result, way.resume)
            way.resume, way.losses, way.earlier = chunk.resume, 0, []
            way.alone = max(0, way.alone - 1)
            ahead = None
            is_over = asyncio.get_running_loop().time() > until and self._pool.is_wanted(message.partner)
            if chunk.resume and not chunk.interchanges and not is_over:
                # The worker reads on while this chunk is committed. Not after the first: the store may decide against an interchange.
                ahead = asyncio.create_task(self._pool.call(worker, [self._next_job(message, way)], message.data or b"", profiles))
            kept = await self._keep_beside(chunk, ahead)
            reach("translate.committed")
            self._on_kept()
            if chunk.held is None:
                self._tell(message, kept, whole=chunk.resume is None)
            if kept.stale or chunk.resume is None:
                return True
            way.dropped = sorted({*way.dropped, *kept.dropped})
            if is_over:
                return False

    def _next_job(self, message: ToTranslate, way: "_Way") -> dict[str, Any]:
        return self._job(message, resume=way.resume, dropped=way.dropped, earlier=way.earlier, hold=way.losses >= MOST_LOSSES, alone=way.alone > 0)

    async def _keep_beside(self, chunk: Chunk, ahead: "asyncio.Task[list[dict[str, Any]]] | None") -> ChunkKept:
        """COMMIT 2. Where it fails or changes nothing, the worker that reads ahead is waited for: it must be free when it is given back."""
        kept: ChunkKept | None = None
        try:
            kept = await landed(self._store.keep_chunk(chunk))
        finally:
            if ahead is not None and (kept is None or kept.stale):
                await asyncio.gather(ahead, return_exceptions=True)
        return kept

    async def _where_it_stands(self, message: ToTranslate) -> tuple[list[int], list[dict[str, Any]]]:
        """For a worker that has not seen the message's beginning: interchanges that do not count, verdicts of the present group."""
        return await landed(self._store.read(lambda tx: search.standing(tx, message.id)))

    async def _where_they_stand(self, messages: list[str]) -> dict[str, tuple[list[int], list[dict[str, Any]]]]:
        """The same of several replays that share a call."""
        if not messages:
            return {}
        return await landed(self._store.read(lambda tx: {message: search.standing(tx, message) for message in messages}))

    async def _hold(self, message: ToTranslate, resume: str | None, reason: str) -> None:
        chunk = self._blank(message, resume)
        chunk.held = reason
        await landed(self._store.keep_chunk(chunk))
        journal.held(message.id, message.partner, reason)

    def _job(
        self,
        message: ToTranslate,
        *,
        blob_start: int = 0,
        resume: str | None = None,
        dropped: list[int] | None = None,
        earlier: list[dict[str, Any]] | None = None,
        hold: bool = False,
        alone: bool = False,
    ) -> dict[str, Any]:
        path = None if message.data is not None else str(self._store.files.local(message.location or message.sha256).absolute())
        return {
            "message": message.id, "partner": message.partner, "revision": message.profile_revision, "profile": None, "size": message.size,
            "path": path, "blob_start": blob_start, "received_at": as_text(message.arrival), "resume": json.loads(resume) if resume else None,
            "resume_text": resume, "dropped": dropped or [], "earlier": earlier or [], "hold": hold, "alone": alone,
            "override": json.loads(message.override)["name"] if message.override else None, "file_name": message.file_name,
        }  # fmt: skip

    def _blank(self, message: ToTranslate, expected: str | None) -> Chunk:
        override = json.loads(message.override) if message.override else {}
        return Chunk(
            replay=bool(expected and "replay" in json.loads(expected)), override=override.get("name"), who=override.get("who", self._node),
            message=message.id, partner=message.partner, channel=message.channel, profile_revision=message.profile_revision,
            arrival=message.arrival, expected_resume=expected, resume=None, at=self._clock(), node=self._node, traceparent=message.traceparent,
            hook=self._hooks(message.partner),
        )  # fmt: skip

    def _chunk(self, message: ToTranslate, result: dict[str, Any], expected: str | None = None) -> Chunk:
        """A worker's rows as the value that the store keeps. What a worker could not do holds the message, for our fault loses nothing."""
        chunk = self._blank(message, expected)
        if "error" in result:
            chunk.held = result["error"]
            journal.held(message.id, message.partner, result["error"])
            return chunk
        rows = result["chunk"]
        chunk.held = rows["held"]
        chunk.resume = rows["resume"]
        chunk.interchanges = rows["interchanges"]
        chunk.groups = rows["groups"]
        chunk.ta1s = rows["ta1s"]
        chunk.envelope_findings = rows["envelope_findings"]
        chunk.documents = [document_row(row) for row in rows["documents"]]
        chunk.acknowledgments = [acknowledgment_of(row) for row in rows["acknowledgments"]]
        return chunk

    def _tell(self, message: ToTranslate, kept: ChunkKept, *, whole: bool) -> None:
        if not kept.stale:
            journal.translated(message.id, message.partner, kept.states, kept.dropped, whole)
            now = self._clock()
            self._on_translated(message.partner, kept.states, (now - message.arrival) / SECOND if whole else None)
            if whole and traces.are_on():
                traces.tell(
                    "translate", traces.begin(message.traceparent), message.traceparent, message.arrival, now, message=message.id, partner=message.partner,
                    documents=sum(kept.states.values()),
                )  # fmt: skip


@dataclass(slots=True)
class _Way:
    """How far one message is, and what it has cost."""

    resume: str | None
    losses: int
    is_verified: bool = False
    """Its file has been read through and has its hash: once is enough, however many turns the message takes."""
    alone: int = 0
    """So many chunks hold one document each: a worker was lost over one of them, and its siblings must not be lost with it."""
    dropped: list[int] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)


def acknowledgment_of(row: dict[str, Any]) -> Acknowledgment:
    return Acknowledgment(**row | {"receipt": Receipt(**row["receipt"]) if row["receipt"] else None})


def _batches(messages: list[ToTranslate], workers: int) -> list[list[ToTranslate]]:
    """Runs of small messages, fresh or replayed, that share a call, so many that all workers have some; everything else alone. The order stays."""
    most = min(MOST_TOGETHER, max(TOGETHER, ceil(len(messages) / workers)))
    batches: list[list[ToTranslate]] = []
    small = False
    for message in messages:
        fits = message.data is not None and message.size <= SMALL and _from_its_beginning(message.resume) and message.losses == 0
        if fits and small and len(batches[-1]) < most:
            batches[-1].append(message)
        else:
            batches.append([message])
        small = fits
    return batches


def _from_its_beginning(resume: str | None) -> bool:
    """Whether nothing of the message is being read: it is fresh, or a person wants it, or some of its documents, again."""
    return resume is None or resume.startswith('{"replay"')
