"""Several nodes on one database: two stores, two connections, real transactions that meet; and the clock that they share."""

import asyncio
import functools
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chores import Chore, Chores, Turn, TurnLost
from gateway.clock import DAY, HOUR, MINUTE, SECOND, new_id
from gateway.records.incoming import Incoming
from gateway.steady import JUMP, PACE, SteadyClock
from gateway.store import nodes
from gateway.store.payloads import Payload
from gateway.store.serial import take_turns
from gateway.store.store import Store
from tests.databases import empty_database

NOW = 1_000 * DAY


@pytest.fixture
def pair(store: Store, database_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two nodes' stores; of one node twice, where SQLite has but one."""
    if store.database.is_sqlite:
        yield store, store
        return
    other = Store(database_url, tmp_path / "other")
    yield store, other
    other.close()


def in_a_loop(test):
    @functools.wraps(test)
    def run(*given, **named):
        asyncio.run(test(*given, **named))

    return run


def message(body: bytes, *, partner: str = "acme", channel: str = "http", key: str | None = None) -> Incoming:
    identity = new_id(NOW)
    payload = Payload.inline(f"message:{identity}", partner, body)
    return Incoming(
        id=identity, partner=partner, channel=channel, payload=payload, media_type="text/plain", file_name=None, profile_revision=1, key=key,
        window=DAY, at=NOW, who="a test", traceparent=None,
    )  # fmt: skip


def together(*calls) -> None:
    """All at once, each in a thread of its own."""
    gate = threading.Barrier(len(calls))
    failed = []

    def run(call):
        gate.wait(20)
        try:
            call()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not failed


# ---- what two nodes keep at the same moment


@pytest.mark.parametrize("key", [None, "order-7"])
def test_a_message_sent_to_two_nodes_at_once_is_kept_once(pair, key):
    here, there = pair
    for number in range(30):
        kept = []

        def keep(store: Store, number: int = number, kept: list = kept) -> None:
            name = None if key is None else f"{key}-{number}"
            kept.append(store.keep_message(message(b"number %d" % number, key=name)).result(20))

        together(partial(keep, here), partial(keep, there))
        assert sorted(one.outcome for one in kept) == ["duplicate", "new"]
        assert kept[0].id == kept[1].id
    assert here.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM messages").scalar_one()).result(20) == 30
    assert here.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM payloads").scalar_one()).result(20) == 30


def test_arrivals_follow_the_commits_whatever_a_nodes_clock_says(database_url, tmp_path):
    """A partner that sends its second message after the 202 of its first is read in that order, at whichever nodes."""
    ahead = Store(database_url, tmp_path / "a", lambda: NOW + HOUR)
    behind = ahead if ahead.database.is_sqlite else Store(database_url, tmp_path / "b", lambda: NOW)
    kept = [store.keep_message(message(b"%d" % number)).result(20) for number in range(6) for store in (ahead, behind)]
    several = [behind.keep_message(message(b"together %d" % number)) for number in range(20)]
    arrivals = [one.at for one in kept] + [one.result(20).at for one in several]
    # Bytes that came before are known by their message: each number was sent twice.
    fresh = [one for index, one in enumerate(arrivals) if index >= 12 or index % 2 == 0]
    assert fresh == sorted(set(fresh))
    rows = ahead.read(lambda tx: tx.exec_driver_sql("SELECT arrival FROM messages ORDER BY arrival").scalars().all()).result(20)
    assert rows == fresh
    for one in {ahead, behind}:
        one.close()


def test_turns_are_one_after_another(pair):
    """What looks and then writes is not between another node's looking and writing."""
    here, there = pair
    inside, most = [], []

    def work(tx, items):
        take_turns(tx, [("test", "b"), ("test", "a")])
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.002)
        inside.pop()
        return [None] * len(items)

    together(*(lambda one=one: [one.writer.submit(work, None).result(20) for _ in range(20)] for one in (here, there)))
    assert len(most) >= 2
    assert max(most) == 1


# ---- chores


@in_a_loop
async def test_a_chore_is_one_nodes_at_a_time(pair):
    done: list[str] = []
    at = [NOW]

    def chores(store: Store, name: str) -> Chores:
        async def work(turn: Turn) -> str:
            done.append(name)
            return f"done by {name}"

        return Chores(store, {"sweep": Chore(MINUTE, work)}, node=name, clock=lambda: at[0])

    here, there = chores(pair[0], "here"), chores(pair[1], "there")

    async def look() -> None:
        for one in (here, there):
            one.look()
        for one in (here, there):
            await one.at_rest()

    await look()
    assert done == ["here"] or done == ["there"]
    await look()
    assert len(done) == 1, "not before its time"
    at[0] += MINUTE
    await look()
    assert len(done) == 2
    (row,) = pair[0].read(nodes.chores_listed).result(20)
    assert (row.name, row.told, row.lease_until, row.at) == ("sweep", f"done by {done[-1]}", 0, at[0])


@in_a_loop
async def test_a_node_that_was_stopped_in_its_chore_has_lost_it(pair):
    here, there = pair
    fence = here.claim_chore(nodes.ChoreClaim("prune", "here", NOW, NOW + MINUTE)).result(20)
    turn = Turn(here, lambda: NOW, "prune", fence, NOW + MINUTE)
    await turn.still_ours()
    assert there.claim_chore(nodes.ChoreClaim("prune", "there", NOW + SECOND, NOW + MINUTE)).result(20) is None
    taken = there.claim_chore(nodes.ChoreClaim("prune", "there", NOW + HOUR, NOW + 2 * HOUR)).result(20)
    assert taken == fence + 1
    with pytest.raises(TurnLost):
        await turn.still_ours()
    assert not here.end_chore(nodes.ChoreEnd("prune", fence, 0, "stale", NOW)).result(20)
    assert there.end_chore(nodes.ChoreEnd("prune", taken, NOW + 3 * HOUR, "", NOW + HOUR)).result(20)


@in_a_loop
async def test_a_long_chore_holds_no_other_up(store):
    over, done = asyncio.Event(), []

    async def long(turn: Turn) -> str:
        await over.wait()
        done.append("long")
        return ""

    async def short(turn: Turn) -> str:
        done.append("short")
        over.set()
        return ""

    chores = Chores(store, {"a long one": Chore(HOUR, long), "b": Chore(SECOND, short)}, node="here", clock=lambda: NOW)
    chores.look()
    await asyncio.wait_for(chores.at_rest(), 20)
    assert done == ["short", "long"]


@in_a_loop
async def test_a_chore_that_fails_comes_again_soon(store):
    async def work(turn: Turn) -> str:
        raise ValueError("no such thing")

    chores = Chores(store, {"sweep": Chore(HOUR, work)}, node="here", clock=lambda: NOW)
    chores.look()
    await chores.at_rest()
    (row,) = store.read(nodes.chores_listed).result(20)
    assert (row.told, row.next_due) == ("failed: ValueError: no such thing", NOW + 30 * SECOND)


# ---- who is there


def beat(store: Store, name: str, at: int, state: str = "serving") -> int:
    return store.beat(nodes.Beat(name, state, "0.1.0", {"admin": "http://127.0.0.1:1"}, at, at)).result(20)


def test_a_node_that_is_not_seen_is_lost_until_it_is_back(store):
    beat(store, "a", NOW)
    beat(store, "b", NOW, "stopped")
    assert store.watch_nodes(NOW + 59 * SECOND).result(20) == 0
    assert store.watch_nodes(NOW + 61 * SECOND).result(20) == 1
    query = "SELECT id FROM alarms WHERE closed_at IS NULL"
    assert store.read(lambda tx: tx.exec_driver_sql(query).scalars().all()).result(20) == ["node.lost:a"]
    beat(store, "a", NOW + 62 * SECOND)
    assert store.watch_nodes(NOW + 63 * SECOND).result(20) == 0
    assert store.read(lambda tx: tx.exec_driver_sql(query).scalars().all()).result(20) == []


def test_a_node_that_starts_takes_the_clock_of_those_that_serve(store):
    database = store.read(nodes.database_now).result(20)
    assert abs(store.read(nodes.shared_now).result(20) - database) < 10 * SECOND
    beat(store, "a", database + DAY)
    assert abs(store.read(nodes.shared_now).result(20) - database - DAY) < 10 * SECOND
    beat(store, "a", database + DAY, "stopped")
    assert abs(store.read(nodes.shared_now).result(20) - database) < 10 * SECOND


# ---- the clock


class Hand:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at = 5 * DAY

    def __call__(self) -> int:
        return self.at * 1000


@given(jumps=st.lists(st.tuples(st.integers(-2 * DAY, 2 * DAY), st.integers(0, HOUR)), max_size=8))
def test_no_jump_moves_the_clock_by_more_than_its_pace(jumps):
    hand = Hand()
    clock = SteadyClock(lambda: NOW, hand)
    for jump, passed in jumps:
        clock.agree(clock() + jump)
        before, start = clock(), hand.at
        for _ in range(4):
            hand.at += passed // 4
            told, went = clock() - before, hand.at - start
            assert went * (1 - PACE) - 2 <= told <= went * (1 + PACE) + 2


@given(off=st.integers(-JUMP, JUMP))
def test_a_small_difference_is_soon_gone(off):
    hand = Hand()
    clock = SteadyClock(lambda: NOW, hand)
    began = hand.at
    for _ in range(60):
        clock.agree(NOW + (hand.at - began) + off)
        hand.at += 5 * SECOND
    assert abs(clock() - (NOW + (hand.at - began) + off)) <= 10_000


def test_a_jump_is_met_in_the_end_and_not_passed():
    hand = Hand()
    clock = SteadyClock(lambda: NOW, hand)
    assert clock.agree(NOW + 10 * SECOND) == 10 * SECOND
    hand.at += 100 * SECOND
    assert clock() == NOW + 105 * SECOND
    hand.at += HOUR
    assert clock() == NOW + HOUR + 110 * SECOND, "no further"


def test_nothing_goes_back():
    hand = Hand()
    clock = SteadyClock(lambda: NOW, hand)
    clock.agree(NOW - DAY)
    last = clock()
    for _ in range(1000):
        hand.at += 20
        assert clock() >= last
        last = clock()


def test_a_node_that_sleeps_in_its_commit_keeps_nobody_waiting(postgresql: str, tmp_path: Path):
    """It holds what it has locked; PostgreSQL ends its transaction, and when it wakes it does its work again."""
    url = empty_database(postgresql)
    here, there = Store(url, tmp_path / "here"), Store(url, tmp_path / "there")
    asleep = threading.Event()

    def sleeps(tx, items):
        kept = here._intake.keep_messages(tx, items)
        if not asleep.is_set():
            asleep.set()
            threading.Event().wait(4.2)
        return kept

    first = here.writer.submit(sleeps, message(b"one"))
    assert asleep.wait(20)
    assert there.keep_message(message(b"two")).result(6).outcome == "new"
    assert first.result(20).outcome == "new"
    assert here.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM messages").scalar_one()).result(20) == 2
    here.close()
    there.close()
