"""Two nodes whose commits want the same rows, one the other way round: neither may end up waiting for what the other has.

PostgreSQL would end one of them after a second, so nothing would be lost; but for that second partners get no answer, and where its clock was set it may never.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.as2.records import Arrived, Decided
from gateway.clock import DAY, SECOND
from gateway.consumers.records import Asking, Consumer, Made, Noted, chain_of
from gateway.consumers.records import Commit as Cursor
from gateway.records.alarms import AlarmClosed
from gateway.records.answers import Acknowledgment, Receipt
from gateway.records.deliveries import Settled, ToDeliver
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.incoming import Incoming
from gateway.records.outgoing import Outgoing
from gateway.records.translation import Chunk, TranslateClaim, TranslateLane
from gateway.scheduling import LaneClaim
from gateway.sftp.records import FilePut, FileRow, PollClaim
from gateway.store.payloads import Payload
from gateway.store.replays import Replay
from gateway.store.store import Store
from tests.databases import migrated_database
from tests.test_store_writer import grouped, incoming

PARTNERS = ("northway", "harbor")
TURNS = 4
AT = 1_900_000_000 * SECOND


def of(partner: str, number: int, channel: str = "http") -> Incoming:
    return replace(incoming(number), partner=partner, channel=channel)


def kept(store: Store, partner: str, number: int) -> Future[Any]:
    return store.keep_message(of(partner, number))


def kept_together(store: Store, partner: str, number: int) -> Future[Any]:
    return store.keep_together([of(partner, number)])


def released(store: Store, partner: str, number: int) -> Future[Any]:
    return store.release_lane(TranslateLane(partner, "http", 0, []))


def renewed(store: Store, partner: str, number: int) -> Future[Any]:
    return store.renew_lane(TranslateLane(partner, "http", 0, []), 1)


def replayed(store: Store, partner: str, number: int) -> Future[Any]:
    return store.replay(Replay(f"held of {partner}", None, 1, None, "ann", "again", 1))


def by_sftp(store: Store, partner: str, number: int) -> Future[Any]:
    item = of(partner, number)
    row = FileRow(item.id, partner, "in", f"{number}.edi", "received", item.payload.size, 1, item.payload.sha256, None, None, False, None, 1, "key")
    return store.put_file(FilePut(row, incoming=item, is_new=True))


def by_as2(store: Store, partner: str, number: int) -> Future[Any]:
    payload = Payload.inline(f"as2:{number}", partner, b"%d" % number)
    arrived = Arrived(f"as2 {number}", partner, partner, "us", f"<{number}@{partner}>", (), payload, "test", "none", False, None, 1, 1)
    return store.decide_as2(Decided(arrived, (of(partner, number, "as2"),), {}, None, None, None, None, (), 1))


def claimed(store: Store, partner: str, number: int) -> Future[Any]:
    """Whichever lane is due first; it is free again at once."""
    return store.claim_messages(TranslateClaim("node", 10**18, 1, 1, 0))


WAYS: dict[str, Callable[[Store, str, int], Future[Any]]] = {
    "kept": kept, "kept together": kept_together, "released": released, "renewed": renewed, "replayed": replayed, "by SFTP": by_sftp, "by AS2": by_as2,
    "claimed": claimed,
}  # fmt: skip


@contextlib.contextmanager
def two_nodes(url: str, folder: Path) -> Iterator[tuple[Store, Store]]:
    nodes = Store(url, folder / "a"), Store(url, folder / "b")
    yield nodes
    for node in nodes:
        node.close()


def hold(store: Store, channel: str) -> None:
    """A message of each partner that waits to be replayed, whatever becomes of it."""

    def verb(tx, items):
        for partner in PARTNERS:
            values = {"new": f"held of {partner}", "partner": partner, "channel": channel}
            tx.execute(
                text(
                    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, profile_revision, arrival, resume)"
                    " VALUES (:new, :partner, 'in', :channel, 'held', :new, 1, '', 'x', 1, 1, '{}') ON CONFLICT (id) DO UPDATE SET state = 'held'"
                ),
                values,
            )
        return [None] * len(items)

    store.writer.submit(verb, None).result(20)


def deadlocks(store: Store) -> int:
    """That PostgreSQL has ended since the database was made; a session tells what it counted when it is idle."""
    time.sleep(0.1)
    return store.read(lambda tx: tx.execute(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")).scalar_one()).result(
        20
    )


NEW = ("kept", "kept together", "by SFTP", "by AS2")
"""Those that may be the first of a lane."""


@pytest.mark.parametrize(("way", "new"), [(way, False) for way in WAYS] + [(way, True) for way in NEW])
def test_nodes_that_want_the_same_lanes_never_wait_in_a_circle(postgresql: str, tmp_path: Path, way: str, new: bool):
    """Each commit is of both partners, at one node first of one, at the other first of the other, and takes its time between."""

    def between(tx, items):
        tx.exec_driver_sql("SELECT pg_sleep(0.02)")
        return [None] * len(items)

    def commit(store: Store, first: str, second: str, number: int) -> Any:
        together.wait(20)
        futures = grouped(
            store,
            lambda: WAYS[way](store, first, number),
            lambda: store.writer.submit(between, None),
            lambda: store.keep_together([of(second, number + 1, channel)]),
        )
        return futures[0].exception() or futures[2].exception() or futures[2].result()[0].outcome

    def work(node: int) -> None:
        first, second = PARTNERS if node else PARTNERS[::-1]
        for turn in range(1 if new else TURNS):
            outcomes.append(commit(nodes[node], first, second, 1 + node * 1_000 + turn * 2))

    channel = "as2" if way == "by AS2" else "http"
    url = migrated_database(postgresql)
    together = threading.Barrier(2)
    outcomes: list[Any] = []
    with two_nodes(url, tmp_path) as nodes:
        if not new:
            for number, partner in enumerate(PARTNERS):
                nodes[0].keep_message(of(partner, 9_000 + number, channel)).result(20)
            hold(nodes[0], channel)
        threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(outcomes) == {"new"}
        assert len(outcomes) == 2 * (1 if new else TURNS)
        assert deadlocks(nodes[0]) == 0


# ---- what waits for other rows than lanes of messages


def chunk(store: Store, partner: str, number: int, subject: str = "shipment/1", *, acknowledged: bool = False, kept: bool = True) -> Chunk:
    """COMMIT 2 of a message, which is kept: one event, and perhaps a 997."""
    if kept:
        store.keep_message(of(partner, number)).result(20)
    event = EventRow(f"identity-{number}", "t", subject, "2026-11-16T09:30:00Z", "original", f"m{number}", "", b"{}", "target:erp", "block")
    document = DocumentRow(
        1, 1, 1, "production", "214", "0001", "mapped", None, "A", "", "004010", 0, 9, "x12/214", f"c{number}", None, "hold", [], [("po", str(number))], [event],
    )  # fmt: skip
    envelope = {
        "ordinal": 1, "stream": "production", "state": "open", "reason": None, "ta1": None, "sender": "02:A", "receiver": "ZZ:B",
        "control": str(number), "version": "00401", "usage": "P", "date": "261116", "time": "0930", "byte_start": 0, "byte_end": 9, "sha256": str(number),
    }  # fmt: skip
    receipt = Receipt("997", [{"slot": "interchange_control"}, "x"], f"ZZ:US 02:{partner}", f"outbox:{partner}", "a.edi")
    told = [Acknowledgment(1, 1, "A", 1, receipt)] if acknowledged else []
    group = {
        "interchange": 1, "ordinal": 1, "functional": "QM", "control": "1", "version": "004010", "sender": "A", "receiver": "B", "codes": "", "claimed": 1, "found": 1,
    }  # fmt: skip
    return Chunk(
        f"{number:026d}", partner, "http", 1, number, None, None, number, "node", interchanges=[envelope], groups=[group], documents=[document],
        acknowledgments=told,
    )  # fmt: skip


def release(partner: str, number: int) -> Outgoing:
    return Outgoing(
        id=f"{number:026d}", partner=partner, key=None, digest=str(number), window=DAY, at=number, who="erp", traceparent=None, profile_revision=1,
        stream="production", event=b"{}%d" % number, set_id="850", functional="PO", release="004010", version="004010", sender="ZZ:US", receiver=f"02:{partner}",
        sender_code="US", receiver_code=partner, envelope_version="00401", usage="P", parts=["x"], scope=f"ZZ:US 02:{partner}", destination=f"outbox:{partner}",
        file_name="a", subject=f"order/{number}", correlation="", references=[], not_written=[], mapping="x", on_dead="block", awaited={}, tell="target:erp",
        format="csv",
    )  # fmt: skip


def outcome(one: ToDeliver, **more: Any) -> Settled:
    given = {"outcome": "delivered", "at": AT + 2} | more
    return Settled(
        delivery=one.id, lane=one.lane, fence=one.fence, partner=one.partner, destination=one.destination, message=one.message, node="a", on_dead=one.on_dead,
        started_at=AT, duration=1, **given,
    )  # fmt: skip


Commit = Callable[[Store], list[Callable[[], Future[Any]]]]


def settles_and_translates(store: Store) -> tuple[Commit, Commit]:
    """At both nodes in the same order of verbs: only the lanes are crosswise."""
    for number, partner in enumerate(PARTNERS, start=1):
        store.keep_chunk(chunk(store, partner, number)).result(20)
    due = {one.partner: one for one in store.claim_lanes(LaneClaim("target:erp", "a", AT, AT + 15 * SECOND, 10)).result(20).deliveries}
    chunks = {partner: chunk(store, partner, number) for number, partner in enumerate(PARTNERS, start=11)}

    def of_node(settled: str, translated: str) -> Commit:
        return lambda node: [lambda: node.settle(outcome(due[settled])), lambda: node.keep_chunk(chunks[translated])]

    return of_node(*PARTNERS), of_node(*PARTNERS[::-1])


def hears_of_a_fault(store: Store) -> tuple[Commit, Commit]:
    """While the ERP is away: both want the row of the destination, which one of them has, and then the lane of the other."""
    for number, partner in enumerate(PARTNERS, start=1):
        store.keep_chunk(chunk(store, partner, number)).result(20)
    due = {one.partner: one for one in store.claim_lanes(LaneClaim("target:erp", "a", AT, AT + 15 * SECOND, 10)).result(20).deliveries}
    chunks = {partner: chunk(store, partner, number) for number, partner in enumerate(PARTNERS, start=11)}
    fault = {"outcome": "temporary", "is_fault": True, "next_due": AT + DAY}

    def of_node(settled: str, translated: str) -> Commit:
        return lambda node: [lambda: node.settle(outcome(due[settled], **fault)), lambda: node.keep_chunk(chunks[translated])]

    return of_node(*PARTNERS), of_node(*PARTNERS[::-1])


def numbers_and_releases(store: Store) -> tuple[Commit, Commit]:
    """Both take control numbers of one pair, in another order."""
    store.keep_chunk(chunk(store, "northway", 1, acknowledged=True)).result(20)
    store.keep_outgoing(release("northway", 2)).result(20)
    first, second = chunk(store, "northway", 11, acknowledged=True), chunk(store, "northway", 12, "shipment/2", acknowledged=True)
    return (
        lambda node: [lambda: node.keep_chunk(first), lambda: node.keep_outgoing(release("northway", 21))],
        lambda node: [lambda: node.keep_outgoing(release("northway", 22)), lambda: node.keep_chunk(second)],
    )


def asks_and_notes(store: Store) -> tuple[Commit, Commit]:
    """Two consumers: one has its minute counted, of the other something is written down."""
    consumers(store)
    asks = lambda node, name: lambda: node.consumers.take(Asking(name, 60, 1, 1))  # noqa: E731
    notes = lambda node, name: lambda: node.consumers.note(Noted(chain_of(name), "0" * 26, AT, {}))  # noqa: E731
    return lambda node: [asks(node, "c1"), notes(node, "c2")], lambda node: [notes(node, "c2"), asks(node, "c1")]


def commits_and_notes(store: Store) -> tuple[Commit, Commit]:
    consumers(store)
    commits = lambda node, name: lambda: node.consumers.commit(Cursor(name, 1, 0, "x", AT, "1" * 26))  # noqa: E731
    notes = lambda node, name: lambda: node.consumers.note(Noted(chain_of(name), "0" * 26, AT, {}))  # noqa: E731
    return lambda node: [commits(node, "c1"), notes(node, "c2")], lambda node: [notes(node, "c2"), commits(node, "c1")]


def consumers(store: Store) -> None:
    for name in ("c1", "c2"):
        made = Consumer(name, frozenset({"events:read"}), None, None, None, None, "1")
        assert store.consumers.make(Made(made, None, 0, "ann", AT)).result(20)
        store.consumers.take(Asking(name, 60, 1, 1)).result(20)
    store.keep_chunk(chunk(store, "northway", 1)).result(20)
    store.consumers.place(AT).result(20)


MIXED = [settles_and_translates, hears_of_a_fault, numbers_and_releases, asks_and_notes, commits_and_notes]


@pytest.mark.parametrize("mixed", MIXED, ids=lambda made: made.__name__)
def test_nodes_that_do_different_things_never_wait_in_a_circle(postgresql: str, tmp_path: Path, mixed: Callable[[Store], tuple[Commit, Commit]]):
    def between(tx, items):
        tx.exec_driver_sql("SELECT pg_sleep(0.15)")
        return [None] * len(items)

    def work(node: int) -> None:
        first, second = commits[node](nodes[node])
        together.wait(20)
        futures = grouped(nodes[node], first, lambda: nodes[node].writer.submit(between, None), second)
        faults.extend(error for error in (future.exception() for future in futures) if error is not None)

    together = threading.Barrier(2)
    faults: list[BaseException] = []
    with two_nodes(migrated_database(postgresql), tmp_path) as nodes:
        commits = mixed(nodes[0])
        threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert faults == []
        assert deadlocks(nodes[0]) == 0


# ---- one verb, many members


def slow(store: Store, table: str, change: str) -> None:
    """Each change of a row of it takes its time."""
    body = "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$ LANGUAGE plpgsql"
    trigger = f"CREATE TRIGGER slow BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION slow()"
    store.writer.submit(lambda tx, items: [tx.exec_driver_sql(body) and tx.exec_driver_sql(trigger) and None], None).result(20)


def polls(node: Store, name: str) -> Future[Any]:
    return node.claim_poll(PollClaim(name, "p", "x", 10, 20))


def moves(node: Store, name: str) -> Future[Any]:
    return node.consumers.commit(Cursor(name, 1, 0, "x", AT, "1" * 26))


def closes(node: Store, name: str) -> Future[Any]:
    return node.close_alarm(AlarmClosed(f"k:{name}", AT, "ann", "it is over"))


def raises(node: Store, name: str) -> Future[Any]:
    return node.raise_alarm("k", "p", "what", AT, name)


ALONE = [
    pytest.param(polls, polls, "sftp_polls", "UPDATE", id="polls"), pytest.param(moves, moves, "consumers", "UPDATE", id="cursors"),
    pytest.param(closes, raises, "alarms", "UPDATE", id="alarms"),
]  # fmt: skip


@pytest.mark.parametrize(("here", "there", "table", "change"), ALONE)
def test_a_verb_takes_its_rows_in_one_order_whoever_came_first(postgresql: str, tmp_path: Path, here: Any, there: Any, table: str, change: str):
    def work(node: int) -> None:
        verb = (here, there)[node]
        names = ("c1", "c2") if node else ("c2", "c1")
        together.wait(20)
        for future in grouped(nodes[node], *[lambda name=name: verb(nodes[node], name) for name in names]):
            future.result()

    together = threading.Barrier(2)
    with two_nodes(migrated_database(postgresql), tmp_path) as nodes:
        consumers(nodes[0])
        for name in ("c1", "c2"):
            nodes[0].claim_poll(PollClaim(name, "p", "x", 1, 1)).result(20)
            raises(nodes[0], name).result(20)
        slow(nodes[0], table, change)
        threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert deadlocks(nodes[0]) == 0


def test_a_bad_member_does_not_part_a_verb_from_its_order(postgresql: str, tmp_path: Path):
    """After it the others run one by one, each in the order in which it came."""

    def work(node: int) -> None:
        names = PARTNERS if node else PARTNERS[::-1]
        bad = replace(of("northway", 500 + node), file_name="\0")
        together.wait(20)
        items = [bad, *(of(name, 100 + node * 10 + place) for place, name in enumerate(names))]
        outcomes.extend(
            future.exception() or future.result().outcome
            for future in grouped(nodes[node], *[lambda one=one: nodes[node].keep_message(one) for one in items])
        )

    together = threading.Barrier(2)
    outcomes: list[Any] = []
    with two_nodes(migrated_database(postgresql), tmp_path) as nodes:
        for number, partner in enumerate(PARTNERS):
            kept(nodes[0], partner, 9_000 + number).result(20)
        slow(nodes[0], "messages", "INSERT")
        threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [one for one in outcomes if isinstance(one, str)] == ["new"] * 4
        assert deadlocks(nodes[0]) == 0
