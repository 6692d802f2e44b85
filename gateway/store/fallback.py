"""Deliveries that go to their agreement's fallback: because their destination has been open for too long, or will not take them.

Never one to both: what an attempt may have brought to its destination unseen stays there, and a person decides.
"""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.store import breaker
from gateway.store.alarms import raise_alarms
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import NEXT_HEAD, PUT_LANE, lane_id
from gateway.store.sql import in_lists, many, one_of, rows_of

AT_ONCE = 100
LOOKED_AT = 2_000
"""Deliveries of one look: those behind a dead letter, or behind one that is being sent, are passed over."""

_FALLING = text(
    "SELECT d.id, d.lane, d.partner, d.message, d.destination, d.fallback, l.subject, l.priority FROM"
    " (SELECT id FROM deliveries WHERE destination = :destination AND state = 'due' AND fallback IS NOT NULL AND fallback_after <= :open_for"
    "  ORDER BY fallback_after, position LIMIT :looked_at) c JOIN deliveries d ON d.id = c.id JOIN lanes l ON l.id = d.lane"
    " WHERE l.lease_until <= :now AND NOT l.blocked AND NOT d.unknown_outcome AND d.state = 'due' AND d.fallback IS NOT NULL"
    " ORDER BY d.fallback_after, d.position LIMIT :at_once"
)
_FALLING_LOCKED = text(_FALLING.text + " FOR UPDATE OF l, d SKIP LOCKED")
"""What another node claims, settles or moves at this moment is left to it. All conditions are on these two rows, for they are asked again once they are locked."""
_OF = one_of(
    "SELECT d.id, d.lane, d.partner, d.message, d.destination, d.fallback, l.subject, l.priority FROM deliveries d JOIN lanes l ON l.id = d.lane"
    " WHERE d.id IN :keys AND d.fallback IS NOT NULL"
)
_MOVE = text(
    "UPDATE deliveries SET state = 'due', destination = :to, lane = :new_lane, fell_from = :from_, fallback = NULL, fallback_after = NULL,"
    " unknown_outcome = false, tried_from = :at, next_due = :at, reason = :reason, done_at = NULL WHERE id = :id"
)


def fall_back(tx: Connection, health: breaker.Health, now: Instant, ticks: Ticks) -> int:
    """Moves some of what has waited long enough for an open destination; how many. What a person has paused waits for that person."""
    if health.state == breaker.PAUSED:
        return 0
    begun = breaker.open_since(tx, health.id, now)
    if begun is None:
        return 0
    values = {"destination": health.id, "open_for": now - begun, "now": now, "looked_at": LOOKED_AT, "at_once": AT_ONCE}
    rows = rows_of(tx, _FALLING if tx.dialect.name == "sqlite" else _FALLING_LOCKED, values)
    _move(tx, list(rows), dict.fromkeys((row.id for row in rows), f"it has been open for too long: {health.reason}"), now, ticks)
    return len(rows)


def instead_of_dying(tx: Connection, reasons: dict[str, str], now: Instant, ticks: Ticks) -> set[str]:
    """Of these deliveries, with the reason why each would die, those that have a fallback go there; which."""
    rows = in_lists(tx, _OF, reasons)
    _move(tx, rows, {row.id: reasons[row.id] for row in rows}, now, ticks)
    return {row.id for row in rows}


def _move(tx: Connection, rows: list[Any], reasons: dict[str, str], now: Instant, ticks: Ticks) -> None:
    if not rows:
        return
    lanes = {row.id: lane_id(row.fallback, row.partner, row.subject) for row in rows}
    moves = [
        {"id": row.id, "to": row.fallback, "new_lane": lanes[row.id], "from_": row.destination, "at": now, "reason": reasons[row.id]}
        for row in sorted(rows, key=lambda row: row.id)
    ]
    many(tx, _MOVE, moves)
    entering = [
        {"id": lanes[row.id], "destination": row.fallback, "partner": row.partner, "subject": row.subject, "head": row.id, "next_due": now,
         "priority": row.priority}
        for row in rows
    ]  # fmt: skip
    many(tx, PUT_LANE, sorted(entering, key=lambda row: row["id"]))
    many(tx, NEXT_HEAD, [{"lane": lane} for lane in sorted({row.lane for row in rows})])
    told = [
        {"message": row.message, "at": ticks(), "partner": row.partner, "step": "fell back", "who": "crossdock",
         "text": f"{row.id} goes to {row.fallback} in place of {row.destination}: {reasons[row.id]}"}
        for row in rows
    ]  # fmt: skip
    many(tx, PUT_LIFE, told)
    ways = Counter((row.destination, row.fallback) for row in rows)
    last = {(row.destination, row.fallback): reasons[row.id] for row in rows}
    raise_alarms(tx, [_alarm(*way, number, last[way], now) for way, number in ways.items()])


def _alarm(destination: str, fallback: str, number: int, reason: str, now: Instant) -> dict[str, Any]:
    what = f"{number} deliveries for {destination} went to {fallback}, the last because {reason}; `crossdock replay ID` sends one to {destination} after all"
    return {
        "id": f"delivery.fallback:{destination}"[:120], "kind": "delivery.fallback", "partner": breaker.partner_of(destination), "message": None,
        "text": what, "at": now,
    }  # fmt: skip
