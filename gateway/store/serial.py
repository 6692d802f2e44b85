"""One after another over all nodes: what must first look and then write, and must not be between another node's looking and writing.

On SQLite one process writes, one transaction at a time: nothing is to be done.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from gateway.store.sql import many, rows_of

_LOCK = text("SELECT partner FROM counters WHERE partner = ANY(:partners) AND scope = :scope ORDER BY partner FOR UPDATE")
_MAKE = text("INSERT INTO counters (partner, scope, value) VALUES (:partner, :scope, 0) ON CONFLICT (partner, scope) DO NOTHING")


def take_turn(tx: Connection, scope: str, partners: Iterable[str]) -> None:
    """Waits until no other transaction has this turn with these partners, and keeps it until its own COMMIT."""
    wanted = sorted(set(partners))
    if tx.dialect.name == "sqlite" or not wanted:
        return
    values = {"partners": wanted, "scope": f"turn: {scope}"}
    there = {row.partner for row in rows_of(tx, _LOCK, values)}
    if len(there) < len(wanted):
        many(tx, _MAKE, [{"partner": one, "scope": values["scope"]} for one in wanted if one not in there])
        rows_of(tx, _LOCK, values)


Verb = TypeVar("Verb", bound=Callable[..., Any])
Lane = tuple[str, str]
"""(partner, channel): a row of `translate_lanes`."""
_LANES = text(
    "SELECT 1 FROM translate_lanes t JOIN unnest(CAST(:partners AS VARCHAR[]), CAST(:channels AS VARCHAR[])) AS wanted (partner, channel)"
    " ON t.partner = wanted.partner AND t.channel = wanted.channel ORDER BY t.partner, t.channel FOR UPDATE OF t"
)


def writes_lane(lane_of: Callable[[Any], Lane]) -> Callable[[Verb], Verb]:
    """Marks a verb that waits for its items' lanes where another node has them: `lock_lanes` takes them before anything else of the transaction."""

    def mark(verb: Verb) -> Verb:
        verb.lane_of = lane_of  # type: ignore[attr-defined]
        return verb

    return mark


def lock_lanes(tx: Connection, runs: list[tuple[Callable[..., Any], list[Any]]]) -> None:
    """All lanes that this transaction will wait for, in one order, before it has any: two nodes that took some and waited for more would wait for each other.

    A claim waits for nobody, but it keeps what it takes; so it comes after this, too.
    """
    if tx.dialect.name == "sqlite" or len(runs) < 2:
        return
    lanes = sorted({verb.lane_of(item) for verb, items in runs if hasattr(verb, "lane_of") for item in items})
    if lanes:
        rows_of(tx, _LANES, {"partners": [partner for partner, _ in lanes], "channels": [channel for _, channel in lanes]})
