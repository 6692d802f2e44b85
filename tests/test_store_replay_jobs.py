"""Jobs as rows: leased with a fence, each chunk once whatever becomes of the answer to its commit, and pages that reach every document once."""

from typing import Any

import pytest

from gateway.clock import SECOND
from gateway.replay.records import Again, Asked, Job, JobClaim, JobLease, Progress, StateChange
from gateway.store import replay_jobs, replay_pages
from gateway.store.store import Store
from tests.test_store_lanes import translated
from tests.test_store_writer import incoming

NOW = 100 * SECOND
RANGE = {"since": 0, "until": 3_000_000_000 * SECOND, "revisions": {"northway": 1}}


def asked(store: Store, **query: Any) -> None:
    store.ask_replay(Asked("J", "northway", "reprocess", "nowhere", None, "live", RANGE | query, "ann", "to see", NOW)).result(20)


def claim(store: Store, node: str = "a", at: int = NOW) -> list[Job]:
    return store.claim_replays(JobClaim(node, at, at + 15 * SECOND, 10)).result(20)


def chunk(job: Job, before: dict[str, Any], message: str, **more: Any) -> Progress:
    after = {"arrival": 1, "message": message, "place": None}
    return Progress("J", job.fence, NOW, NOW + 15 * SECOND, before, after, {"documents": 2}, **more)


def counts(store: Store) -> dict[str, int]:
    found = store.read(lambda tx: replay_jobs.one(tx, "J")).result(20)
    assert found is not None
    value: dict[str, int] = found["counts"]
    return value


def test_a_chunk_counts_once_and_only_for_who_holds_the_job(store: Store):
    asked(store)
    (job,) = claim(store)
    assert claim(store, "b") == [], "it is leased"
    first = chunk(job, job.cursor, "1")
    assert store.keep_progress(first).result(20) == {"documents": 2}
    # The answer to the commit was lost, and the member runs again.
    assert store.keep_progress(first).result(20) == {"documents": 2}
    assert counts(store) == {"documents": 2}
    assert store.keep_progress(chunk(job, job.cursor, "2")).result(20) is None, "it begins where the job is no more"
    (taken,) = claim(store, "b", NOW + 16 * SECOND)
    assert taken.cursor == first.cursor
    assert store.keep_progress(chunk(job, first.cursor, "3")).result(20) is None, "a holder that slept past its lease"
    assert not store.renew_replay(JobLease("J", job.fence, NOW)).result(20)
    assert store.renew_replay(JobLease("J", taken.fence, NOW)).result(20)
    assert store.change_replay(StateChange("J", "paused", NOW)).result(20) == ("running", True)
    assert store.keep_progress(chunk(taken, first.cursor, "3")).result(20) is None
    assert not store.renew_replay(JobLease("J", taken.fence, NOW)).result(20), "whoever works at it learns that it is paused"
    assert claim(store, at=NOW + 99 * SECOND) == []
    assert store.change_replay(StateChange("J", "running", NOW)).result(20) == ("paused", True)
    (again,) = claim(store)
    assert store.keep_progress(chunk(again, first.cursor, "3", state="done")).result(20)
    assert claim(store, at=NOW + 99 * SECOND) == []
    assert counts(store) == {"documents": 4}
    assert store.change_replay(StateChange("J", "running", NOW)).result(20) == ("done", False)
    assert store.change_replay(StateChange("K", "running", NOW)).result(20) == ("", False)


def test_a_node_that_comes_back_has_its_jobs_at_once(store: Store):
    asked(store)
    claim(store, "a")
    store.forget_leases("b")
    assert claim(store, "a") == []
    store.forget_leases("a")
    assert len(claim(store, "a")) == 1


def test_what_a_chunk_asks_of_others_happens_in_its_commit_or_not_at_all(store: Store):
    translated(store, 1)
    asked(store)
    (job,) = claim(store)
    message = f"{1:026d}"
    again = [Again(message, (f"{message}.1.1.1",), 1), Again("nobody", (), 1)]
    stale = chunk(job, {"arrival": 9, "message": "", "place": None}, "1", again=again)
    assert store.keep_progress(stale).result(20) is None
    state = store.read(lambda tx: tx.exec_driver_sql(f"SELECT state FROM messages WHERE id = '{message}'").scalar_one())
    assert state.result(20) == "translated"
    assert store.keep_progress(chunk(job, job.cursor, "1", again=again)).result(20) == {"documents": 2, "queued": 1, "refused": 1}
    found = store.read(lambda tx: replay_jobs.one(tx, "J")).result(20)
    assert found is not None
    assert found["diff"]["refused"] == ["nobody: there is no such message"]


@pytest.mark.parametrize(("messages", "documents", "size"), [(2, 3, 10_000), (1, 1, 10_000), (100, 100, 10_000), (3, 100, 20)])
def test_pages_reach_every_document_once_whatever_their_bounds(
    store: Store, monkeypatch: pytest.MonkeyPatch, messages: int, documents: int, size: int
):
    for name, bound in (("PAGE_MESSAGES", messages), ("PAGE_DOCUMENTS", documents), ("PAGE_BYTES", size)):
        monkeypatch.setattr(replay_pages, name, bound)
    for number in range(1, 8):
        translated(store, number)
    store.keep_message(incoming(8)).result(20)
    asked(store)
    (job,) = claim(store)
    seen, cursor, ended, whole = [], job.cursor, False, 0
    while not ended:
        page = store.read(lambda tx, at=cursor: replay_pages.page_of(tx, job, at)).result(20)  # type: ignore[misc]
        seen += [one.id for portion in page.portions for one in portion.documents]
        cursor, ended, whole = page.cursor, page.last, whole + page.messages
    assert seen == [f"{number:026d}.1.1.1" for number in range(1, 8)]
    assert whole == store.read(lambda tx: replay_pages.total_of(tx, job)).result(20) == 8
