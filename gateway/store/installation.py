"""The installation's own id, by which it knows its bucket again: made once, kept in its database, another one in a database that was restored."""

from sqlalchemy import Connection, text

ID = ("-", "installation")
"""Partner and scope of the counter that has it."""
_MAKE = text("INSERT INTO counters (partner, scope, value) VALUES (:partner, :scope, :value) ON CONFLICT (partner, scope) DO NOTHING")
_KNOW = text("SELECT value FROM counters WHERE partner = :partner AND scope = :scope")
_FORGET = text("DELETE FROM counters WHERE partner = :partner AND scope = :scope")
_PLACE = {"partner": ID[0], "scope": ID[1]}
BITS = 62
"""Of an id, as chance gives it."""


def know(tx: Connection, items: list[int]) -> list[str]:
    """The id; where there is none yet, it is the first of these numbers from now on."""
    tx.execute(_MAKE, _PLACE | {"value": items[0]})
    value = int(tx.execute(_KNOW, _PLACE).scalar_one())
    return [f"{value:016x}"] * len(items)


def forget(tx: Connection) -> None:
    """For a database that is a copy of another one."""
    tx.execute(_FORGET, _PLACE)
