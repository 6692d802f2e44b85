"""The feed's promise: who goes on behind its cursor skips nothing, whatever commits late, on both databases, with several nodes on one PostgreSQL."""

import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from gateway.clock import SECOND
from gateway.consumers.records import Behind, Commit, Consumer, Made, Rewind
from gateway.store import feed, told
from gateway.store.store import Store
from tests.api_running import shipment_event
from tests.databases import empty_database
from tests.standing_running import AT, Teller

ALL = Consumer("wms", frozenset({"events:read"}), None, None, None, None, "0.1.0")
PUT = "INSERT INTO feed_waiting (event, partner, type, stream, tick) VALUES (:event, 'northway', 't', 'production', :tick)"


def page(store: Store, after: int = 0, limit: int = 100, consumer: Consumer = ALL) -> feed.FeedPage:
    return store.read(lambda tx: feed.page(tx, consumer, after, limit)).result(20)


def names(found: feed.FeedPage) -> list[str]:
    return [event for _, event in found.events]


def test_every_event_gets_one_place_in_the_order_it_was_told(store: Store):
    teller = Teller(store)
    for number in range(5):
        teller.tell(shipment_event(f"S{number}"), shipment_event(f"T{number}"))
    assert names(page(store)) == [], "nothing is seen before it has its place"
    assert store.consumers.place(AT).result(20) == 10
    assert store.consumers.place(AT).result(20) == 0
    found = page(store)
    assert [position for position, _ in found.events] == list(range(1, 11))
    assert names(found) == [f"northway.{one}{number}.pickup.departed-r1" for number in range(5) for one in "ST"]
    assert (page(store, 3, 4).last, page(store, 10).last, page(store, 9).last) == (7, 10, 10)


def test_an_event_that_commits_late_is_not_skipped(postgresql: str, tmp_path: Path):
    """One transaction takes its turn first and commits last; a reader has gone on meanwhile."""
    url = empty_database(postgresql)
    store = Store(url, tmp_path / "payloads")
    late = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with late.connect() as slow:
        slow.execute(text(PUT), {"event": "late", "tick": 1})
        Teller(store).tell(shipment_event("S1"))
        store.consumers.place(AT).result(20)
        first = page(store)
        assert len(first.events) == 1
        slow.commit()
    store.consumers.place(AT - 5).result(20)
    second = page(store, first.last)
    assert names(second) == ["late"]
    at = store.read(lambda tx: tx.execute(text("SELECT at FROM feed ORDER BY position")).scalars().all()).result(20)
    assert at == sorted(at), "a clock that goes back does not take the feed with it"
    late.dispose()
    store.close()


def test_many_writers_two_placers_and_readers_who_never_look_back(postgresql: str, tmp_path: Path):
    """Transactions of many lengths on real PostgreSQL commit in an order that nobody chose. Every reader, at any time, sees a beginning of the feed
    without gaps, and in the end each event once."""
    url = empty_database(postgresql)
    nodes = [Store(url, tmp_path / name) for name in ("a", "b")]
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_size=8)
    writers, each = 8, 40
    wrong: list[str] = []
    seen: list[list[str]] = [[], [], []]
    over = threading.Event()

    def write(number: int) -> None:
        for turn in range(each):
            with engine.begin() as tx:
                tx.execute(text(PUT), {"event": f"{number}.{turn}", "tick": time.time_ns() // 1000})
                tx.execute(text("SELECT pg_sleep(:long)"), {"long": ((number * 7 + turn * 3) % 10) / 1000})

    def place(store: Store) -> None:
        while not over.is_set():
            store.consumers.place(AT).result(20)

    def read(store: Store, found: list[str]) -> None:
        after = 0
        while len(found) < writers * each and not (over.is_set() and after >= page(store, after, 1).head):
            for position, event in page(store, after, 7).events:
                if position != after + 1:
                    wrong.append(f"{position} came behind {after}")
                found.append(event)
                after = position

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    others = [threading.Thread(target=place, args=(node,)) for node in nodes]
    readers = [threading.Thread(target=read, args=(nodes[number % 2], found)) for number, found in enumerate(seen)]
    for thread in (*threads, *others, *readers):
        thread.start()
    for thread in threads:
        thread.join(60)
    until = time.monotonic() + 30
    while nodes[0].read(feed.some_wait).result(20):
        assert time.monotonic() < until
    over.set()
    for thread in (*others, *readers):
        thread.join(60)
    everything = {f"{number}.{turn}" for number in range(writers) for turn in range(each)}
    assert wrong == []
    for found in seen:
        assert len(found) == len(set(found))
        assert set(found) == everything
    for node in nodes:
        node.close()
    engine.dispose()


def test_a_filter_goes_past_what_it_leaves_out(store: Store, monkeypatch: Any):
    monkeypatch.setattr(feed, "WINDOW", 4)
    monkeypatch.setattr(feed, "ROUNDS", 2)
    Teller(store).tell(*(shipment_event(f"S{number}") for number in range(20)))
    Teller(store, "harbor").tell(shipment_event("S1", "harbor"))
    store.consumers.place(AT).result(20)
    one = Consumer("one", frozenset(), ("harbor",), None, "production", None, "0.1.0")
    after, pages = 0, []
    while after < 21:
        found = page(store, after, 5, one)
        assert found.last > after, "it goes on, also where nothing is found"
        pages.append(len(found.events))
        after = found.last
    assert pages == [0, 0, 1]
    none = [
        Consumer("no", frozenset(), None, ("org.crossdock.freight.billed.v1",), None, None, "0.1.0"),
        Consumer("no", frozenset(), None, None, "test", None, "0.1.0"),
    ]
    for consumer in none:
        assert page(store, 16, 5, consumer).events == []


def test_a_cursor_never_goes_back_but_by_a_replay(store: Store):
    Teller(store).tell(*(shipment_event(f"S{number}") for number in range(9)))
    store.consumers.place(AT).result(20)
    for name in ("wms", "other"):
        store.consumers.make(Made(Consumer(name, frozenset(), None, None, None, None, "0.1.0"), None, 0, "x", AT)).result(20)

    def commit(position: int, epoch: int = 0) -> tuple[int, int]:
        done = store.consumers.commit(Commit("wms", position, epoch, "wms", AT, "call")).result(20)
        return done.position, done.epoch

    assert [commit(position) for position in (4, 2, 4, 99)] == [(4, 0), (4, 0), (4, 0), (9, 0)]
    assert store.consumers.rewind(Rewind("wms", 3, "wms", "ticket", AT, "call")).result(20).position == 3
    assert commit(9, 0) == (3, 1), "a commit of a reader that has not heard of the replay undoes nothing"
    assert commit(5, 1) == (5, 1)
    assert store.read(lambda tx: feed.standing(tx, "other")).result(20).position == 0, "nobody else is touched"
    assert store.consumers.commit(Commit("nobody", 1, 0, "x", AT, "call")).result(20) is None


def test_what_was_pruned_leaves_gaps_that_a_reader_passes_over(store: Store, monkeypatch: Any):
    monkeypatch.setattr(feed, "WINDOW", 4)
    Teller(store).tell(*(shipment_event(f"S{number}") for number in range(10)))
    store.consumers.place(AT).result(20)
    gone = [f"northway.S{number}.pickup.departed-r1" for number in (0, 1, 5, 9)]
    store.writer.submit(
        lambda tx, items: [tx.execute(text("DELETE FROM events WHERE id = :id"), [{"id": one} for one in gone]) and None], None
    ).result(20)
    after = 0
    while after < 10:
        after = store.consumers.prune_feed(after).result(20)
    assert store.consumers.prune_feed(after).result(20) == 10, "the end"
    seen, after = [], 0
    while after < 10:
        found = page(store, after, 2)
        seen += names(found)
        after = found.last
    assert seen == [f"northway.S{number}.pickup.departed-r1" for number in (2, 3, 4, 6, 7, 8)]
    Teller(store).tell(shipment_event("S10"))
    store.consumers.place(AT).result(20)
    assert page(store, after).events == [(11, "northway.S10.pickup.departed-r1")], "no position is given again"


def test_after_a_restore_no_cursor_of_before_counts(store: Store):
    """Positions are given again to other events there: a cursor that somebody still holds would pass over some of them."""
    store.consumers.make(Made(ALL, None, 0, "x", AT)).result(20)
    Teller(store).tell(shipment_event("S1"))
    store.consumers.place(AT).result(20)
    assert store.consumers.restart(AT).result(20) == 1
    done = store.consumers.commit(Commit("wms", 1, 0, "wms", AT, "call")).result(20)
    assert (done.position, done.epoch) == (0, AT // SECOND)


def test_only_the_data_that_is_told_is_read(store: Store, monkeypatch: Any):
    Teller(store).tell(*(shipment_event(f"S{number}") for number in range(9)))
    store.consumers.place(AT).result(20)
    ids = names(page(store))
    sizes = store.read(lambda tx: tx.execute(text("SELECT size FROM payloads WHERE id LIKE 'event:%'")).scalars().all()).result(20)
    monkeypatch.setattr(told, "MOST_BYTES", 3 * sizes[0])
    original, read = told.in_lists, []

    def seen(tx: Any, statement: Any, values: Any) -> Any:
        rows = original(tx, statement, values)
        read.extend(row.id for row in rows if hasattr(row, "data"))
        return rows

    monkeypatch.setattr(told, "in_lists", seen)
    for wanted, looked in ((ids, 3), (["gone", *ids], 4), (ids[:2], 2), ([], 0)):
        read.clear()
        events, number = store.read(lambda tx, wanted=wanted: told.told(tx, store.files, wanted)).result(20)
        assert (number, [one.id for one in events]) == (looked, [one for one in wanted[:looked] if one != "gone"])
        assert sorted(read) == sorted(one.id for one in events)
    monkeypatch.setattr(told, "MOST_BYTES", 1)
    assert [store.read(lambda tx, n=n: told.told(tx, store.files, ids[n:])).result(20)[1] for n in (0, 8)] == [1, 1], "one is always told"


def test_who_sees_little_is_behind_however_much_of_others_lies_between(store: Store, monkeypatch: Any):
    monkeypatch.setattr(feed, "WINDOW", 2)
    monkeypatch.setattr(feed, "ROUNDS", 2)
    own = Consumer("own", frozenset({"events:read"}), ("northway",), None, None, None, "0.1.0")
    store.consumers.make(Made(own, None, 0, "me", AT)).result(20)
    Teller(store).tell(shipment_event("S0"))
    store.consumers.place(AT).result(20)
    store.consumers.commit(Commit("own", 1, 0, "me", AT, "call")).result(20)
    for partner, number in (("harbor", 11), ("northway", 1), ("harbor", 5)):
        Teller(store, partner).tell(*(shipment_event(f"{partner}{one}", partner) for one in range(number)))
        store.consumers.place(AT + SECOND).result(20)

    def behind(since: int) -> list[tuple[str, int, int]]:
        return store.read(lambda tx: feed.behind(tx, since)).result(20)

    assert behind(AT + SECOND) == [], "not for long yet"
    assert behind(AT + SECOND + 1) == [("own", 13, AT + SECOND)]
    store.consumers.commit(Commit("own", 13, 0, "me", AT, "call")).result(20)
    assert behind(AT + SECOND + 1) == []


def test_who_has_stopped_to_take_is_behind_and_who_has_nothing_to_take_is_not(store: Store):
    def make(name: str, *scopes: str, types: tuple[str, ...] | None = None) -> None:
        assert store.consumers.make(Made(Consumer(name, frozenset(scopes), None, types, None, None, "0.1.0"), None, 0, "me", AT)).result(20)

    def commit(name: str, position: int) -> None:
        assert store.consumers.commit(Commit(name, position, 0, "me", AT, "call")).result(20)

    def behind(since: int) -> list[tuple[str, int, int]]:
        return store.read(lambda tx: feed.behind(tx, since)).result(20)

    def open_alarms() -> list[str]:
        return store.read(lambda tx: [row.text for row in tx.execute(text("SELECT text FROM alarms WHERE closed_at IS NULL"))]).result(20)

    for name in ("wms", "slow", "never"):
        make(name, "events:read")
    make("lists", "shipments:read")
    make("stock", "events:read", types=("inventory.reported",))
    Teller(store).tell(*(shipment_event(f"S{number}") for number in range(3)))
    store.consumers.place(AT).result(20)
    for name, position in (("wms", 3), ("slow", 1), ("stock", 1)):
        commit(name, position)
    assert behind(AT) == [], "not for long yet"
    assert behind(AT + 1) == [("slow", 2, AT)]
    store.consumers.warn_of_behind(Behind(behind(AT + 1), AT + 1)).result(20)
    (alarm,) = open_alarms()
    assert alarm.startswith("slow has not taken what is in the stream for it since ")
    assert alarm.endswith("position 2; it has 2 positions to go")
    commit("slow", 3)
    store.consumers.warn_of_behind(Behind(behind(AT + 1), AT + 2)).result(20)
    assert open_alarms() == []
