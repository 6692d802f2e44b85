"""Replays of many documents as durable jobs: asked for, claimed, paused, and each chunk as one commit with everything that it asks of others.

A chunk that is committed moves the cursor in the same commit, so that a killed node loses at most one and counts none twice.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import Instant, Ticks, as_text
from gateway.records.deliveries import Action
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk
from gateway.replay.records import ALL, Again, Asked, DeadLetter, Job, JobClaim, JobLease, Progress, StateChange, Trial
from gateway.store.delivery import DeliveryVerbs
from gateway.store.past import KnownEvent, known_events
from gateway.store.payloads import PayloadFiles
from gateway.store.replays import BEING_READ, Replay, ReplayVerbs, Skip, lanes_of
from gateway.store.serial import DOCUMENTS, Key, Rows, take_turns, waits_for
from gateway.store.sql import held, insert, many
from gateway.store.telling import tell_event
from gateway.store.writes import Writes

LISTED = 200
NOTES = 20
"""How many words of refusals a job keeps."""
BEGINNING = {"arrival": 0, "message": "", "place": None}
EMPTY = {"fields": {}, "events": {}, "documents": {}, "refused": [], "more": 0}

_PUT = insert(
    "replay_jobs", "id", "partner", "act", "destination", "target", "revision", "query", "who", "reason", "state", "cursor", "counts", "diff",
    "created_at", "updated_at", or_nothing=True,
)  # fmt: skip
_DUE = text("SELECT id FROM replay_jobs WHERE state = 'running' AND lease_until <= :now ORDER BY updated_at, id LIMIT :limit")
_DUE_SKIP_LOCKED = text(_DUE.text + " FOR UPDATE SKIP LOCKED")
_TAKE = text("UPDATE replay_jobs SET lease_until = :until, node = :node, fence = fence + 1 WHERE id = :id")
_ONE = text("SELECT * FROM replay_jobs WHERE id = :id")
_LATEST = text(
    "SELECT * FROM replay_jobs WHERE (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner) ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_RENEW = text("UPDATE replay_jobs SET lease_until = :until WHERE id = :id AND fence = :fence AND state = 'running'")
_MOVE = text(
    "UPDATE replay_jobs SET cursor = :cursor, counts = :counts, diff = :diff, state = :state, told = :told, updated_at = :at, lease_until = :until"
    " WHERE id = :id"
)
_TOTAL = text("UPDATE replay_jobs SET total = :total WHERE id = :id")
_STATE = text("UPDATE replay_jobs SET state = :state, told = NULL, lease_until = 0, fence = fence + 1, updated_at = :at WHERE id = :id")
_GATE = text(
    "SELECT id, counts, query, created_at FROM replay_jobs WHERE partner = :partner AND created_at >= :after AND revision = :revision"
    " AND destination = 'nowhere' AND act = 'reprocess' AND state = 'done' ORDER BY created_at DESC LIMIT 50"
)
CHANGES = {"running": ("paused", "failed"), "paused": ("running",), "cancelled": ("running", "paused", "failed")}
"""A state that a person sets, and those from which."""


@dataclass(frozen=True, slots=True)
class ReplayJobVerbs:
    ticks: Ticks
    is_sqlite: bool
    files: PayloadFiles
    replays: ReplayVerbs
    delivery: DeliveryVerbs

    def ask(self, tx: Connection, items: list[Asked]) -> list[None]:
        rows = [
            {
                "id": item.id, "partner": item.partner, "act": item.act, "destination": item.into, "target": item.target, "revision": item.revision,
                "query": json.dumps(item.query, sort_keys=True), "who": item.who[:80], "reason": item.reason, "state": "running",
                "cursor": json.dumps(BEGINNING), "counts": "{}", "diff": json.dumps(EMPTY), "created_at": item.at, "updated_at": item.at,
            }
            for item in items
        ]  # fmt: skip
        many(tx, _PUT, rows)
        return [None] * len(items)

    def claim(self, tx: Connection, items: list[JobClaim]) -> list[list[Job]]:
        """Running jobs that nobody works at, leased; those that were touched longest ago first."""
        results = []
        for item in items:
            due = tx.execute(_DUE if self.is_sqlite else _DUE_SKIP_LOCKED, {"now": item.now, "limit": item.limit}).all()
            many(tx, _TAKE, [{"id": row.id, "until": item.until, "node": item.node} for row in sorted(due)])
            results.append([job_of(tx.execute(_ONE, {"id": row.id}).one()) for row in due])
        return results

    def renew(self, tx: Connection, items: list[JobLease]) -> list[bool]:
        """True where the job is still ours and still runs."""
        many(tx, _RENEW, [{"id": item.job, "fence": item.fence, "until": item.until} for item in sorted(items, key=lambda item: item.job)])
        return [self._ours(tx.execute(_ONE, {"id": item.job}).first(), item.fence) for item in items]

    def change(self, tx: Connection, items: list[StateChange]) -> list[tuple[str, bool]]:
        """(the job's state before, "" where there is no such job; whether the change fits it). Whoever works at it stops before its next commit."""
        results = []
        for item in items:
            row = tx.execute(held(tx, _ONE), {"id": item.job}).first()
            state = str(row.state) if row is not None else ""
            fits = state in CHANGES[item.state]
            if fits:
                tx.execute(_STATE, {"id": item.job, "state": item.state, "at": item.at})
            results.append((state, fits))
        return results

    def count_range(self, tx: Connection, items: list[tuple[str, int]]) -> list[None]:
        many(tx, _TOTAL, [{"id": job, "total": total} for job, total in items])
        return [None] * len(items)

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(tx, _read_again(items)), turns=_turns(items)))
    def keep(self, tx: Connection, items: list[Progress]) -> list[dict[str, int] | None]:
        """The commit of a chunk: the counts that it added, None where the job is not ours any more, and then nothing of it happens.

        What it tells a test target is told in turn with COMMIT 2.
        """
        take_turns(tx, _turns(items))
        return [self._keep(tx, item) for item in items]

    def _ours(self, row: Any, fence: int) -> bool:
        return row is not None and row.state == "running" and row.fence == fence

    def _keep(self, tx: Connection, item: Progress) -> dict[str, int] | None:
        row = tx.execute(held(tx, _ONE), {"id": item.job}).first()
        if row is None or not self._ours(row, item.fence):
            return None
        job = job_of(row)
        if job.cursor != item.before:
            return dict(item.counts) if job.cursor == item.cursor else None
        added = dict(item.counts)
        notes: list[str] = []
        _add(added, self._read_again(tx, job, item, notes))
        _add(added, self._send_again(tx, job, item))
        _add(added, self._try(tx, job, item))
        _add(added, self._work_off(tx, job, item, notes))
        counts = json.loads(row.counts)
        _add(counts, added)
        diff = item.diff if item.diff is not None else job.diff
        diff = diff | {"refused": [*job.diff.get("refused", []), *notes][:NOTES]}
        values = {
            "id": item.job, "cursor": json.dumps(item.cursor), "counts": json.dumps(counts, sort_keys=True), "diff": json.dumps(diff, ensure_ascii=False),
            "state": item.state, "told": item.told, "at": item.at, "until": item.until if item.state == "running" else 0,
        }  # fmt: skip
        tx.execute(_MOVE, values)
        return added

    def _read_again(self, tx: Connection, job: Job, item: Progress, notes: list[str]) -> dict[str, int]:
        counts = {"queued": 0, "refused": 0}
        for again in item.again:
            answer = self.replays.replay(tx, [_replay(job, again, item.at)])[0]
            counts["queued" if answer == "received" else "refused"] += len(again.documents) or 1
            if answer != "received":
                notes.append(f"{again.message}: {answer}")
        return counts

    def _send_again(self, tx: Connection, job: Job, item: Progress) -> dict[str, int]:
        words = f"{job.asked.reason} (replay {job.asked.id})"
        actions = [Action("redeliver", delivery, job.asked.who, words, item.at) for delivery in item.deliveries]
        return {"queued": sum(state == "due" for state in self.delivery.act(tx, actions))}

    # ---- dead letters

    def _work_off(self, tx: Connection, job: Job, item: Progress, notes: list[str]) -> dict[str, int]:
        counts = {"retried": 0, "skipped": 0, "left": 0}
        words = f"{job.asked.reason} (replay {job.asked.id})"
        held: dict[str, list[str]] = {}
        for one in item.dead:
            if job.asked.act == "skip":
                counts["skipped" if self._skip(tx, one, job.asked.who, words, item.at) else "left"] += 1
            elif one.kind == "delivery":
                state = self.delivery.act(tx, [Action("retry", one.id, job.asked.who, words, item.at)])[0]
                counts["retried" if state == "due" else "left"] += 1
            elif one.state == "rejected" and job.asked.query.get("override") != "rejected":
                counts["left"] += 1
            else:
                held.setdefault(one.message, []).extend([one.id] if one.kind == "document" else [])
        for message, documents in sorted(held.items()):
            partner = next(one.partner for one in item.dead if one.message == message)
            revision = job.asked.query["revisions"].get(partner)
            again = None if revision is None else Again(message, tuple(documents), revision)
            answer = f"{partner} has no live profile" if again is None else self.replays.replay(tx, [_replay(job, again, item.at)])[0]
            counts["retried" if answer == "received" else "left"] += len(documents) or 1
            if answer not in ("received", BEING_READ):
                notes.append(f"{message}: {answer}")
        return counts

    def _skip(self, tx: Connection, one: DeadLetter, who: str, words: str, at: Instant) -> bool:
        if one.kind == "delivery":
            return self.delivery.act(tx, [Action("skip", one.id, who, words, at)])[0] == "skipped"
        return self.replays.skip(tx, [Skip(one.id, who, words, at)])[0]

    # ---- trials

    def _try(self, tx: Connection, job: Job, item: Progress) -> dict[str, int]:
        """Events of the test stream, told to the test target where they say something new; nothing else of the documents changes."""
        if not item.trials:
            return {}
        identities = [event.identity for trial in item.trials for _, document in trial.documents for event in document.events]
        known = known_events(tx, identities)
        writes = Writes()
        told = same = 0
        for trial in item.trials:
            chunk = _chunk(job, trial, item.at)
            before = told
            for document_id, document in trial.documents:
                for event in document.events:
                    fresh = self._try_event(chunk, document_id, document, event, known, writes)
                    told, same = told + fresh, same + (not fresh)
            if told > before:
                words = (
                    f"{told - before} events to the test target, under profile revision {trial.revision} (replay {job.asked.id}): {job.asked.reason}"
                )
                writes.tell(self.ticks(), chunk, "tried", words)
        writes.put(tx, self.ticks)
        return {"told": told, "told_before": same}

    def _try_event(
        self, chunk: Chunk, document_id: str, document: DocumentRow, event: EventRow, known: dict[str, KnownEvent], writes: Writes
    ) -> bool:
        previous = known.get(event.identity)
        recent = previous is not None and previous.recent(chunk.at, document.within)
        if previous is not None and recent and previous.meaning_hash == event.meaning_hash:
            return False
        revision = previous.revision + 1 if previous else 1
        event_id = f"{event.identity}-r{revision}"
        known[event.identity] = KnownEvent(revision, event.meaning_hash, event_id, document_id, chunk.at, None)
        writes.identities[event.identity] = {
            "id": event.identity, "partner": chunk.partner, "revision": revision, "meaning_hash": event.meaning_hash, "event": event_id,
            "document": document_id, "at": chunk.at, "stream": document.stream, "subject": None, "stands": None, "expects": None,
        }  # fmt: skip
        tell_event(
            writes, chunk, event, event_id=event_id, revision=revision, supersedes=previous.event if previous and recent else None,
            document=document_id, stream=document.stream, ticks=self.ticks, files=self.files,
        )  # fmt: skip
        return True


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        if number:
            counts[name] = counts.get(name, 0) + number


def _replay(job: Job, again: Again, at: Instant) -> Replay:
    words = f"{job.asked.reason} (replay {job.asked.id})"
    return Replay(again.message, None, again.revision, job.asked.query.get("override"), job.asked.who, words, at, again.documents)


def _chunk(job: Job, trial: Trial, at: Instant) -> Chunk:
    return Chunk(
        message=trial.message, partner=trial.partner, channel=trial.channel, profile_revision=trial.revision, arrival=trial.arrival,
        expected_resume=None, resume=None, at=at, node="", who=job.asked.who,
    )  # fmt: skip


def job_of(row: Any) -> Job:
    asked = Asked(
        row.id, row.partner, row.act, row.destination, row.target, row.revision, json.loads(row.query), row.who, row.reason, row.created_at,
    )  # fmt: skip
    return Job(asked, row.fence, json.loads(row.cursor), json.loads(row.diff), row.total)


# ---- for people


def latest(tx: Connection, *, partner: str | None, limit: int) -> list[dict[str, Any]]:
    """The latest jobs, without their diffs."""
    return [_shown(row) for row in tx.execute(_LATEST, {"partner": partner, "limit": min(limit, LISTED)})]


def one(tx: Connection, job: str) -> dict[str, Any] | None:
    row = tx.execute(_ONE, {"id": job}).first()
    return None if row is None else _shown(row) | {"diff": json.loads(row.diff)}


def finished_runs(tx: Connection, partner: str, revision: int, after: Instant) -> list[Row[Any]]:
    """Dry runs of that revision that ended and were asked for since then, the latest first."""
    return list(tx.execute(_GATE, {"partner": partner, "revision": str(revision), "after": after}))


def _shown(row: Any) -> dict[str, Any]:
    query = json.loads(row.query)
    times = {name: as_text(query[name]) for name in ("since", "until") if query.get(name)}
    return {
        "id": row.id, "partner": None if row.partner == ALL else row.partner, "act": row.act, "into": row.destination, "target": row.target,
        "revision": row.revision, "query": query | times, "who": row.who, "reason": row.reason, "state": row.state, "told": row.told,
        "counts": json.loads(row.counts), "total": row.total, "waiting": bool(json.loads(row.cursor).get("pending")),
        "created_at": as_text(row.created_at), "updated_at": as_text(row.updated_at),
    }  # fmt: skip


def _read_again(items: list[Progress]) -> list[str]:
    return [message for item in items for message in [*(one.message for one in item.again), *(one.message for one in item.dead)]]


def _turns(items: list[Progress]) -> list[Key]:
    return [(DOCUMENTS, trial.partner) for item in items for trial in item.trials]
