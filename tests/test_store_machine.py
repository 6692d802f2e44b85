"""The store's verbs against models that a person can read: claims, leases, crashes, clocks that jump, commits whose answer is lost, people who act.

Hypothesis makes up the stories. What it found stands below as tests of its own, step by step.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from gateway.clock import SECOND
from gateway.records.deliveries import Action, Renewal, ToDeliver
from gateway.records.translation import Chunk, TranslateClaim, TranslateLane
from gateway.scheduling import BreakerTerms
from gateway.store.store import Store
from tests.scheduling import START, claim, put, settle, settled
from tests.test_store_writer import incoming

LEASE = 15 * SECOND
NEVER_OPENS = BreakerTerms(failures=10**9)
_serial = itertools.count(1)
NODES = st.sampled_from(["a", "b"])
LANES = st.sampled_from([("p1", "s1"), ("p1", "s2"), ("p2", "s1")])


# ---- deliveries: one target, two nodes


@dataclass
class Delivery:
    id: str
    on_dead: str
    position: int
    next_due: int
    state: str = "due"
    attempts: int = 0


@dataclass
class Lane:
    deliveries: list[Delivery] = field(default_factory=list)
    fence: int | None = None
    """Of the claim that has it; None once that is settled, or a person has moved the lane on after its lease."""
    held: Delivery | None = None
    lease_until: int = 0
    blocked: bool = False

    @property
    def head(self) -> Delivery | None:
        return min((one for one in self.deliveries if one.state == "due"), key=lambda one: one.position, default=None)

    def is_leased(self, now: int) -> bool:
        return self.fence is not None and self.lease_until > now

    def is_due(self, now: int) -> bool:
        return self.head is not None and not self.blocked and not self.is_leased(now) and self.head.next_due <= now

    def moves_on(self) -> None:
        self.fence, self.held, self.blocked = None, None, False


class Deliveries(RuleBasedStateMachine):
    store: Store

    @initialize()
    def begin(self) -> None:
        self.target, self.now = f"target:{next(_serial)}", START
        self.lanes: dict[tuple[str, str], Lane] = {}
        self.taken: list[tuple[ToDeliver, Lane]] = []
        """Every claim ever made, of the living and of the dead: each may yet try to write."""

    @rule(where=LANES, on_dead=st.sampled_from(["pass", "block"]))
    def add(self, where: tuple[str, str], on_dead: str) -> None:
        partner, subject = where
        (name,) = put(self.store, partner, [f"{self.target}/{subject}"], at=self.now, destination=self.target, on_dead=on_dead)
        self.lanes.setdefault(where, Lane()).deliveries.append(Delivery(name, on_dead, next(_serial), self.now))

    @rule(node=NODES, limit=st.integers(1, 4))
    def claim(self, node: str, limit: int) -> None:
        due = {lane.head.id: lane for lane in self.lanes.values() if lane.is_due(self.now) and lane.head is not None}
        got = claim(self.store, self.now, limit, node=node, destination=self.target, breaker=NEVER_OPENS).deliveries
        assert {one.id for one in got} <= set(due), "only what is due, free, and the first of its lane"
        assert len(got) == min(limit, len(due)), "as many as there are, and no more than were asked for"
        for one in got:
            lane = due[one.id]
            assert one.attempts == (lane.head.attempts if lane.head else -1)
            assert all(one.fence > other.fence for other, where in self.taken if where is lane), "fences only rise"
            lane.fence, lane.held, lane.lease_until = one.fence, lane.head, self.now + LEASE
            self.taken.append((one, lane))

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "temporary", "unknown", "permanent"]), twice=st.booleans())
    def settle(self, data: Any, outcome: str, twice: bool) -> None:
        """By whoever has it now, or by somebody who slept; and perhaps once more, because the answer to its COMMIT was lost."""
        one, lane = data.draw(st.sampled_from(self.taken))
        counts = lane.fence == one.fence
        item = settled(one, self.now, outcome, breaker=NEVER_OPENS)
        assert self.store.settle(item).result(60) == counts, "a stale write changes nothing, the holder's counts"
        if counts:
            assert lane.held is not None
            self._hear(lane, lane.held, outcome)
        if twice:
            assert not self.store.settle(item).result(60), "an attempt is written once"

    def _hear(self, lane: Lane, delivery: Delivery, outcome: str) -> None:
        delivery.attempts += 1
        lane.moves_on()
        if outcome == "delivered":
            delivery.state = "delivered"
        elif outcome == "permanent":
            delivery.state, lane.blocked = "dead", delivery.on_dead == "block"
        else:
            delivery.next_due = self.now + SECOND

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def renew(self, data: Any) -> None:
        one, lane = data.draw(st.sampled_from(self.taken))
        ours = self.store.renew_lease(Renewal(one.lane, one.fence, self.now + LEASE)).result(60)
        assert ours == (lane.fence == one.fence)
        if ours:
            lane.lease_until = self.now + LEASE

    @rule(seconds=st.sampled_from([1, 2, 20, 60, -1, -30]))
    def the_clock_moves(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @precondition(lambda self: any(lane.deliveries for lane in self.lanes.values()))
    @rule(data=st.data(), kind=st.sampled_from(["retry", "skip", "redeliver"]))
    def a_person_acts(self, data: Any, kind: Any) -> None:
        lane, one = data.draw(st.sampled_from([(lane, one) for lane in self.lanes.values() for one in lane.deliveries]))
        state = self.store.act(Action(kind, one.id, "someone", "because", self.now)).result(60)
        fits = {"retry": ("dead", "due"), "skip": ("dead", "due"), "redeliver": ("delivered", "skipped", "dead")}
        if one.state not in fits[kind]:
            assert state == one.state
            return
        if lane.is_leased(self.now) and lane.held is one:
            assert state == "sending", "what is under way is not taken from under its attempt"
            return
        one.state = "skipped" if kind == "skip" else "due"
        assert state == one.state
        if kind != "skip":
            one.next_due = self.now
        if kind == "redeliver":
            one.position = next(_serial)
        if not lane.is_leased(self.now):
            lane.moves_on()

    @rule(node=NODES)
    def a_node_is_born_again(self, node: str) -> None:
        """Its leases of the life before end; nobody of that life writes any more."""
        self.store.forget_leases(node)
        for one, lane in list(self.taken):
            if self._node_of(one) == node and lane.fence == one.fence:
                lane.lease_until = 0
        self.taken = [(one, lane) for one, lane in self.taken if self._node_of(one) != node]

    def _node_of(self, one: ToDeliver) -> str:
        rows = self.store.read(lambda tx: tx.execute(text("SELECT node, fence FROM lanes WHERE id = :id"), {"id": one.lane}).all()).result(60)
        return str(rows[0].node) if rows and rows[0].fence == one.fence else ""

    @invariant()
    def the_rows_say_the_same(self) -> None:
        query = text(
            "SELECT id, state, attempts, (SELECT count(*) FROM attempts a WHERE a.delivery = d.id) AS written FROM deliveries d WHERE destination = :to"
        )
        found = self.store.read(lambda tx: tx.execute(query, {"to": self.target}).all()).result(60)
        assert {row.id: (row.state, row.attempts) for row in found} == {
            one.id: (one.state, one.attempts) for lane in self.lanes.values() for one in lane.deliveries
        }
        assert all(row.attempts == row.written for row in found), "each attempt has one row"


# ---- messages: two channels, two nodes


class Messages(RuleBasedStateMachine):
    store: Store

    @initialize()
    def begin(self) -> None:
        self.partner = f"partner{next(_serial)}"
        self.now = self.store.ticks() + SECOND
        self.waiting: list[str] = []
        """In the order of COMMIT 1."""
        self.done: list[str] = []
        self.answers: dict[str, tuple[str, bytes]] = {}
        self.holder: TranslateLane | None = None
        self.lease_until = 0
        self.taken: list[TranslateLane] = []

    @rule(key=st.sampled_from(["k1", "k2", "k3", None]), body=st.sampled_from([b"one", b"two", b"three", b"four"]))
    def keep(self, key: str | None, body: bytes) -> None:
        number = next(_serial)
        item = incoming(number, key=key, body=body)
        item = type(item)(**{name: getattr(item, name) for name in item.__slots__} | {"partner": self.partner, "at": self.now})
        kept = self.store.keep_message(item).result(60)
        place = f"key:{key}" if key else f"body:{body!r}"
        known = self.answers.get(place)
        if known:
            assert (kept.id, kept.outcome) == (known[0], "duplicate" if known[1] == body else "conflict")
            return
        assert (kept.id, kept.outcome) == (item.id, "new")
        self.answers[place] = self.answers[f"body:{body!r}"] = (item.id, body)
        self.waiting.append(item.id)
        again = self.store.keep_message(item).result(60)
        assert (again.id, again.outcome) == (item.id, "new"), "a member that ran before, and whose COMMIT was not heard of, is no duplicate of itself"

    @rule(node=NODES)
    def claim(self, node: str) -> None:
        lanes = [
            one
            for one in self.store.claim_messages(TranslateClaim(node, self.now, self.now + LEASE, 100, 100)).result(60)
            if one.partner == self.partner
        ]
        is_free = self.holder is None or self.lease_until <= self.now
        if not self.waiting or not is_free:
            assert not [one for one in lanes if one.messages], "one node at a time"
        if lanes:
            (lane,) = lanes
            assert is_free
            assert [message.id for message in lane.messages] == self.waiting, "all that wait, in the order of COMMIT 1"
            self.holder, self.lease_until = lane, self.now + LEASE
            self.taken.append(lane)
        elif self.waiting and is_free:
            raise AssertionError("something waits, nobody has it, and a claim got nothing")

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def commit(self, data: Any) -> None:
        """COMMIT 2 of the first message that a holder has, whether it is the holder still or not: each message is decided once."""
        lane = data.draw(st.sampled_from(self.taken))
        if not lane.messages:
            return
        message = data.draw(st.sampled_from(lane.messages))
        chunk = Chunk(message.id, self.partner, "http", 1, message.arrival, None, None, self.now, "node")
        kept = self.store.keep_chunk(chunk).result(60)
        assert kept.stale == (message.id in self.done)
        if not kept.stale:
            self.done.append(message.id)
            self.waiting.remove(message.id)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def release(self, data: Any) -> None:
        lane = data.draw(st.sampled_from(self.taken))
        self.store.release_lane(lane).result(60)
        if self.holder is lane:
            self.holder = None
        self.now = max(self.now, self.store.ticks())

    @rule(seconds=st.sampled_from([1, 20, -10]))
    def the_clock_moves(self, seconds: int) -> None:
        self.now = max(self.now + seconds * SECOND, self.store.ticks())


# ---- run


def tell(machine: type[RuleBasedStateMachine], store: Store, examples: int) -> None:
    machine.store = store  # type: ignore[attr-defined]
    terms = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=terms)  # type: ignore[no-untyped-call]


EXAMPLES = [8, pytest.param(100, marks=[pytest.mark.big, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("examples", EXAMPLES, ids=["some stories", "many stories"])
@pytest.mark.parametrize("machine", [Deliveries, Messages])
def test_the_store_does_what_its_model_says(store: Store, machine: type[RuleBasedStateMachine], examples: int):
    tell(machine, store, examples)


# ---- what it found


def test_an_attempt_whose_commit_was_not_heard_of_is_written_once(store: Store):
    put(store, "p", ["s"])
    (one,) = claim(store, START).deliveries
    item = settled(one, START, "temporary")
    assert store.settle(item).result(60)
    assert not store.settle(item).result(60)
    assert store.read(lambda tx: tx.execute(text("SELECT count(*) FROM attempts")).scalar_one()).result(60) == 1


def test_a_dead_letter_that_is_retried_waits_for_what_is_under_way_in_its_lane(store: Store):
    """Statuses pass a dead letter; its retry ended the lease of the one that was being sent, and two were under way at once."""
    first, second = put(store, "p", ["s", "s"])
    (one,) = claim(store, START).deliveries
    settle(store, settled(one, START, "permanent"))
    (other,) = claim(store, START).deliveries
    assert (one.id, other.id) == (first, second)
    assert store.act(Action("retry", first, "someone", "because", START)).result(60) == "due"
    assert claim(store, START).deliveries == []
    settle(store, settled(other, START))
    assert [again.id for again in claim(store, START).deliveries] == [first]


@pytest.mark.parametrize("kind", ["retry", "skip"])
def test_what_is_being_sent_is_not_taken_from_under_its_attempt(store: Store, kind: Any):
    put(store, "p", ["s"])
    (one,) = claim(store, START).deliveries
    assert store.act(Action(kind, one.id, "someone", "because", START)).result(60) == "sending"
    settle(store, settled(one, START))
    assert store.act(Action(kind, one.id, "someone", "because", START)).result(60) == "delivered"
