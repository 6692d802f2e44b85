"""Who is served, and how fast: turns between partners, classes before classes, quotas that no window exceeds on however many nodes."""

import random
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import DAY, SECOND, Instant
from gateway.records.deliveries import ToDeliver
from gateway.scheduling import Quota, Quotas, Rate, quotas
from gateway.store.store import Store
from gateway.store.turns import CLASSES, PLACES, Ring, Share, allot
from partners.priority import PRIORITIES, priority_of
from tests.scheduling import START, TARGET, claim, every_alarm, put, settle, settled


@pytest.fixture
def nodes(database_url: str, tmp_path: Path) -> Iterator[list[Store]]:
    """Three claimers of one database: nodes of their own on PostgreSQL; on SQLite one store, for one process has it."""
    count = 3 if database_url.startswith("postgresql") else 1
    stores = [Store(database_url, tmp_path / f"payloads{number}") for number in range(count)]
    yield stores
    for store in stores:
        store.close()


def partners_of(deliveries: list[ToDeliver]) -> list[str]:
    return [one.partner for one in deliveries]


# ---- quotas


def worst_window(claims: list[tuple[Instant, int]], rate: Rate) -> float:
    """By how many claims the fullest window of any length exceeds what its rate and burst give; at most 0 if none does."""
    worst = float("-inf")
    for start in range(len(claims)):
        number = 0
        for at, taken in claims[start:]:
            number += taken
            worst = max(worst, number - rate.burst - rate.per_second * (at - claims[start][0]) / SECOND)
    return worst


@pytest.mark.parametrize(
    ("whole", "each"), [(Rate(20, 5), Rate(1000, 1000)), (Rate(1000, 1000), Rate(7.5, 3))], ids=["the target's", "the partner's"]
)
def test_no_window_exceeds_its_rate_however_many_nodes_claim(nodes: list[Store], whole: Rate, each: Rate):
    """All nodes claim at once, again and again, at times by chance: what they get together never exceeds burst and rate in any window."""
    put(nodes[0], "flood", map(str, range(600)))
    chance, now = random.Random(7), START
    partners = quotas({"flood": Quota(each)})
    bound, claims = min(whole, each, key=lambda rate: rate.per_second), []
    got: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        for _ in range(60):
            now += round(chance.choice((0, 0.01, 0.05, 0.2)) * SECOND)
            asked = [(nodes[number % len(nodes)], f"n{number}") for number in range(3)]
            taken = [pool.submit(claim, store, now, 40, node=node, quota=Quota(whole), partners=partners, seconds=10**6) for store, node in asked]
            begun = [delivery.id for one in taken for delivery in one.result().deliveries]
            # One more alone: what claims have left over that were in each other's way.
            begun += [one.id for one in claim(nodes[0], now, 40, quota=Quota(whole), partners=partners, seconds=10**6).deliveries]
            claims.append((now, len(begun)))
            got += begun
    assert len(set(got)) == len(got), "nobody takes what another has"
    assert worst_window(claims, bound) <= 1e-6
    total = sum(taken for _, taken in claims)
    assert total >= 0.95 * bound.per_second * (now - START) / SECOND, "a quota that gives too little holds a partner up"


def test_no_lane_is_had_by_two(nodes: list[Store]):
    """Three claimers, each as fast as it can."""
    put(nodes[0], "p", map(str, range(1000)))

    def claims(number: int) -> list[str]:
        store = nodes[number % len(nodes)]
        taken = [claim(store, START + step, 3, node=f"n{number}", seconds=10**6).deliveries for step in range(100)]
        return [one.id for some in taken for one in some]

    with ThreadPoolExecutor(3) as pool:
        got = [one for ids in pool.map(claims, range(3)) for one in ids]
    assert len(got) >= 100
    assert len(set(got)) == len(got)


def test_a_window_that_is_exceeded_is_seen():
    assert worst_window([(0, 5), (SECOND, 2)], Rate(1, 5)) == 1


def test_a_clock_that_is_behind_fills_no_span_twice(nodes: list[Store]):
    put(nodes[0], "p", map(str, range(50)))
    quota = Quota(Rate(10, 10))
    taken = [len(claim(nodes[0], START, quota=quota).deliveries)]
    for step in range(10):
        taken.append(len(claim(nodes[-1], START + SECOND // 10 - (step % 2) * SECOND, quota=quota, node="b").deliveries))
    assert sum(taken) == 10 + 1


def test_a_claim_says_when_the_next_token_is_there(nodes: list[Store]):
    put(nodes[0], "p", map(str, range(5)))
    first = claim(nodes[0], START, quota=Quota(Rate(4, 1)))
    assert (len(first.deliveries), first.again) == (1, START + SECOND // 4)
    second = claim(nodes[0], START + SECOND, partners=quotas({"p": Quota(Rate(4, 2))}))
    assert (len(second.deliveries), second.again) == (2, START + SECOND + SECOND // 4)


def test_concurrency_counts_what_all_nodes_have_in_flight(nodes: list[Store]):
    for partner in ("narrow", "wide"):
        put(nodes[0], partner, map(str, range(20)))
    partners, quota = quotas({"narrow": Quota(concurrency=2)}), Quota(concurrency=7)
    held = [
        one
        for number in range(4)
        for one in claim(nodes[number % len(nodes)], START, 5, node=f"n{number}", quota=quota, partners=partners).deliveries
    ]
    assert Counter(partners_of(held)) == {"narrow": 2, "wide": 5}
    narrow = next(one for one in held if one.partner == "narrow")
    settle(nodes[0], settled(narrow, START))
    assert partners_of(claim(nodes[-1], START, quota=quota, partners=partners).deliveries) == ["narrow"], "its place is free, and the target's"
    late = START + 16 * SECOND
    assert len(claim(nodes[-1], late, quota=quota, partners=partners).deliveries) == 7, "leases that ran out hold no place"


@pytest.mark.parametrize("whose", ["the target's", "the partner's"])
def test_a_days_volume_waits_for_the_next_day_and_says_so_once(nodes: list[Store], whose: str):
    store = nodes[0]
    put(store, "p", map(str, range(8)))
    quota = Quota(daily=3) if whose == "the target's" else Quota()
    partners = Quotas() if whose == "the target's" else quotas({"p": Quota(daily=3)})
    noon = START + DAY // 2
    today = [claim(nodes[number % len(nodes)], noon, 2, quota=quota, partners=partners) for number in range(4)]
    assert [len(one.deliveries) for one in today] == [2, 1, 0, 0]
    assert today[-1].again == START + DAY
    again = settled(today[0].deliveries[0], noon, "temporary", next_due=START + DAY)
    settle(store, again)
    tomorrow = [claim(store, START + DAY + number, 2, quota=quota, partners=partners).deliveries for number in range(4)]
    begun = [one for taken in tomorrow for one in taken]
    assert len([one for one in begun if one.attempts == 0]) == 3, "a retry is not counted again"
    told = every_alarm(store, "quota.daily")
    assert [(one["count"], one["partner"]) for one in told] == [(2, "-" if whose == "the target's" else "p")], "once a day"


# ---- turns


def served(store: Store, now: Instant, limit: int, **more: object) -> list[str]:
    """Partners of one claim's deliveries, which are then delivered."""
    taken = claim(store, now, limit, **more).deliveries  # type: ignore[arg-type]
    settle(store, *(settled(one, now) for one in taken))
    return partners_of(taken)


@pytest.mark.parametrize("limit", [1, 3, 32])
def test_partners_take_turns_by_weight(store: Store, limit: int):
    for partner in ("a", "b", "c"):
        put(store, partner, map(str, range(60)))
    partners = quotas({"a": Quota(weight=3), "b": Quota(weight=1)})
    got = [one for number in range(60 // limit + 1) for one in served(store, START + number, limit, partners=partners)][:60]
    shares = Counter(got)
    assert abs(shares["a"] - 36) <= 3
    assert abs(shares["b"] - 12) <= 1
    assert abs(shares["c"] - 12) <= 1


def test_a_newcomer_has_its_turn_within_one_round(store: Store):
    for number in range(8):
        put(store, f"p{number}", map(str, range(30)))
    for step in range(20):
        served(store, START + step, 1)
    put(store, "newcomer", ["1"], at=START + 20)
    seen = [one for step in range(9) for one in served(store, START + 20 + step, 1)]
    assert "newcomer" in seen


def test_a_hundred_partners_each_have_their_turn_though_a_claim_looks_at_few(store: Store):
    """Half of them have only what is not due: that costs a look, and holds nobody up."""
    for number in range(100):
        put(store, f"p{number:02}", ["1", "2"], at=START if number % 2 else START + DAY)
    got = [one for step in range(20) for one in served(store, START + step, 5)]
    assert Counter(got) == {f"p{number:02}": 2 for number in range(1, 100, 2)}
    assert got[:50] == [f"p{number:02}" for number in range(1, 100, 2)], "nobody twice before all had one"
    assert served(store, START + 30, 5) == []


def waits(store: Store, *, flood: bool) -> list[int]:
    """How many ticks each delivery of four steady partners waits. A tick serves six; two of the steady come in it, and fifty times one of them of the flood."""
    now, came, waited = START, {}, []
    flight: deque[list[ToDeliver]] = deque()
    for tick in range(150):
        now += 1
        for number in (tick % 4, (tick + 1) % 4):
            (name,) = put(store, f"p{number}", [f"{tick}"], at=now)
            came[name] = tick
        if flood and tick < 100:
            put(store, "flood", (f"{tick}-{number}" for number in range(25)), at=now)
        taken = claim(store, now, 6).deliveries
        waited += [tick - came[one.id] for one in taken if one.id in came]
        flight.append(taken)
        if len(flight) > 1:
            settle(store, *(settled(one, now) for one in flight.popleft()))
    assert len(waited) >= 290
    return waited


def test_a_flood_of_one_partner_leaves_the_others_waits_as_they_were(tmp_path: Path):
    """In ticks, not in time: the p99 of the others' waits with a flood of fifty times, and without."""
    p99 = {}
    for flood in (False, True):
        store = Store(f"sqlite:///{tmp_path / f'{flood}.db'}", tmp_path / "payloads")
        waited = sorted(waits(store, flood=flood))
        p99[flood] = waited[round(0.99 * (len(waited) - 1))] + 1
        store.close()
    assert p99[True] <= 1.5 * p99[False]


# ---- classes


def test_a_reconciliation_file_never_holds_up_a_release(store: Store):
    put(store, "p", (f"stock{number}" for number in range(200)), priority=PRIORITIES["reconciliation"])
    put(store, "p", (f"status{number}" for number in range(50)), priority=PRIORITIES["status"], at=START + 1)
    put(store, "p", ["order"], priority=PRIORITIES["release"], at=START + 2)
    taken = claim(store, START + 3, 2).deliveries
    assert [one.id.split("/")[1][:5] for one in taken] == ["order", "statu"]


def test_lower_classes_keep_a_small_part_of_what_is_given(store: Store):
    for name, priority in PRIORITIES.items():
        put(store, "p", (f"{name}-{number}" for number in range(120)), priority=priority)
    got = [one.id.split("/")[1].partition("-")[0] for step in range(60) for one in claim(store, START + step, 2, seconds=1e6).deliveries]
    counts = Counter(got)
    assert counts == {"release": 90, "normal": 10, "status": 10, "reconciliation": 10}


def test_what_stands_before_a_release_goes_as_quickly(store: Store):
    """A lane keeps its order, so the whole lane has the class of its most urgent delivery."""
    put(store, "p", ["other"] * 3, priority=PRIORITIES["status"])
    put(store, "q", ["lane", "lane"], priority=PRIORITIES["reconciliation"], at=START + 1)
    put(store, "q", ["lane"], priority=PRIORITIES["release"], at=START + 1)
    assert [served(store, START + 2 + step, 1) for step in range(4)] == [["q"], ["q"], ["q"], ["p"]]
    put(store, "q", ["lane"], priority=PRIORITIES["reconciliation"], at=START + 9)
    assert served(store, START + 9, 1) == ["p"], "empty, it has forgotten"


@pytest.mark.parametrize(
    ("event", "agreed", "expected"),
    [
        ("org.crossdock.fulfilment.requested.v1", None, "release"),
        ("load.tendered", None, "release"),
        ("org.crossdock.shipment.notified.v1", None, "normal"),
        ("org.crossdock.shipment.status.v1", None, "status"),
        ("org.crossdock.exchange.settled.v1", None, "status"),
        ("org.crossdock.inventory.snapshot.v1", None, "reconciliation"),
        ("org.crossdock.inventory.snapshot.v1", "release", "release"),
    ],
)
def test_the_class_comes_from_the_event_or_the_agreement(event: str, agreed, expected):
    assert priority_of(event, agreed) == PRIORITIES[expected]


# ---- the law of allotting


@settings(max_examples=150, deadline=None)
@given(
    lanes=st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=CLASSES, max_size=CLASSES),
    room=st.integers(1, 40),
    claimed=st.integers(0, 3 * PLACES),
    left=st.lists(st.integers(0, 12), min_size=5, max_size=5),
    weights=st.lists(st.integers(1, 4), min_size=5, max_size=5),
)
def test_allotting_gives_all_that_it_may_and_nothing_twice(lanes, room, claimed, left, weights):
    names = [f"p{number}" for number in range(5)]
    all_lanes = {(c, name): [f"{c}/{name}/{n}" for n in range(lanes[c][i])] for c in range(CLASSES) for i, name in enumerate(names)}
    rings = {c: Ring([Share(name, all_lanes[c, name][:1], weights[i]) for i, name in enumerate(names) if all_lanes[c, name]]) for c in range(CLASSES)}
    bounds = dict(zip(names, left, strict=True))
    terms = quotas({name: Quota(weight=weight) for name, weight in zip(names, weights, strict=True)})
    taken = allot(rings, room, claimed, dict(bounds), terms, lambda c, name, most: all_lanes[c, name][:most])
    assert len(set(taken)) == len(taken)
    by_partner = Counter(one.split("/")[1] for one in taken)
    assert all(by_partner[name] <= bounds[name] for name in names)
    possible = sum(min(bounds[name], sum(len(all_lanes[c, name]) for c in range(CLASSES))) for name in names)
    assert len(taken) == min(room, possible), "nothing that could go is left"


def test_lanes_of_another_destination_are_not_taken(store: Store):
    put(store, "p", ["1"], destination="push:p")
    assert claim(store, START).deliveries == []
    assert [one.destination for one in claim(store, START, destination="push:p").deliveries] == ["push:p"]
    assert TARGET != "push:p"
