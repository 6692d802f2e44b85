"""Lanes: in order, one in flight, and a holder that slept past its lease can write nothing."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from gateway.clock import SECOND
from gateway.deliver.stage import Attempt, DeliverStage
from gateway.records.deliveries import Renewal, Settled, ToDeliver
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk, TranslateClaim
from gateway.scheduling import LaneClaim, Quota, Quotas, Rate
from gateway.settings import Retries
from gateway.store import claims
from gateway.store.store import Store
from gateway.targets.base import Confirmation
from tests import scheduling
from tests.databases import migrated_database
from tests.scheduling import START, put
from tests.test_store_writer import incoming

TARGET = "target:erp"


def translated(store: Store, number: int, *, subject: str = "shipment/1", at: int = 10 * SECOND) -> None:
    """A message that came to one event for the ERP."""
    store.keep_message(incoming(number)).result(20)
    event = EventRow(f"identity-{number}", "t", subject, "2026-11-16T09:30:00Z", "original", f"m{number}", "", b'{"n":%d}' % number, TARGET, "block")
    document = DocumentRow(
        1,
        1,
        1,
        "production",
        "214",
        "0001",
        "mapped",
        None,
        "A",
        "",
        "004010",
        0,
        9,
        "x12/214",
        f"c{number}",
        None,
        "hold",
        [],
        [("po", str(number))],
        [event],
    )
    envelope = {
        "ordinal": 1, "stream": "production", "state": "open", "reason": None, "ta1": None, "sender": "02:A", "receiver": "ZZ:B",
        "control": str(number), "version": "00401", "usage": "P", "date": "261116", "time": "0930", "byte_start": 0, "byte_end": 9, "sha256": str(number),
    }  # fmt: skip
    chunk = Chunk(f"{number:026d}", "northway", "http", 1, at, None, None, at, "node", interchanges=[envelope], documents=[document])
    assert not store.keep_chunk(chunk).result(20).stale
    assert store.keep_chunk(chunk).result(20).stale, "the same chunk again changes nothing"


def claim(store: Store, now: int, *, node: str = "a", seconds: int = 15) -> list[ToDeliver]:
    return store.claim_lanes(LaneClaim(TARGET, node, now, now + seconds * SECOND, 100)).result(20).deliveries


def settled(one: ToDeliver, outcome: str = "delivered", *, next_due: int = 0) -> Settled:
    return Settled(
        one.id,
        one.lane,
        one.fence,
        one.partner,
        one.destination,
        one.message,
        "a",
        one.on_dead,
        1,
        1,
        outcome,
        2,
        200,
        "",
        b"yes",
        next_due,  # type: ignore[arg-type]
    )


def test_one_in_flight_and_in_order(store: Store):
    for number in (1, 2, 3):
        translated(store, number)
    now = 20 * SECOND
    seen = []
    for _ in range(3):
        (one,) = claim(store, now)
        assert claim(store, now) == [], "the lane is leased"
        assert store.settle(settled(one)).result(20)
        seen.append(json.loads(one.data or b"")["n"])
    assert seen == [1, 2, 3]
    assert claim(store, now) == []


def test_a_retry_keeps_its_place(store: Store):
    for number in (1, 2):
        translated(store, number)
    now = 20 * SECOND
    (one,) = claim(store, now)
    store.settle(settled(one, "temporary", next_due=now + 5 * SECOND)).result(20)
    assert claim(store, now + SECOND) == [], "the one behind waits, too"
    (again,) = claim(store, now + 6 * SECOND)
    assert (again.id, again.attempts) == (one.id, 1)


def test_a_holder_past_its_lease_is_refused(store: Store):
    translated(store, 1)
    (first,) = claim(store, 20 * SECOND, node="sleeper")
    assert claim(store, 30 * SECOND, node="other") == []
    (second,) = claim(store, 36 * SECOND, node="other")
    assert second.id == first.id
    assert not store.renew_lease(Renewal(first.lane, first.fence, 99 * SECOND)).result(20)
    assert not store.settle(settled(first)).result(20), "its stale write changes nothing"
    assert store.read(lambda tx: tx.execute(text("SELECT count(*) FROM attempts")).scalar_one()).result() == 0
    assert store.settle(settled(second)).result(20)


def test_two_nodes_never_share_a_lane_of_messages(store: Store):
    for number in (1, 2):
        store.keep_message(incoming(number)).result(20)
    now = store.ticks() + SECOND
    (lane,) = store.claim_messages(TranslateClaim("a", now, now + 15 * SECOND, 10, 10)).result(20)
    assert [message.id for message in lane.messages] == [f"{number:026d}" for number in (1, 2)]
    assert store.claim_messages(TranslateClaim("b", now, now + 15 * SECOND, 10, 10)).result(20) == []
    store.release_lane(lane).result(20)
    later = now + 60 * SECOND
    (again,) = store.claim_messages(TranslateClaim("b", later, later + 15 * SECOND, 10, 10)).result(20)
    assert again.fence > lane.fence


def test_a_lane_stays_due_while_more_is_kept_in_it(store: Store):
    """A claim that was asked for before the latest message came gets the lane all the same: under a steady stream there is always a later one."""
    first = store.keep_message(incoming(1)).result(20)
    asked = first.at
    store.keep_message(incoming(2)).result(20)
    (lane,) = store.claim_messages(TranslateClaim("a", asked, asked + 15 * SECOND, 10, 10)).result(20)
    assert [message.id for message in lane.messages] == [f"{number:026d}" for number in (1, 2)]


def test_a_long_queue_behind_one_head_costs_a_claim_nothing(store: Store):
    """The claim looks at lanes: what waits behind a deferred head is not touched by any statement of it."""
    for number in range(1, 6):
        translated(store, number)
    now = 20 * SECOND
    (one,) = claim(store, now)
    store.settle(settled(one, "temporary", next_due=now + 100 * SECOND)).result(20)
    from sqlalchemy import event

    seen = []
    event.listen(store.database.writing, "before_cursor_execute", lambda *given: seen.append(given[2]))
    assert claim(store, now + SECOND) == []
    assert not [statement for statement in seen if "deliveries" in statement]


def test_a_claim_reads_its_own_heads_and_not_all_that_is_due(postgresql: str, tmp_path: Path):
    """Where PostgreSQL counted the table when nothing was due, an index of what is due looks like the shortest way to any head."""
    store = Store(migrated_database(postgresql), tmp_path / "payloads")

    def fill(tx: Connection, states: list[str]) -> list[None]:
        for state in states:
            tx.exec_driver_sql(
                "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
                " SELECT %(state)s || n, 'lane' || n, n, 'northway', 'target:erp', 'event', %(state)s, 'm', 'p', '{}', 'pass', 1, 1 FROM generate_series(1, 2000) n",
                {"state": state},
            )
        return [None] * len(states)

    def plan(tx: Connection, items: list[list[str]]) -> list[Any]:
        statement = claims._CHOSEN_LOCKED.text.replace("IN :keys", "= ANY(%(keys)s)")
        return [tx.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", {"keys": lanes}).scalar_one()[0]["Plan"] for lanes in items]

    def rows(step: dict[str, Any]) -> float:
        return float(step["Actual Rows"] * step["Actual Loops"]) + sum(map(rows, step.get("Plans", [])))

    try:
        store.writer.submit(fill, "delivered").result(20)
        store.read(lambda tx: tx.exec_driver_sql("ANALYZE deliveries")).result(20)
        store.writer.submit(fill, "due").result(20)
        put = "INSERT INTO lanes (id, destination, partner, subject, head, next_due) SELECT 'lane' || n, 'target:erp', 'northway', 's' || n, 'due' || n, 1"
        store.writer.submit(lambda tx, _: [tx.exec_driver_sql(f"{put} FROM generate_series(1, 2000) n") and None], None).result(20)
        read = rows(store.writer.submit(plan, [f"lane{number}" for number in range(1, 51)]).result(20))
    finally:
        store.close()
    assert read <= 50 * 8, f"50 heads were asked for, and {read:.0f} rows were read"


def test_a_claim_does_not_wait_for_another_node_whose_claim_is_not_committed(postgresql: str, tmp_path: Path):
    """That one may wait for something of ours, and neither would ever end but for the database's own watch, which a clock that is set puts to sleep."""
    url = migrated_database(postgresql)
    store = Store(url, tmp_path / "payloads")
    other = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    quotas = Quotas({"northway": Quota(Rate(100, 100)), "harbor": Quota(Rate(100, 100))})
    try:
        for partner in ("northway", "harbor"):
            scheduling.put(store, partner, ["1", "2"])
        assert len(scheduling.claim(store, scheduling.START, 2, quota=Quota(Rate(100, 100)), partners=quotas).deliveries) == 2
        for held, taken in (("target:erp", 0), ("partner:harbor", 1)):
            with other.connect() as theirs, theirs.begin():
                theirs.execute(text("UPDATE throttles SET used = used + 1 WHERE id = :id"), {"id": held})
                now = scheduling.START + SECOND
                asked = LaneClaim(TARGET, "b", now, now + 15 * SECOND, 1, quota=Quota(Rate(100, 100)), partners=quotas)
                found = store.claim_lanes(asked).result(5)
                assert len(found.deliveries) == taken
                assert all(one.partner == "northway" for one in found.deliveries)
    finally:
        other.dispose()
        store.close()


class Sent:
    name, concurrency, marks_sending = TARGET, 4, False

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        self.ids.append(delivery.id)
        return Confirmation(200, b"")

    async def close(self) -> None:
        """Nothing is held open."""


@pytest.mark.parametrize(("slept", "sent"), [(14 * SECOND, True), (15 * SECOND, False)])
def test_who_slept_past_its_lease_sends_nothing(store: Store, slept: int, sent: bool):
    """The ERP may know the key; a folder, a partner or a mailbox would get it twice, and the older behind the newer."""
    (one,) = put(store, "p", ["s1"])
    at, there = [START], Sent()
    stage = DeliverStage(store, [], node="a", clock=lambda: at[0], retries=Retries(), quotas=lambda name: (Quota(), Quotas()))

    async def act() -> None:
        claimed = await stage._claim(there, 4)
        at[0] += slept
        for delivery in claimed.deliveries:
            await stage._attempt(there, Attempt(delivery, claimed.until))

    asyncio.run(act())
    assert there.ids == ([one] if sent else [])


REPLAYED = [{"profile_revision": 2}, {"override": json.dumps({"name": "rejected", "who": "ann", "reason": "it is right"})}]


@pytest.mark.parametrize("replayed", REPLAYED)
def test_a_chunk_that_was_read_before_a_persons_replay_changes_nothing(store: Store, replayed: dict[str, Any]):
    """Of a node that slept: the message is to be read under another revision, or with an override."""
    store.keep_message(incoming(1)).result(20)
    ((name, value),) = replayed.items()
    change = text(f"UPDATE messages SET {name} = :value")
    store.writer.submit(lambda tx, items: [tx.execute(change, {"value": value}) and None], None).result(20)
    chunk = Chunk(f"{1:026d}", "northway", "http", 1, 10 * SECOND, None, None, 10 * SECOND, "node")
    assert store.keep_chunk(chunk).result(20).stale
    assert not store.keep_chunk(replace(chunk, **{name: 2 if name == "profile_revision" else "rejected"})).result(20).stale
