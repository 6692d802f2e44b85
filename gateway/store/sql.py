"""Small helpers over SQLAlchemy Core that both databases understand the same way, and that hot verbs can afford.

Statements are compiled once a dialect and then go to the driver as they are: measured at half the cost of executing the construct each time.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.engine import Row

from gateway.store.together import one_statement

MOST_IN_LIST = 500

Values = Callable[[Mapping[str, Any]], Any]
"""A row's values as the driver takes them."""


def json_text(value: Any) -> str:
    """One text for one value: keys in order, nothing between."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


_compiled: dict[tuple[str, str], tuple[str, Values]] = {}
"""(dialect, statement) -> (the driver's own text, its values of a row)."""


def _for_driver(tx: Connection, statement: str) -> tuple[str, Values]:
    key = (tx.dialect.name, statement)
    found = _compiled.get(key)
    if found is None:
        compiled = text(statement).compile(dialect=tx.dialect)
        found = _compiled[key] = (str(compiled), _values(compiled.positiontup))
    return found


def _values(order: list[str] | None) -> Values:
    """By name where the driver takes names, else in this order."""
    if order is None:
        return dict
    if len(order) > 1:
        return itemgetter(*order)
    return lambda row: tuple(row[name] for name in order)


def many(tx: Connection, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """executemany, and nothing at all for no rows. The rows are taken in their order, also where that is which locks are taken after which."""
    if not rows:
        return
    if len(rows) > 1 and tx.dialect.name == "postgresql" and (together := one_statement(statement.text, rows)) is not None:
        tx.exec_driver_sql(together.sql, together.lists(rows))
        return
    sql, values_of = _for_driver(tx, statement.text)
    tx.exec_driver_sql(sql, list(map(values_of, rows)))


def rows_of(tx: Connection, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """All rows of a query that a hot verb asks."""
    sql, values_of = _for_driver(tx, statement.text)
    return tx.exec_driver_sql(sql, values_of(values)).all()


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
    sql, values_of = _for_driver(tx, statement.text.replace("IN :keys", listed))
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), MOST_IN_LIST):
        part = wanted[start : start + MOST_IN_LIST]
        given: Any = json.dumps(part) if on_sqlite else part
        found += tx.exec_driver_sql(sql, values_of({"keys": given})).all()
    return found


def at_keys(tx: Connection, table: str, key: tuple[str, ...], more: tuple[str, ...], values: Iterable[tuple[str, ...]]) -> list[Row[Any]]:
    """(*key, *more) of the rows of a table under keys of several text columns, each looked up in the index that begins with all of them.

    By one column alone that is not the index's first, both databases would read the whole index, whatever is asked.
    """
    wanted = sorted(set(values))
    if not wanted:
        return []
    names = ", ".join(f"t.{name}" for name in (*key, *more))
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), MOST_IN_LIST):
        part = wanted[start : start + MOST_IN_LIST]
        if tx.dialect.name == "sqlite":
            # CROSS JOIN is an order here: first what is asked for.
            same = " AND ".join(f"t.{name} = json_extract(k.value, '$[{number}]')" for number, name in enumerate(key))
            sql, given = f"SELECT {names} FROM json_each(?) k CROSS JOIN {table} t WHERE {same}", (json.dumps(part),)  # noqa: S608 - names are ours
            found += tx.exec_driver_sql(sql, given).all()
        else:
            arrays = ", ".join(f"%({name})s::text[]" for name in key)
            same = " AND ".join(f"t.{name} = k.{name}" for name in key)
            sql = f"SELECT {names} FROM unnest({arrays}) AS k({', '.join(key)}) JOIN {table} t ON {same}"  # noqa: S608 - names are ours
            found += tx.exec_driver_sql(sql, {name: [one[number] for one in part] for number, name in enumerate(key)}).all()
    return found


def held(tx: Connection, statement: TextClause) -> TextClause:
    """The same query, whose rows no other node can change until this transaction's end. For what is looked at before it is written."""
    return statement if tx.dialect.name == "sqlite" else text(f"{statement.text} FOR UPDATE")


def free(tx: Connection, statement: TextClause) -> TextClause:
    """The same query, held, without the rows that another node has at this moment. For work that is looked for again anyhow."""
    return statement if tx.dialect.name == "sqlite" else text(f"{statement.text} FOR UPDATE SKIP LOCKED")


def insert(table: str, *columns: str, or_nothing: bool = False) -> TextClause:
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    ending = " ON CONFLICT DO NOTHING" if or_nothing else ""
    return text(f"INSERT INTO {table} ({names}) VALUES ({values}){ending}")  # noqa: S608 - names are ours
