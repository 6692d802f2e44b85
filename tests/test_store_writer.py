"""Group commit: what must hold when many members share a transaction and something goes wrong at any statement."""

import asyncio
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.clock import DAY
from gateway.errors import StoreUnavailable
from gateway.records.incoming import Incoming
from gateway.store import store as store_module
from gateway.store import writer
from gateway.store.payloads import Payload
from gateway.store.store import Store, promised
from tests.databases import empty_database, locked_by_a_stranger


def incoming(number: int, *, body: bytes | None = None, key: str | None = None, at: int = 1_000_000) -> Incoming:
    message = f"{number:026d}"
    data = body if body is not None else b"ISA%d" % number
    return Incoming(
        id=message, partner="northway", channel="http", payload=Payload.inline(f"message:{message}", "northway", data), media_type="application/edi-x12",
        file_name=None, profile_revision=1, key=key, window=DAY, at=at, who="northway",
    )  # fmt: skip


def count(store: Store, table: str) -> int:
    return store.read(lambda tx: int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())).result()


class Gate:
    """A verb that holds the writer until it is opened, so that the members behind it form one group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, tx, items):
        self.entered.set()
        assert self.opened.wait(20)
        return [None] * len(items)


def grouped(store: Store, *submits):
    gate = Gate()
    held = store.writer.submit(gate, None)
    gate.entered.wait(20)
    futures = [submit() for submit in submits]
    gate.opened.set()
    wait([held, *futures], timeout=60)
    return futures


def test_each_verb_runs_once_in_a_transaction_whoever_stands_between(store: Store):
    ran = []

    def first(tx, items):
        ran.append(("first", items))
        return [f"first {item}" for item in items]

    def second(tx, items):
        ran.append(("second", items))
        return [f"second {item}" for item in items]

    futures = grouped(store, *[lambda verb=verb, n=n: store.writer.submit(verb, n) for n, verb in enumerate((second, first, second, second, first))])
    assert [future.result() for future in futures] == ["second 0", "first 1", "second 2", "second 3", "first 4"]
    assert ran == [("second", [0, 2, 3]), ("first", [1, 4])]


def test_members_that_wait_share_one_commit(store: Store):
    before = store.writer.commits
    futures = grouped(store, *[lambda n=n: store.keep_message(incoming(n)) for n in range(50)])
    assert [future.result().outcome for future in futures] == ["new"] * 50
    assert store.writer.commits - before == 2
    assert count(store, "messages") == 50


def test_work_that_nobody_waits_for_rides_along_while_somebody_talks_to_us(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "RIDE", 60.0)
    monkeypatch.setattr(writer, "TALK", 60.0)
    store.keep_message(incoming(1)).result(20)
    before = store.writer.commits
    rides = store.writer.submit(lambda tx, items: ["along"] * len(items), None, rides=True)
    assert store.keep_message(incoming(2)).result(20).outcome == "new"
    assert rides.result(20) == "along"
    assert store.writer.commits - before == 1


def test_work_that_nobody_waits_for_waits_for_nobody_in_silence(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "RIDE", 3600.0)
    monkeypatch.setattr(writer, "TALK", 0.0)
    store.keep_message(incoming(1)).result(20)
    assert store.writer.submit(lambda tx, items: ["alone"] * len(items), None, rides=True).result(20) == "alone"


def test_a_bad_member_costs_the_others_nothing(store: Store):
    def bad(tx, items):
        tx.execute(text("INSERT INTO alarms (id, kind, partner, text, count, first_at, last_at) VALUES ('x', 'k', 'p', 't', 1, 1, 1)"))
        raise ValueError("a member's own fault")

    futures = grouped(store, lambda: store.keep_message(incoming(1)), lambda: store.writer.submit(bad, None), lambda: store.keep_message(incoming(2)))
    assert futures[0].result().outcome == futures[2].result().outcome == "new"
    with pytest.raises(ValueError, match="own fault"):
        futures[1].result()
    assert count(store, "messages") == 2
    assert count(store, "alarms") == 0


def test_one_bad_item_of_a_verb_costs_the_others_nothing(store: Store):
    """The verb fails over the whole list (two rows with one id), then goes item by item."""
    futures = grouped(store, *[lambda n=n, m=m: store.keep_message(incoming(n, body=b"%d" % m)) for m, n in enumerate((1, 2, 2, 3))])
    outcomes = [future.exception() is None for future in futures]
    assert outcomes == [True, True, False, True]
    assert count(store, "messages") == 3


def test_a_cancelled_waiter_does_not_cancel_its_member(store: Store):
    gate = Gate()
    store.writer.submit(gate, None)
    gate.entered.wait(20)
    future = store.keep_message(incoming(1))
    assert not future.cancel()
    gate.opened.set()
    assert future.result(20).outcome == "new"


def statements_of_a_commit(store: Store) -> list[str]:
    seen: list[str] = []

    def listen(connection, cursor, statement, parameters, context, executemany):
        seen.append(statement)

    event.listen(store.database.writing, "before_cursor_execute", listen)
    store.keep_message(incoming(900)).result(20)
    event.remove(store.database.writing, "before_cursor_execute", listen)
    return seen


@pytest.mark.parametrize("kind", ["the transaction dies", "the statement fails", "the connection is lost"])
def test_a_fault_at_each_statement_loses_and_doubles_nothing(store: Store, kind: str):
    """Every statement of a group's transaction fails once, in each of three ways; every member still lands exactly once."""
    statements = len(statements_of_a_commit(store))
    assert statements >= 6
    number = 0
    for place in range(statements):
        seen = 0
        armed = True

        def fail(connection, cursor, statement, parameters, context, executemany, place=place):
            nonlocal seen, armed
            seen += 1
            if armed and seen == place + 1:
                armed = False
                if kind == "the connection is lost":
                    connection.connection.dbapi_connection.close()
                    return
                if kind == "the transaction dies":
                    raise OperationalError(statement, parameters, Exception("database or disk is full: database is locked"))
                raise RuntimeError("injected")

        gate = Gate()
        store.writer.submit(gate, None)
        gate.entered.wait(20)
        number += 3
        futures = [store.keep_message(incoming(n)) for n in range(number, number + 3)]
        event.listen(store.database.writing, "before_cursor_execute", fail)
        gate.opened.set()
        wait(futures, timeout=60)
        event.remove(store.database.writing, "before_cursor_execute", fail)
        for n, future in zip(range(number, number + 3), futures, strict=True):
            if future.exception() is not None:
                assert not stored(store, n), "an unanswered member may not be half there"
                assert store.keep_message(incoming(n)).result(20).outcome == "new"
            assert stored(store, n) == 1
        assert not armed, f"statement {place} was never reached"


def stored(store: Store, number: int) -> int:
    query = text(
        "SELECT count(DISTINCT m.id) FROM messages m JOIN payloads p ON p.id = m.payload JOIN answers a ON a.message = m.id WHERE m.id = :id"
    )
    return store.read(lambda tx: int(tx.execute(query, {"id": f"{number:026d}"}).scalar_one())).result()


def test_a_lost_answer_to_commit_is_run_again_without_harm(store: Store, monkeypatch: pytest.MonkeyPatch):
    """COMMIT succeeds but its answer is lost: the members run again and find themselves."""
    from sqlalchemy.engine import RootTransaction

    real = RootTransaction.commit
    lost = []

    def commit(self):
        real(self)
        if not lost:
            lost.append(True)
            raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"), connection_invalidated=True)

    monkeypatch.setattr(RootTransaction, "commit", commit)
    kept = store.keep_message(incoming(1, key="K")).result(20)
    assert lost
    assert kept.outcome == "new"
    assert kept.id == f"{1:026d}"
    assert stored(store, 1) == 1


def test_a_full_disk_is_a_refusal_in_words(tmp_path: Path):
    """SQLITE_FULL rolls the whole transaction back, savepoints too; the members are told, and the store goes on when there is room."""
    store = Store(f"sqlite:///{tmp_path / 'crossdock.db'}", tmp_path / "payloads")

    most = {"pages": 1_000_000}
    event.listen(store.database.writing, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={most['pages']}"))

    def room(pages):
        def verb(tx, items):
            tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            return [None] * len(items)

        most["pages"] = pages
        store.writer.submit(verb, None).result(20)

    room(1)
    body = b"x" * 60_000
    futures = [store.keep_message(incoming(n, body=body + b"%d" % n)) for n in range(40)]
    wait(futures, timeout=60)
    refused = [future for future in futures if future.exception()]
    assert refused
    assert all(isinstance(future.exception(), StoreUnavailable) for future in refused)
    room(1_000_000)
    assert store.keep_message(incoming(99)).result(20).outcome == "new"
    assert count(store, "messages") == len(futures) - len(refused) + 1
    store.close()


def test_a_failed_sync_is_never_tried_again_and_stops_the_node(store: Store):
    """After it the kernel may have dropped what it did not write: a second try could say yes to bytes that are gone (promise P3)."""
    told: list[Exception] = []
    store.on_broken = told.append
    tries = []

    def fail(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("INSERT INTO messages"):
            tries.append(statement)
            raise OperationalError(statement, parameters, Exception("disk I/O error"))

    event.listen(store.database.writing, "before_cursor_execute", fail)
    future = store.keep_message(incoming(1))
    with pytest.raises(StoreUnavailable, match="did not take a commit"):
        future.result(20)
    event.remove(store.database.writing, "before_cursor_execute", fail)
    assert len(tries) == 1
    assert [type(error).__name__ for error in told] == ["StoreBroken"]


def test_a_lock_that_somebody_else_holds_is_waited_for_once_and_not_once_for_each_member(tmp_path: Path):
    """A queue of members, each with a wait of its own and three tries, kept partners without an answer for minutes."""
    store = Store(f"sqlite:///{tmp_path / 'crossdock.db'}", tmp_path / "payloads")
    waits: list[float] = []

    def begun(connection):
        # This listener comes before the engine's own, which begins with the lock.
        connection.exec_driver_sql("PRAGMA busy_timeout=200")
        waits.append(1)

    event.listen(store.database.writing, "begin", begun, insert=True)
    with locked_by_a_stranger(tmp_path / "crossdock.db"):
        futures = [store.keep_message(incoming(number)) for number in range(40)]
        wait(futures, timeout=60)
        assert all(isinstance(future.exception(), StoreUnavailable) for future in futures)
        assert len(waits) <= 3
    assert store.keep_message(incoming(99)).result(20).outcome == "new"
    assert count(store, "messages") == 1
    store.close()


def test_a_database_that_is_away_is_told_to_who_reads_as_to_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(f"sqlite:///{tmp_path / 'crossdock.db'}", tmp_path / "payloads")

    def gone(*_, **__):
        raise OperationalError("connect", {}, Exception("no server is there"))

    monkeypatch.setattr(store.database.reading, "connect", gone)
    with pytest.raises(StoreUnavailable, match="no server is there"):
        store._read(lambda tx: tx)
    monkeypatch.undo()
    store.close()


def test_who_waits_outside_is_answered_though_the_store_stands_still(store: Store, monkeypatch: pytest.MonkeyPatch):
    """The member goes on; whoever comes again with the same document hears what came of it."""
    monkeypatch.setattr(store_module, "ANSWER_WITHIN", 0.2)
    gate = Gate()
    held = store.writer.submit(gate, None)
    gate.entered.wait(20)
    first = store.keep_message(incoming(1, key="k"))
    with pytest.raises(StoreUnavailable, match="has not answered"):
        asyncio.run(promised(first))
    gate.opened.set()
    wait([held], timeout=60)
    assert first.result(20).outcome == "new"
    assert store.keep_message(incoming(2, key="k", body=b"ISA1")).result(20).id == f"{1:026d}"


@pytest.mark.parametrize("again_and_again", [False, True], ids=["once", "again and again"])
def test_a_connection_that_is_lost_within_a_lone_member_is_the_stores_own_trouble(postgresql: str, tmp_path: Path, again_and_again: bool):
    """The rollback to its savepoint hid what had happened: the member failed with an error that no stage knows, and the stage's loop ended."""
    store = Store(empty_database(postgresql), tmp_path / "payloads")
    lost: list[int] = []

    def verb(tx, items):
        if again_and_again or not lost:
            pid = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with store.database.reading.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            lost.append(pid)
        tx.exec_driver_sql("SELECT 1")
        return ["done"] * len(items)

    future = store.writer.submit(verb, None)
    if again_and_again:
        with pytest.raises(StoreUnavailable):
            future.result(20)
    else:
        assert future.result(20) == "done"
    assert lost
    assert store.keep_message(incoming(1)).result(20).outcome == "new", "the next one has a connection of its own"
    store.close()


@pytest.mark.parametrize(
    "error", [PendingRollbackError("gone"), PoolTimeout("nobody gave one back"), InterfaceError("SELECT", {}, Exception("closed"))], ids=str
)
def test_every_way_of_having_no_connection_is_the_stores_own_trouble(error: Exception):
    assert isinstance(writer._as_ours(error), StoreUnavailable)


def lost() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("the line broke"), connection_invalidated=True)


def test_after_a_line_that_broke_the_group_is_tried_together_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    """One by one a node would fall behind the others, and tell balancers for minutes that it cannot keep up."""
    real, broken = store.writer._transaction, []

    def once(members):
        if len(members) > 1 and not broken:
            broken.append(len(members))
            raise lost()
        return real(members)

    monkeypatch.setattr(store.writer, "_transaction", once)
    before = store.writer.commits
    futures = grouped(store, *[lambda n=n: store.keep_message(incoming(n)) for n in range(50)])
    assert [future.result().outcome for future in futures] == ["new"] * 50
    assert (broken, store.writer.commits - before) == ([50], 2)


def test_a_member_that_breaks_every_line_is_found_by_halves(store: Store, monkeypatch: pytest.MonkeyPatch):
    real, tries = store.writer._transaction, []

    def tried(members):
        tries.append(len(members))
        if any(member.item == "poison" for member in members):
            raise lost()
        return real(members)

    monkeypatch.setattr(store.writer, "_transaction", tried)
    poison = lambda: store.writer.submit(lambda tx, items: [None] * len(items), "poison")  # noqa: E731
    futures = grouped(store, *[lambda n=n: store.keep_message(incoming(n)) for n in range(63)], poison)
    assert [future.result().outcome for future in futures[:-1]] == ["new"] * 63
    assert isinstance(futures[-1].exception(), StoreUnavailable)
    assert len(tries) < 30
