"""Deliveries put straight into lanes, and claims of them, for tests of the scheduler: the real rows, and no time but the test's own."""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from gateway.clock import SECOND, Instant
from gateway.records.answers import Origin
from gateway.records.deliveries import Claimed, Settled, ToDeliver
from gateway.scheduling import USUAL, BreakerTerms, LaneClaim, Quota, Quotas
from gateway.store import alarms
from gateway.store.payload_rows import put_payloads
from gateway.store.payloads import Payload
from gateway.store.store import Store
from gateway.store.writes import delivery_row, queue

TARGET = "target:erp"
START = 1_000 * 86_400 * SECOND
"""Midnight of some day, UTC."""


def put(
    store: Store,
    partner: str,
    subjects: Iterable[str],
    *,
    at: Instant = START,
    priority: int = 1,
    destination: str = TARGET,
    fallback: tuple[str, Instant] | None = None,
    on_dead: str = "pass",
    data: bytes = b"{}",
    attributes: dict[str, str] | None = None,
) -> list[str]:
    """One delivery for each subject, in this order; their ids. With `attributes`, those of an event: its id is the delivery's, too."""
    payload = Payload.inline(f"payload:{partner}:{hashlib.sha256(data).hexdigest()[:20]}", partner, data)
    rows = []
    for subject in subjects:
        name = attributes["id"] if attributes else f"{partner}/{subject}/{store.ticks()}"
        origin = Origin(f"{partner}-{subject}"[:26], partner, "http", 1, at)
        rows.append(
            delivery_row(
                name, origin, destination=destination, subject=f"{partner}/{subject}", position=store.ticks(), kind="event", payload=payload.id,
                attributes=attributes or {"id": name}, on_dead=on_dead, event=name, priority=priority, fallback=fallback,
            )
        )  # fmt: skip

    def verb(tx: Connection, items: list[Any]) -> list[None]:
        put_payloads(tx, [payload.row()])
        queue(tx, rows)
        return [None] * len(items)

    store.writer.submit(verb, None).result(60)
    return [str(row["id"]) for row in rows]


def claim(
    store: Store,
    now: Instant,
    limit: int = 100,
    *,
    node: str = "a",
    quota: Quota = Quota(),  # noqa: B008 - a value
    partners: Quotas = Quotas(),  # noqa: B008 - a value
    destination: str = TARGET,
    breaker: BreakerTerms = USUAL,
    seconds: float = 15,
) -> Claimed:
    until = now + round(seconds * SECOND)
    return store.claim_lanes(LaneClaim(destination, node, now, until, limit, quota=quota, partners=partners, breaker=breaker)).result(60)


def settled(one: ToDeliver, at: Instant, outcome: str = "delivered", *, started: Instant | None = None, **more: Any) -> Settled:
    """What came of an attempt; a failure comes again after a second."""
    is_fault = outcome in ("temporary", "unknown", "destination")
    given: dict[str, Any] = {
        "status": None if is_fault else 200,
        "is_fault": is_fault,
        "next_due": at + SECOND,
        "text": f"it is {outcome}",
        "answer": b"yes",
    }
    return Settled(
        one.id, one.lane, one.fence, one.partner, one.destination, one.message, "a", one.on_dead, at if started is None else started, 1, outcome, at,  # type: ignore[arg-type]
        in_doubt=one.unknown_outcome, **given | more,
    )  # fmt: skip


def settle(store: Store, *items: Settled) -> None:
    for future in [store.settle(item) for item in items]:
        assert future.result(60)


def every_alarm(store: Store, kind: str) -> list[dict[str, Any]]:
    """Alarms of a kind, those that are over, too."""
    found = store.read(lambda tx: alarms.latest(tx, partner=None, kind=kind, everything=True, limit=50)).result(20)
    return [dict(row._mapping) for row in found]
