"""Small helpers over SQLAlchemy Core that both databases understand the same way, and that hot verbs can afford.

Statements are compiled once a dialect and then go to the driver as they are: measured at half the cost of executing the construct each time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.engine import Row

MOST_IN_LIST = 500

_compiled: dict[tuple[str, str], tuple[str, list[str] | None]] = {}
"""(dialect, statement) -> (the driver's own text, the order of its values or None where the driver takes names)."""


def _for_driver(tx: Connection, statement: str) -> tuple[str, list[str] | None]:
    key = (tx.dialect.name, statement)
    found = _compiled.get(key)
    if found is None:
        compiled = text(statement).compile(dialect=tx.dialect)
        found = _compiled[key] = (str(compiled), compiled.positiontup)
    return found


def many(tx: Connection, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """executemany, and nothing at all for no rows."""
    if not rows:
        return
    sql, order = _for_driver(tx, statement.text)
    if order is None:
        tx.exec_driver_sql(sql, [dict(row) for row in rows])
    else:
        tx.exec_driver_sql(sql, [tuple([row[name] for name in order]) for row in rows])


def rows_of(tx: Connection, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """All rows of a query that a hot verb asks."""
    sql, order = _for_driver(tx, statement.text)
    return tx.exec_driver_sql(sql, dict(values) if order is None else tuple([values[name] for name in order])).all()


def one_of(statement: str, name: str = "keys") -> TextClause:
    """A statement whose `IN :keys` takes a list."""
    return text(statement).bindparams(bindparam(name, expanding=True))


def in_lists(tx: Connection, statement: TextClause, values: Iterable[Any]) -> list[Row[Any]]:
    """All rows of a `one_of` statement, asked in lists that both databases take."""
    wanted = sorted(set(values))
    if not wanted:
        return []
    on_sqlite = tx.dialect.name == "sqlite"
    listed = "IN (SELECT value FROM json_each(:keys))" if on_sqlite else "= ANY(:keys)"
    sql, order = _for_driver(tx, statement.text.replace("IN :keys", listed))
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), MOST_IN_LIST):
        part = wanted[start : start + MOST_IN_LIST]
        given: Any = json.dumps(part) if on_sqlite else part
        found += tx.exec_driver_sql(sql, {"keys": given} if order is None else (given,)).all()
    return found


def insert(table: str, *columns: str, or_nothing: bool = False) -> TextClause:
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    ending = " ON CONFLICT DO NOTHING" if or_nothing else ""
    return text(f"INSERT INTO {table} ({names}) VALUES ({values}){ending}")  # noqa: S608 - names are ours
