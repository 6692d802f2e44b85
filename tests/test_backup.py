"""A backup is one moment of an installation, made while it works; a restored node knows that it does not know what came after."""

import asyncio
import contextlib
import json
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore
from sqlalchemy import select, text
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.backing_up import BackupRefused, Work, check_backup, make_backup, restore_backup
from gateway.chores import Chores
from gateway.clock import DAY, SECOND, as_text, instant_of, now
from gateway.consumers.records import Consumer, Made, Rewind
from gateway.errors import StoreUnavailable
from gateway.exits import SERVICE_MISSING
from gateway.sftp.records import FilePut, FileRow
from gateway.shared_work import SharedWork
from gateway.store import backup as rows
from gateway.store.bucket import Bucket
from gateway.store.engine import Database
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.receipts import take_controls
from gateway.store.spool import INLINE_LIMIT
from gateway.store.store import Store
from tests.databases import empty_database, migrated_file
from tests.kill.documents import status
from tests.running import Running, running
from tests.test_way_out import asked


def made(store: Store, folder: Path) -> dict[str, Any]:
    return make_backup(store, folder, version="0.1.0", work=Work())


def content(tx: Any, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple]]:
    """Every row of every table that a backup has."""
    return {table.name: sorted((tuple(row) for row in tx.execute(select(table))), key=repr) for table in rows.tables() if table.name not in without}


async def filled(gateway: Running) -> None:
    """Documents in and out, small and large, one that is due and cannot be delivered."""
    await gateway.sent("northway", status(1).body, key="a")
    await gateway.sent("northway", status(2).body + b"\n" * (INLINE_LIMIT + 1))
    assert (await gateway.release(asked(), key="order-1"))[0] == 202
    await gateway.settle(lambda: len(gateway.effects()) == 2)
    gateway.erp.behaviour.dead = True
    await gateway.sent("northway", status(3).body)


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, to restore into."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'elsewhere' / 'crossdock.db'}"
    return empty_database(request.getfixturevalue("postgresql"))


def test_everything_is_in_it_and_comes_back_on_either_database(tmp_path: Path, database_url: str, elsewhere: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await filled(gateway)
            await gateway.node.deliver.stop()
            store = gateway.node.store
            await gateway.settle(lambda: count(store, "SELECT count(*) FROM feed_waiting") == 0)
            manifest = await asyncio.to_thread(made, store, tmp_path / "backup")
            before = store.read(content).result(20)
            assert {name: told["rows"] for name, told in manifest["tables"].items()} == {name: len(found) for name, found in before.items()}
            assert (manifest["payload_files"], manifest["damaged"]) == (1, [])
            assert check_backup(tmp_path / "backup") == manifest
            files = PayloadFiles(new_folder(tmp_path))
            result = restore_backup(tmp_path / "backup", Database(elsewhere), files, ahead=500, work=Work())
            there = Store(elsewhere, tmp_path / "there" / "payloads")
            unlike = (
                "deliveries",
                "lanes",
                "translate_lanes",
                "counters",
                "alarms",
                "throttles",
                "turns",
                "destinations",
                "consumers",
                "audit",
                "audit_heads",
            )
            after = there.read(content).result(20)
            for name, found in before.items():
                assert name in unlike or after[name] == found, name
            assert set(before["audit"]) < set(after["audit"]), "each consumer's chain says that it was restored"
            assert result["in_doubt"] == count(there, "SELECT count(*) FROM deliveries WHERE state = 'due'") >= 1
            assert count(there, "SELECT count(*) FROM deliveries WHERE state = 'due' AND NOT unknown_outcome") == 0
            query = "SELECT sum(value) FROM counters WHERE substr(scope, 1, 5) <> 'turn:'"
            assert count(there, query) == count(store, query) + 500 * (count(store, query.replace("sum(value)", "count(*)")) + 1)
            assert [one.id for one in there.read(lambda tx: tx.exec_driver_sql("SELECT id FROM alarms").all()).result(20)].count(
                "database.restored:-"
            ) == 1
            large = there.read(lambda tx: tx.exec_driver_sql("SELECT location FROM payloads WHERE location IS NOT NULL").scalar_one()).result(20)
            assert len(there.files.read(large)) > INLINE_LIMIT
            there.close()

    asyncio.run(act())


def new_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "there" / "payloads"
    folder.mkdir(parents=True)
    return folder


def count(store: Store, query: str) -> int:
    return int(store.read(lambda tx: tx.exec_driver_sql(query).scalar_one()).result(20))


def test_a_restored_node_goes_on_and_does_nothing_twice(tmp_path: Path):
    """The ERP has had the event since the backup, and the partner the next order: the restored node asks the one, and numbers beyond the other."""

    async def act() -> None:
        async with running(tmp_path, target={"repeats": "look_up"}) as gateway:
            await filled(gateway)
            await asyncio.to_thread(made, gateway.node.store, tmp_path / "backup")
            gateway.erp.behaviour.dead = False
            await gateway.settle(lambda: len(gateway.effects()) == 3)
            _, answer = await gateway.release(asked(5), key="order-2")
            number = int(answer["control_numbers"]["interchange"])
            effects = {key: effect.count for key, effect in gateway.erp.effects.items()}
            folder = tmp_path / "restored" / "var"
            (folder / "payloads").mkdir(parents=True)
            restore_backup(
                tmp_path / "backup", Database(f"sqlite:///{folder / 'crossdock.db'}"), PayloadFiles(folder / "payloads"), ahead=1000, work=Work()
            )
            url = gateway.erp_url
            async with running(
                tmp_path / "restored", target={"url": f"{url}/events", "look_up_url": f"{url}/events/{{id}}", "repeats": "look_up"}
            ) as restored:
                await restored.settle(
                    lambda: count(restored.node.store, "SELECT count(*) FROM deliveries WHERE state = 'due' AND event IS NOT NULL") == 0
                )
                assert {key: effect.count for key, effect in gateway.erp.effects.items()} == effects, "it looked, and found its event there"
                _, answer = await restored.release(asked(7), key="order-3")
                assert int(answer["control_numbers"]["interchange"]) > number
                again = await restored.sent("northway", status(1).body, key="a")
                assert again["state"] == "translated"
                assert len(again["interchanges"]) == 1
                assert {key: effect.count for key, effect in gateway.erp.effects.items()} == effects

    asyncio.run(act())


def test_it_is_one_moment_however_much_is_kept_meanwhile(tmp_path: Path, database_url: str):
    """No event without its message, no delivery without its event, while messages come all the time."""

    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            over = asyncio.Event()
            sent = 0

            async def send() -> None:
                nonlocal sent
                while not over.is_set():
                    sent += 1
                    await gateway.sent("northway", status(1000 + sent).body)

            task = asyncio.create_task(send())
            before = 0
            for number in range(3):
                await gateway.settle(lambda before=before: sent > before + 2)
                before = sent
                answered = sent - 1
                at = as_text(now())
                manifest = await asyncio.to_thread(made, gateway.node.store, tmp_path / f"backup-{number}")
                assert manifest["taken_at"] >= at[:19]
                files = PayloadFiles(tmp_path / f"files-{number}")
                database = Database(f"sqlite:///{tmp_path / f'{number}.db'}")
                restore_backup(tmp_path / f"backup-{number}", database, files, ahead=1000, work=Work())
                with database.reading.connect() as tx:
                    for child, parent, key in (
                        ("documents", "messages", "message"),
                        ("events", "messages", "message"),
                        ("deliveries", "messages", "message"),
                    ):
                        lost = tx.exec_driver_sql(f"SELECT count(*) FROM {child} c WHERE NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = c.{key})")
                        assert lost.scalar_one() == 0
                    kept = tx.exec_driver_sql("SELECT count(*) FROM messages WHERE direction = 'in'").scalar_one()
                    assert kept >= answered, "what had its answer before it began is in it"
                database.close()
            over.set()
            await task

    asyncio.run(act())


# ---- what is wrong is said


def small(tmp_path: Path) -> Path:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "payloads")
    made(store, tmp_path / "backup")
    store.close()
    return tmp_path / "backup"


def restored(folder: Path, tmp_path: Path) -> None:
    restore_backup(folder, Database(f"sqlite:///{tmp_path / 'b.db'}"), PayloadFiles(new_folder(tmp_path)), ahead=1000, work=Work())


def change(manifest: Path, **members: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | members))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), r"is no backup: it has no manifest\.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder: change(folder / "manifest.json", format=9), "is of format 9; this version reads 1"),
        (lambda folder: change(folder / "manifest.json", tables={"users; DROP": {}}), "a table 'users; DROP' that this version does not know"),
        (lambda folder: (folder / "tables" / "lanes.jsonl.gz").write_bytes(b"x"), r"lanes\.jsonl\.gz is not as it was written"),
        (lambda folder: change(folder / "manifest.json", payload_files=1), "has 0 files; the manifest says 1"),
        (lambda folder: change(folder / "manifest.json", bucket="s3://x"), r"its payloads lie in s3://x; set payloads\.bucket"),
    ],
)
def test_a_backup_that_is_not_whole_is_not_restored(tmp_path: Path, harm: Any, words: str):
    folder = small(tmp_path)
    harm(folder)
    with pytest.raises(BackupRefused, match=words):
        restored(folder, tmp_path)


def test_only_into_what_is_empty(tmp_path: Path):
    folder = small(tmp_path)
    restored(folder, tmp_path)
    with pytest.raises(BackupRefused, match="is not empty"):
        restore_backup(folder, Database(f"sqlite:///{tmp_path / 'b.db'}"), PayloadFiles(tmp_path / "there" / "payloads"), ahead=1000, work=Work())
    store = Store(f"sqlite:///{tmp_path / 'c.db'}", tmp_path / "payloads")
    with pytest.raises(BackupRefused, match="exists; a backup is a new folder"):
        made(store, folder)
    store.close()


def test_what_is_damaged_is_told_and_keeps_nothing_else_from_being_saved(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            for number in (1, 2):
                await gateway.sent("northway", status(number).body + b"\n" * (INLINE_LIMIT + number))
            (first, _) = sorted((tmp_path / "var" / "payloads").glob("??/??/*"))
            first.write_bytes(b"?")
            manifest = await asyncio.to_thread(made, gateway.node.store, tmp_path / "backup")
            assert manifest["payload_files"] == 1
            assert [one.partition(":")[0] for one in manifest["damaged"]] == [first.name]
            assert check_backup(tmp_path / "backup") == manifest

    asyncio.run(act())


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Every write beyond fails, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_no_damaged_payload(tmp_path: Path):
    """Else it would be called a backup, and have no payloads."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", status(1).body + b"\n" * (INLINE_LIMIT + 1))
            await gateway.settle(lambda: gateway.effects())
            with files_no_larger_than(INLINE_LIMIT), pytest.raises(OSError, match="File too large"):
                await asyncio.to_thread(made, gateway.node.store, tmp_path / "backup")
            assert not (tmp_path / "backup").exists()

    asyncio.run(act())


def test_a_disk_that_does_not_take_the_rows_is_told_in_words(tmp_path: Path):
    folder = small(tmp_path)
    with files_no_larger_than(64 << 10):
        done = CliRunner().invoke(app, ["restore", str(folder), "--data-dir", str(tmp_path / "new")])
    assert done.exit_code == SERVICE_MISSING
    assert "nothing is restored" in done.stderr


def lives(tmp_path: Path, taken: str, *moments: int) -> list[Store]:
    """The same backup, restored at these moments (microseconds since 1970)."""
    stores = []
    for number, at in enumerate(moments):
        url, payloads = f"sqlite:///{tmp_path / f'life{number}.db'}", PayloadFiles(tmp_path / f"life{number}" / "payloads")
        restore_backup(tmp_path / "backup", Database(url), payloads, work=Work(), clock=lambda at=at: at)
        stores.append(Store(url, tmp_path / f"life{number}" / "payloads"))
    return stores


def controls(store: Store, scope: str, count: int) -> set[int]:
    return set(store.writer.submit(lambda tx, items: [take_controls(tx, "northway", scope, count)], None).result(20))


def epoch(store: Store) -> int:
    return int(store.read(lambda tx: tx.exec_driver_sql("SELECT epoch FROM consumers").scalar_one()).result(20))


def test_no_life_of_a_backup_gives_what_another_has_given(tmp_path: Path):
    """Control numbers, of pairs that the backup knows and of others; and epochs of cursors, one of which was set anew since the backup."""
    first = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "payloads")
    assert first.consumers.make(Made(Consumer("wms", frozenset({"events"}), None, None, None, None, "1"), None, 0, "ann", now())).result(20)
    controls(first, "known", 3)
    manifest = made(first, tmp_path / "backup")
    given = {scope: controls(first, scope, 400) for scope in ("known", "unknown")}
    first.consumers.rewind(Rewind("wms", 0, "ann", "again", now(), "call")).result(20)
    epochs = [epoch(first)]
    first.close()
    taken = instant_of(manifest["taken_at"], now())
    for store in lives(tmp_path, manifest["taken_at"], taken + 30 * SECOND, taken + 60 * SECOND):
        for scope, before in given.items():
            numbers = controls(store, scope, 400)
            assert not numbers & before
            before |= numbers
        epochs.append(epoch(store))
        store.close()
    assert len(set(epochs)) == 3


def test_the_node_makes_one_while_a_command_looks(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", status(1).body)
            look = await gateway.operate("backup.begin", folder=str(tmp_path / "backup"))
            until = threading.Event()
            while look["result"] is None and look["failed"] is None:
                until.wait(0.02)
                look = await gateway.operate("backup.look")
            assert look["failed"] is None
            assert look["result"]["tables"]["messages"]["rows"] >= 1
            look = await gateway.operate("backup.begin", folder=str(tmp_path / "backup"))
            while look["failed"] is None:
                look = await gateway.operate("backup.look")
            assert "exists" in look["failed"]

    asyncio.run(act())


def test_a_restored_copy_removes_nothing_from_its_originals_bucket(tmp_path: Path):
    """A drill on the bucket that the installation works on; later the copy takes its place."""
    shared = MemoryStore()

    def bucket() -> Bucket:
        return Bucket(shared, "s3://test")

    def copy(name: str, **more: Any) -> tuple[Store, dict[str, Any]]:
        url, folder = f"sqlite:///{tmp_path / name}.db", tmp_path / name
        result = restore_backup(tmp_path / "backup", Database(url), PayloadFiles(folder, bucket()), work=Work(), **more)
        return Store(url, folder, bucket=bucket()), result

    def removals(store: Store) -> None:
        """Days later."""
        for days in (2, 4):
            at = now() + days * DAY
            work = SharedWork(store, None, clock=lambda at=at: at, book=list, files=None, on_queued=lambda: None)
            chores = Chores(store, work.chores(), node="n", clock=lambda at=at: at)
            for chore in ("unnamed files", "removed files", "parts"):
                asyncio.run(chores.do(chore))

    def is_there(payload: Payload) -> bool:
        return payload.sha256 in {one["path"].rpartition("/")[2] for one in obstore.list(shared, prefix="sha256").collect()}

    (tmp_path / "original").mkdir()
    original = Store(migrated_file(tmp_path / "original.db"), tmp_path / "original", bucket=bucket())
    try:
        made(original, tmp_path / "backup")
        payload = original.files.keep(Payload.inline("message:new", "p", b"x" * (INLINE_LIMIT + 1)))
        drill, result = copy("drill")
        assert result["bucket_is_ours"] is False
        removals(drill)
        assert is_there(payload)
        with pytest.raises(StoreUnavailable, match="belongs to another installation"):
            drill.files.remove(payload.sha256)
        assert count(drill, "SELECT count(*) FROM alarms WHERE kind = 'bucket.taken' AND closed_at IS NULL") == 1
        drill.close()
        heir, result = copy("heir", take_bucket=True)
        assert result["bucket_is_ours"] is True
        removals(heir)
        assert not is_there(payload), "it is nobody's any more"
        heir.close()
    finally:
        original.close()


def test_large_files_that_were_not_whole_end_with_an_alarm(tmp_path: Path):
    (tmp_path / "a").mkdir()
    store = Store(migrated_file(tmp_path / "a.db"), tmp_path / "a")
    try:
        for name, size, payload in (("large.tmp", 100_000, None), ("small.tmp", 10, "sftp:small.tmp")):
            row = FileRow(name, "northway", "in", name, "waiting", size, 1, "x", payload, None, False, None, 1, "x")
            kept = None if payload is None else Payload.inline(payload, "northway", b"0123456789")
            store.put_file(FilePut(row, kept)).result(20)
        made(store, tmp_path / "backup")
    finally:
        store.close()
    restored(tmp_path / "backup", tmp_path)
    copy = Store(f"sqlite:///{tmp_path / 'b.db'}", tmp_path / "b")
    try:
        files = copy.read(lambda tx: tx.execute(text("SELECT name, state FROM sftp_files ORDER BY name")).all()).result(20)
        assert [tuple(row) for row in files] == [("large.tmp", "expired"), ("small.tmp", "waiting")]
        (told,) = copy.read(lambda tx: tx.execute(text("SELECT text FROM alarms WHERE kind = 'sftp.unfinished'")).scalars().all()).result(20)
        assert "in/large.tmp (100000 bytes)" in told
        assert "must send them again" in told
    finally:
        copy.close()
