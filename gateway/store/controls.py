"""Control numbers of partners who count without gaps, and our own: which are missing, which came twice. Looked for now and then, off the way of messages."""

import itertools
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.records.alarms import AlarmClosed
from gateway.store.alarms import close_alarms, raise_alarms

MOST = 100_000
MOST_NAMED = 20
"""Stretches of missing numbers that an alarm names."""
FARTHEST = 10_000
"""A jump over more numbers than these is a new count, no gap."""

_NUMBERS = text(
    "SELECT i.stream, i.sender, i.receiver, i.control, m.arrival FROM messages m JOIN interchanges i ON i.message = m.id"
    " WHERE m.partner = :partner AND m.direction = 'in' AND m.arrival >= :since ORDER BY m.arrival LIMIT :limit"
)
_OPEN = text("SELECT id FROM alarms WHERE kind = 'control.gap' AND partner = :partner AND closed_at IS NULL")
_OURS = text(
    "SELECT m.partner, m.control, p.data FROM messages m LEFT JOIN payloads p ON p.id = m.payload WHERE m.direction = 'out' AND m.arrival >= :since"
    " AND (m.partner, m.control) IN (SELECT partner, control FROM messages WHERE direction = 'out' AND control IS NOT NULL AND arrival >= :since"
    " GROUP BY partner, control HAVING count(*) > 1) ORDER BY m.partner, m.control LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class ControlLook:
    """One partner's numbers since then; those that came after `settled` may still be on their way past each other."""

    partner: str
    since: Instant
    settled: Instant
    at: Instant


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a look has found: (stream, sender, receiver) with the stretches that are missing."""

    look: ControlLook
    found: list[tuple[tuple[str, str, str], list[tuple[int, int]]]]


def look_for_gaps(tx: Connection, look: ControlLook) -> Gaps:
    """Reads up to a week of interchanges, so not in the writer's turn."""
    series: dict[tuple[str, str, str], list[tuple[int, Instant]]] = defaultdict(list)
    for row in tx.execute(_NUMBERS, {"partner": look.partner, "since": look.since, "limit": MOST}):
        if row.control.isdigit():
            series[row.stream, row.sender, row.receiver].append((int(row.control), row.arrival))
    return Gaps(look, [(name, missing) for name, numbers in sorted(series.items()) if (missing := gaps(numbers, look.settled))])


def tell_gaps(tx: Connection, items: list[Gaps]) -> list[None]:
    """An alarm for each series with a gap, and its end once the numbers have come."""
    for item in items:
        look, raised = item.look, []
        for (stream, sender, receiver), missing in item.found:
            key = f"control.gap:{look.partner}:{stream}:{sender}:{receiver}"[:120]
            what = f"{look.partner} counts without gaps, and ISA13 {_told(missing)} from {sender} to {receiver} ({stream}) did not come"
            raised.append({"id": key, "kind": "control.gap", "partner": look.partner, "message": None, "text": what, "at": look.at})
        there = {row.id for row in tx.execute(_OPEN, {"partner": look.partner})}
        raise_alarms(tx, [row for row in raised if row["id"] not in there])
        over = there - {str(row["id"]) for row in raised}
        close_alarms(tx, [AlarmClosed(key, look.at, "crossdock", "the numbers have come, or are long ago") for key in sorted(over)])
    return [None] * len(items)


def gaps(numbers: list[tuple[int, Instant]], settled: Instant) -> list[tuple[int, int]]:
    """Stretches (first, last) that are missing between numbers of which the later one came before `settled`. `numbers` are (number, when), any order."""
    came: dict[int, Instant] = {}
    for number, at in numbers:
        came[number] = min(at, came.get(number, at))
    seen, missing = sorted(came), []
    for low, high in itertools.pairwise(seen):
        if 1 < high - low <= FARTHEST and came[high] <= settled:
            missing.append((low + 1, high - 1))
    return missing


def _told(missing: list[tuple[int, int]]) -> str:
    words = [str(low) if low == high else f"{low} to {high}" for low, high in missing[:MOST_NAMED]]
    return ", ".join(words) + (f" and {len(missing) - MOST_NAMED} more stretches" if len(missing) > MOST_NAMED else "")


def used_twice(tx: Connection, since: Instant) -> list[str]:
    """Control numbers of ours that two messages to the same receiver carry, in words."""
    found: dict[tuple[str, str, bytes], int] = defaultdict(int)
    for row in tx.execute(_OURS, {"since": since, "limit": MOST}):
        envelope = bytes(row.data[35:69]) if row.data is not None else b""  # ISA06 and ISA08, with what stands between
        found[row.partner, row.control, envelope] += 1
    return [
        f"our control number {control} to {partner} is in {number} messages" for (partner, control, _), number in sorted(found.items()) if number > 1
    ]
