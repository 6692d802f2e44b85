"""How destinations stand, for people and metrics: breaker, quotas, what waits, and what was done with them."""

from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import DAY, Instant, as_text
from gateway.store import breaker
from gateway.store.sql import many

_ALL = text("SELECT id, partner, state, since, parked_until, probing_until, failures, allowance, reason, who FROM destinations ORDER BY id")
_DUE = text("SELECT destination, count(*) AS number, min(created_at) AS oldest FROM deliveries WHERE state = 'due' GROUP BY destination")
_DEAD = text("SELECT destination, count(*) AS number FROM deliveries WHERE state = 'dead' GROUP BY destination")
_BLOCKED = text("SELECT destination, count(*) AS number FROM lanes WHERE blocked GROUP BY destination")
_FLYING = text("SELECT destination, count(*) AS number FROM lanes WHERE lease_until > 0 AND lease_until > :now GROUP BY destination")
_QUOTAS = text("SELECT id, day, used, claimed, per_second, daily FROM throttles")
_LIFE = text("SELECT at, step, who, text FROM destination_life WHERE destination = :destination ORDER BY at DESC LIMIT :limit")
_STATES = text("SELECT id, state FROM destinations")


def know(tx: Connection, items: list[list[str]]) -> list[None]:
    """Destinations that the settings name have a row from the start, so that people see and can steer them."""
    names = sorted({name for item in items for name in item})
    many(tx, breaker.MAKE, [{"id": name, "partner": breaker.partner_of(name)} for name in names])
    return [None] * len(items)


def listed(tx: Connection, now: Instant) -> list[dict[str, Any]]:
    """Every destination that has anything to tell, by name."""
    rows = {row.id: breaker.Health(*row) for row in tx.execute(_ALL)}
    due = {row.destination: row for row in tx.execute(_DUE)}
    dead, blocked = ({row.destination: row.number for row in tx.execute(one)} for one in (_DEAD, _BLOCKED))
    flying = {row.destination: row.number for row in tx.execute(_FLYING, {"now": now})}
    quotas = {row.id: row for row in tx.execute(_QUOTAS)}
    names = {*rows, *due, *dead, *blocked, *flying}
    return [
        _stands(rows.get(name) or breaker.Health(name, breaker.partner_of(name)), now)
        | {
            "due": due[name].number if name in due else 0, "dead": dead.get(name, 0), "blocked_lanes": blocked.get(name, 0),
            "in_flight": flying.get(name, 0), "oldest_due": as_text(due[name].oldest) if name in due else None,
        }
        | _quota(quotas.get(name), now)
        for name in sorted(names)
    ]  # fmt: skip


def shown(tx: Connection, destination: str, now: Instant, *, limit: int) -> dict[str, Any] | None:
    """The same of one, with what was done with it, the latest first; None where nobody knows it."""
    one = next((row for row in listed(tx, now) if row["destination"] == destination), None)
    if one is None:
        return None
    life = tx.execute(_LIFE, {"destination": destination, "limit": limit})
    return one | {"life": [{"at": as_text(row.at), "step": row.step, "who": row.who, "text": row.text} for row in life]}


def states(tx: Connection) -> dict[str, str]:
    """Each destination's state."""
    return {row.id: row.state for row in tx.execute(_STATES)}


def _stands(health: breaker.Health, now: Instant) -> dict[str, Any]:
    probe = breaker.probe_at(health) if health.state in breaker.RESTING else None
    return {
        "destination": health.id, "partner": health.partner, "state": health.state, "since": as_text(health.since) if health.since else None,
        "reason": health.reason, "who": health.who, "next_probe": as_text(max(probe, now)) if probe is not None else None,
        "allowance": health.allowance if health.state == breaker.RAMPING else None,
    }  # fmt: skip


def _quota(row: Any, now: Instant) -> dict[str, Any]:
    is_today = row is not None and row.day == now // DAY
    return {
        "rate": row.per_second if row is not None else None,
        "daily": row.daily if row is not None else None,
        "used_today": row.used if is_today else 0,
        "claimed": row.claimed if row is not None else 0,
    }
