"""Small helpers over SQLAlchemy Core that both databases understand the same way."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.engine import Row

MOST_IN_LIST = 500


def many(tx: Connection, statement: TextClause, rows: Sequence[dict[str, Any]]) -> None:
    """executemany, and nothing at all for no rows."""
    if rows:
        tx.execute(statement, list(rows))


def one_of(statement: str, name: str = "keys") -> TextClause:
    """A statement whose `IN :keys` takes a list."""
    return text(statement).bindparams(bindparam(name, expanding=True))


def in_lists(tx: Connection, statement: TextClause, values: Iterable[Any], name: str = "keys", **more: Any) -> list[Row[Any]]:
    """All rows of a statement with `IN :keys`, asked in lists that both databases take."""
    wanted = sorted(set(values))
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), MOST_IN_LIST):
        found += tx.execute(statement, {name: wanted[start : start + MOST_IN_LIST], **more}).all()
    return found


def insert(table: str, *columns: str, or_nothing: bool = False) -> TextClause:
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    ending = " ON CONFLICT DO NOTHING" if or_nothing else ""
    return text(f"INSERT INTO {table} ({names}) VALUES ({values}){ending}")  # noqa: S608 - names are ours
