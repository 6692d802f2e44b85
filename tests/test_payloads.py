"""Payload files, here or in a bucket that several nodes share: what is kept is found, what is damaged is noticed, what nobody names goes."""

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from gateway.chores import LEASE, Chores, Turn
from gateway.clock import DAY, MINUTE
from gateway.errors import StoreUnavailable
from gateway.settings import Bucket as Terms
from gateway.shared_work import SharedWork
from gateway.store import payload_rows
from gateway.store.bucket import Bucket, open_bucket
from gateway.store.payloads import Payload, PayloadDamaged, PayloadFiles, named
from gateway.store.spool import INLINE_LIMIT, Spool
from gateway.store.store import Store
from tests.scheduling import START as NOW

LARGE = os.urandom(INLINE_LIMIT + 1)
DIGEST = hashlib.sha256(LARGE).hexdigest()


@pytest.fixture
def shared() -> MemoryStore:
    return MemoryStore()


def node(folder: Path, shared: MemoryStore) -> PayloadFiles:
    return PayloadFiles(folder, Bucket(shared, "s3://test"))


def keep(files: PayloadFiles, data: bytes = LARGE, name: str = "message:1") -> Payload:
    return files.keep(Payload.inline(name, "p", data))


def test_another_node_reads_it(tmp_path, shared):
    here, there = node(tmp_path / "a", shared), node(tmp_path / "b", shared)
    payload = keep(here)
    assert payload.data is None
    assert there.read(payload.sha256) == LARGE
    assert there.local(payload.sha256).is_relative_to(tmp_path / "b"), "its own copy"
    there.verify(payload.sha256)


def test_what_is_small_is_no_object(tmp_path, shared):
    assert keep(node(tmp_path, shared), b"small").data == b"small"
    assert list(obstore.list(shared)) == []


def test_a_commit_does_not_wait_for_the_network(tmp_path, shared):
    payload = Payload.inline("event:1", "p", LARGE)
    assert node(tmp_path / "a", shared).keep_in_commit(payload).data == LARGE
    assert PayloadFiles(tmp_path / "b").keep_in_commit(payload).data is None


def test_a_copy_that_is_spoilt_is_fetched_anew(tmp_path, shared):
    files = node(tmp_path, shared)
    payload = keep(files)
    for spoil in (b"", LARGE[:-1] + b"?"):
        files.local(payload.sha256).write_bytes(spoil)
        assert files.read(payload.sha256) == LARGE
        files.local(payload.sha256).write_bytes(spoil)
        files.verify(payload.sha256)
        assert files.local(payload.sha256).read_bytes() == LARGE


def test_an_object_that_is_spoilt_is_noticed(tmp_path, shared):
    here, there = node(tmp_path / "a", shared), node(tmp_path / "b", shared)
    payload = keep(here)
    obstore.put(shared, named(payload.sha256), LARGE[:-1] + b"?")
    with pytest.raises(PayloadDamaged, match="does not have the checksum"):
        there.read(payload.sha256)
    assert not there._path(payload.sha256).exists()
    obstore.delete(shared, named(payload.sha256))
    with pytest.raises(PayloadDamaged, match="is not in s3://test"):
        there.verify(payload.sha256)


def test_the_same_bytes_are_put_once(tmp_path, shared):
    keep(node(tmp_path / "a", shared))
    before = obstore.head(shared, named(DIGEST))
    keep(node(tmp_path / "b", shared))
    assert obstore.head(shared, named(DIGEST)) == before


def test_copies_go_when_they_are_too_many(tmp_path, shared):
    files = node(tmp_path, shared)
    kept = [keep(files, os.urandom(INLINE_LIMIT + 1), f"message:{number}") for number in range(4)]
    for age, payload in enumerate(kept):
        os.utime(files.local(payload.sha256), (1000 - age, 1000 - age))
    assert files.shed(2 * (INLINE_LIMIT + 1), unused_since=2000) == 2
    assert [files._path(one.sha256).exists() for one in kept] == [True, True, False, False]
    assert files.shed(0, unused_since=0) == 0, "those in use stay"
    assert files.read(kept[3].sha256), "and what went comes again"
    alone = PayloadFiles(tmp_path / "alone")
    keep(alone)
    assert alone.shed(0, unused_since=2e9) == 0, "without a bucket these are no copies"


def test_a_part_is_gone_on_with_at_another_node(tmp_path, shared):
    here, there = node(tmp_path / "a", shared), node(tmp_path / "b", shared)

    def park(files: PayloadFiles, data: bytes) -> str:
        spool = Spool(files)
        spool.write(data)
        digest, inline = spool.park("PART")
        assert inline is None
        return digest

    first = park(here, LARGE)
    assert there.part("PART", first).read_bytes() == LARGE
    longer = park(there, LARGE + b"more")
    assert here.part("PART", longer).read_bytes() == LARGE + b"more", "not the older one that lies here"
    here.settle_part("PART", longer)
    here.drop_parts(["PART"])
    assert there.read(longer) == LARGE + b"more"
    assert [one["path"] for one in obstore.list(shared, prefix="parts").collect()] == []


def test_a_bucket_that_is_away_says_so(tmp_path):
    terms = Terms(bucket="s3://bucket", endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", timeout=timedelta(milliseconds=300))
    with pytest.raises(StoreUnavailable, match=r"payloads\.bucket: s3://bucket cannot be listed.*look at its name"):
        open_bucket(terms)


# ---- files that no row names any more


def put(store: Store, payload: Payload) -> None:
    store.writer.submit(lambda tx, items: [payload_rows.put_payloads(tx, [one.row()]) for one in items], payload).result(20)


def lose(store: Store, payload: Payload, at: int) -> None:
    def drop(tx, items):
        for one in items:
            tx.exec_driver_sql(f"DELETE FROM payloads WHERE id = '{one.id}'")
            payload_rows.drop_files(tx, [one.sha256], at)
        return [None] * len(items)

    store.writer.submit(drop, payload).result(20)


def take(store: Store, now: int) -> list[str]:
    return store.writer.submit(payload_rows.take_drops, (now, 100)).result(20)


def test_a_file_goes_after_its_last_row(store: Store):
    first, second = keep(store.files), keep(store.files, name="message:2")
    put(store, first)
    put(store, second)
    lose(store, first, NOW)
    assert take(store, NOW + 2 * DAY) == [], "the other row names it"
    lose(store, second, NOW)
    assert take(store, NOW + DAY) == [], "the grace"
    later = NOW + DAY + 1
    assert take(store, later) == [DIGEST]
    with pytest.raises(StoreUnavailable, match="just being removed"):
        put(store, first)
    assert take(store, later) == [DIGEST], "again, if the node that had it is gone"
    store.files.remove(DIGEST)
    store.writer.submit(payload_rows.end_drops, ([DIGEST], later)).result(20)
    with pytest.raises(StoreUnavailable):
        put(store, first)
    assert take(store, later + 11 * MINUTE) == []
    put(store, keep(store.files))
    assert store.files.read(DIGEST) == LARGE


def test_a_file_that_is_named_again_stays(store: Store):
    payload = keep(store.files)
    put(store, payload)
    lose(store, payload, NOW)
    put(store, payload)
    assert take(store, NOW + 3 * DAY) == []
    lose(store, payload, NOW)
    assert take(store, NOW + 3 * DAY) == [DIGEST]


@pytest.mark.parametrize("meanwhile", ["another node removed it, and it is kept again", "the lease is over"])
def test_a_node_that_sleeps_over_its_removals_removes_nothing(store: Store, meanwhile: str, monkeypatch: pytest.MonkeyPatch):
    at, removed = [NOW], []
    payloads = [keep(store.files, LARGE + bytes([number]), f"message:{number}") for number in range(2)]
    for one in payloads:
        put(store, one)
        lose(store, one, NOW)
    at[0] += 2 * DAY

    def remove(file: str) -> None:
        """The first file; before the second one the node sleeps."""
        removed.append(file)
        if meanwhile == "the lease is over":
            monkeypatch.setattr(Turn, "still_ours", lambda turn: asyncio.sleep(0))  # it slept after it had asked
            at[0] += LEASE
            return
        others = take(store, at[0])
        store.end_drops(others, at[0]).result(20)
        take(store, at[0] + 11 * MINUTE)
        for one in payloads:
            put(store, keep(store.files, LARGE + bytes([payloads.index(one)]), f"again:{one.id}"))

    monkeypatch.setattr(store.files, "remove", remove)
    work = SharedWork(store, None, clock=lambda: at[0], book=list, files=None, on_queued=lambda: None)
    asyncio.run(Chores(store, {"removed files": work.chores()["removed files"]}, node="here", clock=lambda: at[0]).do("removed files"))
    assert len(removed) == 1


def test_files_without_a_row_are_found(store: Store):
    payload = keep(store.files)
    (page,) = [page for page in store.files.stored() if page]
    assert [(one.name, one.size) for one in page] == [(DIGEST, len(LARGE))]
    names = [one.name for one in page]
    assert store.read(lambda tx: payload_rows.unnamed(tx, names)).result(20) == [DIGEST]
    put(store, payload)
    assert store.read(lambda tx: payload_rows.unnamed(tx, names)).result(20) == []
