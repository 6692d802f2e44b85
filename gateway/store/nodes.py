"""Nodes as they see each other: a row each, written anew every few seconds; and whose turn the work is that one node at a time does.

Knows rows; what the work is, others know.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import MINUTE, SECOND, Instant
from gateway.records.alarms import AlarmClosed
from gateway.store.alarms import close_alarms, raise_alarms
from gateway.store.sql import many

BEAT = 5 * SECOND
LOST_AFTER = MINUTE
"""A serving node that has not been seen for so long is lost."""

_BEAT = text(
    "INSERT INTO nodes (name, state, version, addresses, started_at, seen_at, database_at)"
    " VALUES (:name, :state, :version, :addresses, :started_at, :seen_at, :database_at)"
    " ON CONFLICT (name) DO UPDATE SET state = excluded.state, version = excluded.version, addresses = excluded.addresses,"
    " started_at = excluded.started_at, seen_at = excluded.seen_at, database_at = excluded.database_at"
)
_ALL = text("SELECT name, state, version, addresses, started_at, seen_at FROM nodes ORDER BY name")
_FRESHEST = text("SELECT seen_at, database_at FROM nodes WHERE state = 'serving' ORDER BY database_at DESC LIMIT 1")
_FORGET = text("DELETE FROM nodes WHERE name = :name AND (state = 'stopped' OR seen_at < :before)")
_NOW = {
    "postgresql": text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"),
    "sqlite": text("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"),
}

_NEW_CHORE = text("INSERT INTO chores (name, next_due) VALUES (:name, 0) ON CONFLICT (name) DO NOTHING")
_CLAIM = text(
    "UPDATE chores SET lease_until = :until, node = :node, fence = fence + 1 WHERE name = :name AND next_due <= :now AND lease_until <= :now"
    " RETURNING fence"
)
_RENEW = text("UPDATE chores SET lease_until = :until WHERE name = :name AND fence = :fence AND lease_until > 0")
_END = text("UPDATE chores SET lease_until = 0, next_due = :next_due, told = :told, at = :at WHERE name = :name AND fence = :fence")
_HASTEN = text("INSERT INTO chores (name, next_due) VALUES (:name, 0) ON CONFLICT (name) DO UPDATE SET next_due = 0")
_CHORES = text("SELECT name, next_due, lease_until, node, told, at FROM chores ORDER BY name")
_DUE_CHORES = text("SELECT name FROM chores WHERE next_due > :now OR lease_until > :now")


@dataclass(frozen=True, slots=True)
class Beat:
    """One node, as it is now. `seen_at` is its own clock's word."""

    name: str
    state: str
    version: str
    addresses: dict[str, str]
    started_at: Instant
    seen_at: Instant


@dataclass(frozen=True, slots=True)
class ChoreClaim:
    name: str
    node: str
    now: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class ChoreEnd:
    name: str
    fence: int
    next_due: Instant
    told: str
    at: Instant


def beat(tx: Connection, items: list[Beat]) -> list[Instant]:
    """The database's own clock for each, as its row has it."""
    at = database_now(tx)
    many(
        tx,
        _BEAT,
        [
            {
                "name": one.name, "state": one.state, "version": one.version[:40], "addresses": json.dumps(one.addresses), "started_at": one.started_at,
                "seen_at": one.seen_at, "database_at": at,
            }
            for one in items
        ],
    )  # fmt: skip
    return [at] * len(items)


def database_now(tx: Connection) -> Instant:
    """Microseconds since 1970, by the clock of the database's machine."""
    return int(tx.execute(_NOW[tx.dialect.name]).scalar_one())


def shared_now(tx: Connection) -> Instant:
    """What the clock of the other nodes says now, where one is serving; else the database's. A node that starts takes it."""
    at = database_now(tx)
    other = tx.execute(_FRESHEST).first()
    since = at - other.database_at if other is not None else None
    return other.seen_at + since if other is not None and since is not None and 0 <= since <= LOST_AFTER else at


def listed(tx: Connection) -> list[Any]:
    return list(tx.execute(_ALL))


def forget(tx: Connection, items: list[tuple[str, Instant]]) -> list[bool]:
    """Nodes that will not come back: stopped, or not seen since the instant given with them."""
    gone = [tx.execute(_FORGET, {"name": name, "before": before}).rowcount == 1 for name, before in items]
    close_alarms(
        tx,
        [
            AlarmClosed(_alarm(name), before, "operator", "the node was forgotten")
            for (name, before), is_gone in zip(items, gone, strict=True)
            if is_gone
        ],
    )
    return gone


def watch(tx: Connection, items: list[Instant]) -> list[int]:
    """Raises an alarm for each node that is lost at that instant, and ends those of nodes that are back. How many are lost."""
    lost = []
    for now in items:
        rows = listed(tx)
        missing = [row for row in rows if row.state != "stopped" and row.seen_at < now - LOST_AFTER]
        raise_alarms(
            tx,
            [
                {
                    "id": _alarm(row.name), "kind": "node.lost", "partner": "-", "message": None, "at": now,
                    "text": f"node {row.name} has not been seen for {(now - row.seen_at) // SECOND} s; what it was doing, others take over",
                }
                for row in missing
            ],
        )  # fmt: skip
        names = {row.name for row in missing}
        close_alarms(
            tx, [AlarmClosed(_alarm(row.name), now, "crossdock", "it is back, or was stopped in order") for row in rows if row.name not in names]
        )
        lost.append(len(missing))
    return lost


def _alarm(name: str) -> str:
    return f"node.lost:{name}"[:120]


def due_chores(tx: Connection, names: list[str], now: Instant) -> list[str]:
    """Which of these it is time for, and nobody has."""
    busy = {row.name for row in tx.execute(_DUE_CHORES, {"now": now})}
    return [name for name in names if name not in busy]


def claim_chores(tx: Connection, items: list[ChoreClaim]) -> list[int | None]:
    """Its fence, where it is due and free; else None."""
    fences: list[int | None] = []
    for one in items:
        tx.execute(_NEW_CHORE, {"name": one.name})
        fences.append(tx.execute(_CLAIM, {"name": one.name, "node": one.node, "now": one.now, "until": one.until}).scalar_one_or_none())
    return fences


def hasten(tx: Connection, items: list[str]) -> list[None]:
    """Due at once."""
    many(tx, _HASTEN, [{"name": one} for one in sorted(set(items))])
    return [None] * len(items)


def renew_chores(tx: Connection, items: list[tuple[str, int, Instant]]) -> list[bool]:
    """(name, fence, until): False where another node has it by now."""
    return [tx.execute(_RENEW, {"name": name, "fence": fence, "until": until}).rowcount == 1 for name, fence, until in items]


def end_chores(tx: Connection, items: list[ChoreEnd]) -> list[bool]:
    """False where another node has it by now: then nothing is changed."""
    return [
        tx.execute(_END, {"name": one.name, "fence": one.fence, "next_due": one.next_due, "told": one.told[:2000], "at": one.at}).rowcount == 1
        for one in items
    ]


def chores_listed(tx: Connection) -> list[Any]:
    return list(tx.execute(_CHORES))
