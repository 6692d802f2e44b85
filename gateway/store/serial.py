"""One after another over all nodes: what must first look and then write, and must not be between another node's looking and writing.

On SQLite one process writes, one transaction at a time: nothing is to be done.
"""

from collections.abc import Iterable

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
