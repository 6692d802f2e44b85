"""One after another over all nodes: what must first look and then write, and must not be between another node's looking and writing.

On SQLite one process writes, one transaction at a time: nothing is to be done.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

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
Lanes = Callable[[Connection, list[Any]], Iterable[Lane]]
_LANES = text(
    "SELECT 1 FROM unnest(CAST(:partners AS VARCHAR[]), CAST(:channels AS VARCHAR[])) WITH ORDINALITY AS wanted (partner, channel, place)"
    " JOIN translate_lanes t ON t.partner = wanted.partner AND t.channel = wanted.channel ORDER BY wanted.place FOR UPDATE OF t"
)
"""In our order, which is that of bytes: the database's own, by its language, may be another."""
_MAKE_LANES = text(
    "INSERT INTO translate_lanes (partner, channel) SELECT * FROM unnest(CAST(:partners AS VARCHAR[]), CAST(:channels AS VARCHAR[]))"
    " ON CONFLICT (partner, channel) DO NOTHING"
)


class _Waits(NamedTuple):
    lanes_of: Lanes
    in_order: bool


def writes_lanes(lanes_of: Lanes, *, in_order: bool = False) -> Callable[[Verb], Verb]:
    """Marks a verb that waits for its items' lanes where another node has them: `lock_lanes` takes them before anything else of the transaction.

    Where it takes them `in_order` itself, before it takes anything else, and is alone in the transaction, that is spared.
    """

    def mark(verb: Verb) -> Verb:
        verb.waits = _Waits(lanes_of, in_order)  # type: ignore[attr-defined]
        return verb

    return mark


def lock_lanes(tx: Connection, runs: list[tuple[Callable[..., Any], list[Any]]]) -> None:
    """All lanes that this transaction will wait for, in one order, before it has any: two nodes that took some and waited for more would wait for each other.

    A claim waits for nobody, but it keeps what it takes; so it comes after this, too.
    """
    if tx.dialect.name == "sqlite":
        return
    marked: list[tuple[_Waits, list[Any]]] = [(verb.waits, items) for verb, items in runs if hasattr(verb, "waits")]
    if len(runs) == 1 and all(waits.in_order for waits, _ in marked):
        return
    lanes = sorted({lane for waits, items in marked for lane in waits.lanes_of(tx, items)})
    if not lanes:
        return
    values = {"partners": [partner for partner, _ in lanes], "channels": [channel for _, channel in lanes]}
    if len(rows_of(tx, _LANES, values)) < len(lanes):  # a partner's first message
        tx.execute(_MAKE_LANES, values)
        rows_of(tx, _LANES, values)
