"""Replay: jobs over many documents, chunk by chunk, each chunk one commit. Behind live work, within bounds, from where the last life stopped.

Knows the workers only as a reader, and the other stages not at all: what they are to do again is a row of theirs.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway import journal
from gateway.clock import Clock, span
from gateway.errors import StoreUnavailable
from gateway.failpoints import reach
from gateway.replay.comparing import compare, trials
from gateway.replay.reading import Reader, Reading, Terms
from gateway.replay.records import Again, DeadKind, DeadLetter, Job, JobClaim, JobLease, Page, Portion, Progress, Stored, Told
from gateway.replay.summary import Summary
from gateway.store import dead_letters
from gateway.store import replay_pages as pages
from gateway.store.store import Store, landed
from gateway.wakeful import AFTER_TROUBLE, Claiming

LEASE = timedelta(seconds=15)
JOBS = 4
"""At once; further ones wait."""
LOOK = 0.05
"""Seconds between looks whether a chunk is decided."""
CHUNK = 100
"""Dead letters in one commit."""
STILL_DUE = 0.1
"""The part of a chunk of deliveries that may still be due when the next one is queued."""

Read = tuple[Page, list[Reading], list[Told]]


class ReplayStage(Claiming):
    name = "replay"
    idle = 0.5

    def __init__(
        self, store: Store, reader: Reader, *, node: str, clock: Clock, targets: frozenset[str], on_queued: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self._store, self._reader, self._node, self._clock = store, reader, node, clock
        self._targets = targets
        self._on_queued = on_queued

    async def _look(self) -> bool:
        """A job that is cut in a chunk when the stage stops has nothing of that chunk committed."""
        for job in await self._claim(JOBS - len(self._under_way)):
            self._begin(self._job(job))
        return False

    async def _claim(self, room: int) -> list[Job]:
        if room <= 0:
            return []
        now = self._clock()
        try:
            jobs = await landed(self._store.claim_replays(JobClaim(self._node, now, now + span(LEASE), room)))
        except Exception as error:  # a loop that ended here would leave all jobs where they are
            journal.trouble("replay: claim", error)
            await asyncio.sleep(AFTER_TROUBLE)
            return []
        if jobs:
            reach("replay.claimed")
        return jobs

    async def _job(self, job: Job) -> None:
        """One job, until it is done, somebody pauses it, or the lease is lost."""
        working = asyncio.create_task(self._work(job))
        renewing = asyncio.create_task(self._renew(job, working))
        try:
            await working
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        except StoreUnavailable as error:
            journal.trouble(f"replay: {job.asked.id}", error)
            await asyncio.sleep(AFTER_TROUBLE)
        except Exception as error:
            # The one place that catches all: a person must learn why it does not go on.
            journal.trouble(f"replay: {job.asked.id}", error)
            await self._fail(job, f"our own fault: {type(error).__name__}: {error}")
        finally:
            renewing.cancel()

    async def _renew(self, job: Job, working: "asyncio.Task[None]") -> None:
        """Every third of the lease; a job that is paused, or somebody else's by now, ends here."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            if not await self._ours(job):
                working.cancel()
                return

    async def _ours(self, job: Job) -> bool:
        try:
            return await landed(self._store.renew_replay(JobLease(job.asked.id, job.fence, self._until())))
        except StoreUnavailable:
            return False

    def _until(self) -> int:
        return self._clock() + span(LEASE)

    async def _fail(self, job: Job, why: str) -> None:
        """Where it stands; a person may let it go on from there."""
        row = await landed(self._store.read(lambda tx: pages.standing_of(tx, job.asked.id)))
        await landed(self._store.keep_progress(self._progress(job, row, row, None, state="failed", told=why)))
        await landed(self._store.raise_alarm("replay.failed", job.asked.partner, f"replay {job.asked.id} failed: {why}", self._clock()))
        journal.replay(job.asked.id, job.asked.partner, "failed")

    # ---- the work

    async def _work(self, job: Job) -> None:
        if job.asked.target is not None and job.asked.target not in self._targets:
            known = ", ".join(sorted(self._targets)) or "none"
            await self._fail(job, f"the settings have no target {job.asked.target}; they have {known}. Add it and resume, or cancel the job")
            return
        if job.asked.act in ("retry", "skip"):
            await self._work_off(job)
            return
        if job.total is None:
            total = await landed(self._store.read(lambda tx: pages.total_of(tx, job)))
            await landed(self._store.count_replay(job.asked.id, total))
        walk = self._reprocess if job.asked.act == "reprocess" and job.asked.into != "live" else self._queue
        await walk(job)

    async def _reprocess(self, job: Job) -> None:
        """Into nowhere or the test target: read, compared or tried, the next chunk read while this one is committed."""
        cursor, diff = job.cursor, job.diff
        ahead: asyncio.Task[Read] = asyncio.create_task(self._read(job, cursor))
        try:
            while True:
                page, readings, told = await ahead
                if not page.last:
                    ahead = asyncio.create_task(self._read(job, page.cursor))
                summary = Summary(diff)
                progress = await asyncio.to_thread(self._came_to, job, cursor, page, readings, told, summary)
                reach("replay.read")
                if not await self._keep(job, progress):
                    return
                cursor, diff = page.cursor, summary.value
                if page.last:
                    return
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, job: Job, cursor: dict[str, Any]) -> Read:
        page = await landed(self._store.read(lambda tx: pages.page_of(tx, job, cursor)))
        into_test = job.asked.into == "test"
        terms = Terms("test" if into_test else None, job.asked.target, job.asked.query.get("override"))
        portions = [one for one in page.portions if one.documents] if into_test else page.portions
        readings = await self._reader.read(portions, terms, lambda portion, one: revision_of(job, portion, one))
        if into_test:
            return page, readings, []
        documents = [one for portion in portions for one in portion.documents]
        return page, readings, await landed(self._store.read(lambda tx: pages.told_of(tx, documents)))

    def _came_to(self, job: Job, cursor: dict[str, Any], page: Page, readings: list[Reading], told: list[Told], summary: Summary) -> Progress:
        summary.count("messages", page.messages)
        tried = []
        if job.asked.into == "test":
            tried = trials(readings, lambda portion, one: revision_of(job, portion, one), summary)
        else:
            compare(readings, told, self._bytes, summary)
        progress = self._progress(job, cursor, page.cursor, summary, state="done" if page.last else "running")
        progress.trials = tried
        return progress

    def _bytes(self, told: list[Told]) -> dict[str, bytes]:
        rows = self._store.look(lambda tx: pages.payload_rows(tx, [one.payload.id for one in told]))
        return {one.id: self._store.files.bytes_of(rows[one.payload.id]) for one in told}

    def _progress(
        self, job: Job, before: dict[str, Any], cursor: dict[str, Any], summary: Summary | None, *, state: Any = "running", told: str | None = None
    ) -> Progress:
        return Progress(
            job=job.asked.id, fence=job.fence, at=self._clock(), until=self._until(), before=before, cursor=cursor,
            counts=summary.counts if summary else {}, diff=summary.value if summary else None, state=state, told=told,
        )  # fmt: skip

    async def _keep(self, job: Job, progress: Progress) -> bool:
        """The commit of a chunk; False where the job is not ours any more."""
        kept = await landed(self._store.keep_progress(progress))
        if kept is None:
            return False
        reach("replay.committed")
        if progress.again or progress.deliveries or progress.trials or progress.dead:
            self._on_queued()
        if progress.state == "done":
            journal.replay(job.asked.id, job.asked.partner, "done")
        return True

    # ---- what other stages do again

    async def _queue(self, job: Job) -> None:
        """Read or sent again by the stages themselves: a chunk is queued only when the one before is decided, so that live work never waits long."""
        cursor, diff = job.cursor, job.diff
        while True:
            if cursor.get("pending") and await self._open(cursor["pending"]):
                await asyncio.sleep(LOOK)
                continue
            if cursor.get("pending"):
                summary = Summary(diff)
                progress = await self._decided(job, cursor, summary)
            else:
                page = await landed(self._store.read(lambda tx, at=cursor: pages.page_of(tx, job, at)))  # type: ignore[misc]
                summary = Summary(diff)
                progress = await self._asked_of(job, cursor, page, summary)
            reach("replay.read")
            if not await self._keep(job, progress) or progress.state == "done":
                return
            cursor, diff = progress.cursor, summary.value

    async def _asked_of(self, job: Job, cursor: dict[str, Any], page: Page, summary: Summary) -> Progress:
        summary.count("messages", page.messages)
        summary.count("documents", sum(len(portion.documents) for portion in page.portions))
        progress = self._progress(job, cursor, page.cursor, summary)
        if job.asked.act == "redeliver":
            await self._send_again(job, page, progress, summary)
        else:
            self._read_again(job, page, progress, summary)
        if progress.again or progress.deliveries:
            progress.cursor = page.cursor | {"pending": self._pending(progress, page), "last": page.last}
        elif page.last:
            progress.state = "done"
        return progress

    def _read_again(self, job: Job, page: Page, progress: Progress, summary: Summary) -> None:
        override = job.asked.query.get("override")
        for portion in page.portions:
            fit = [one for one in portion.documents if not one.given_up and (one.state != "rejected" or override == "rejected")]
            summary.count("left", len(portion.documents) - len(fit))
            if fit or not portion.documents:
                first = fit[0] if fit else None
                progress.again.append(Again(portion.message, tuple(one.id for one in fit), revision_of(job, portion, first)))

    async def _send_again(self, job: Job, page: Page, progress: Progress, summary: Summary) -> None:
        documents = [one for portion in page.portions for one in portion.documents]
        stream = "test" if job.asked.into == "test" else "production"
        sent = await landed(self._store.read(lambda tx: pages.sent_of(tx, documents, stream)))
        progress.deliveries = [delivery for delivery, state in sent if state in ("delivered", "dead")]
        summary.count("left", len(sent) - len(progress.deliveries))

    def _pending(self, progress: Progress, page: Page) -> dict[str, Any]:
        if progress.deliveries:
            return {"deliveries": progress.deliveries}
        states = {one.id: one.state for portion in page.portions for one in portion.documents}
        asked = {document: states[document] for again in progress.again for document in again.documents}
        return {"messages": [again.message for again in progress.again], "documents": asked, "at": progress.at}

    async def _decided(self, job: Job, cursor: dict[str, Any], summary: Summary) -> Progress:
        """What came of the chunk before."""
        pending = cursor["pending"]
        if "documents" in pending:
            await self._count_new(pending, summary)
        after = {name: value for name, value in cursor.items() if name not in ("pending", "last")}
        return self._progress(job, cursor, after, summary, state="done" if cursor["last"] else "running")

    async def _open(self, pending: dict[str, Any]) -> bool:
        if "deliveries" in pending:
            due = await landed(self._store.read(lambda tx: pages.still_due(tx, pending["deliveries"])))
            return due > STILL_DUE * len(pending["deliveries"])
        return bool(await landed(self._store.read(lambda tx: pages.undecided(tx, pending["messages"]))))

    async def _count_new(self, pending: dict[str, Any], summary: Summary) -> None:
        states, fresh = await landed(self._store.read(lambda tx: pages.come_of(tx, list(pending["documents"]), pending["at"])))
        for document, before in pending["documents"].items():
            after, reason = states[document]
            summary.document(document, before, after, reason)
        for event in fresh:
            if event["before"] is None:
                summary.appeared(event["id"], event["type"], event["subject"])
            else:
                old, new = [self._store.files.bytes_of(event[name]) for name in ("before", "payload")]
                summary.event(event["id"], event["type"], old, new)

    # ---- dead letters

    async def _work_off(self, job: Job) -> None:
        """Kind by kind, in the order in which they came, each once: what dies again meanwhile is behind the cursor."""
        search = search_of(job.asked.query)
        cursor = job.cursor
        while True:
            kind = cursor.get("kind", dead_letters.KINDS[0])
            key, after = cursor["arrival"], cursor["message"]
            found = await landed(self._store.read(lambda tx, k=kind, at=key, i=after: dead_letters.page(tx, search, k, key=at, after=i, limit=CHUNK)))  # type: ignore[misc]
            progress = self._progress(job, cursor, _behind(kind, found), None)
            progress.dead = found
            if progress.cursor["kind"] is None:
                progress.state = "done"
            reach("replay.read")
            if not await self._keep(job, progress) or progress.state == "done":
                return
            cursor = progress.cursor


def search_of(query: dict[str, Any]) -> dead_letters.Search:
    """A job's query as a search of dead letters; none that came after it was asked for."""
    names = ("partner", "target", "type", "cause", "text", "since", "until")
    return dead_letters.Search(**{name: query[name] for name in names if query.get(name) is not None})


def _behind(kind: DeadKind, found: list[DeadLetter]) -> dict[str, Any]:
    """The cursor after a page: behind its last one, or at the next kind, or (kind None) at the end."""
    if len(found) == CHUNK:
        return {"kind": kind, "arrival": found[-1].at, "message": found[-1].id, "place": None}
    kinds = dead_letters.KINDS
    later = kinds[kinds.index(kind) + 1] if kind != kinds[-1] else None
    return {"kind": later, "arrival": 0, "message": "", "place": None}


def revision_of(job: Job, portion: Portion, one: Stored | None) -> int:
    """The profile revision that a document is read under: its own, that which was live when the job was asked for, or the one that was named."""
    if job.asked.revision == "original":
        return one.revision if one is not None and job.asked.into != "live" else portion.revision
    if job.asked.revision == "live":
        return int(job.asked.query["revisions"].get(portion.partner, portion.revision))
    return int(job.asked.revision)
