"""Many rows of one statement as one statement over arrays, for PostgreSQL: it begins and ends a statement once then, not once a row, which costs more than the row.

Knows nothing of what the statements are for. One that it does not understand goes row by row, as it does on SQLite.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary, String

from gateway.store.schema import metadata

_INSERT = re.compile(r"INSERT INTO (\w+) \(([\w, ]+)\) VALUES \(([:\w, ]+)\)( ON CONFLICT.*)?", re.DOTALL)
_CONFLICT = re.compile(r" ON CONFLICT \(([\w, ]+)\) DO UPDATE SET .*", re.DOTALL)
_UPDATE = re.compile(r"UPDATE (\w+) SET (.*)", re.DOTALL)
_NAMED = re.compile(r"(?<!:):(\w+)")
_EQUAL = re.compile(r"(?<![.\w])(\w+) = :(\w+)")
_INNERMOST = re.compile(r"\([^()]*\)")
_KINDS = ((BigInteger, "bigint"), (Integer, "integer"), (Boolean, "boolean"), (Float, "double precision"), (String, "text"), (LargeBinary, "bytea"))
_OF_VALUES = {bool: "boolean", int: "bigint", float: "double precision", str: "text", bytes: "bytea"}


@dataclass(frozen=True, slots=True)
class Together:
    """A statement for all rows at once: the driver's text, and the values of which it takes a list each, with their type."""

    sql: str
    kinds: Mapping[str, str]

    def lists(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """The values of these rows, as the driver takes them: it wants one type in a list."""
        found = {name: [row[name] for row in rows] for name in self.kinds}
        for name, kind in self.kinds.items():
            if kind == "double precision":
                found[name] = [None if value is None else float(value) for value in found[name]]
        return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known of a statement before its rows are."""

    head: str
    tail: str
    """Around the arrays."""
    kinds: dict[str, str | None]
    """Type of the elements by the value's name; None where only the values tell."""
    once: tuple[str, ...]
    """Values of which no two rows may have the same: the statement would meet one row of the table twice, and PostgreSQL does not let it."""


_shapes: dict[str, _Shape | None] = {}
_made: dict[tuple[str, tuple[str, ...]], Together] = {}


def one_statement(statement: str, rows: Sequence[Mapping[str, Any]]) -> Together | None:
    """The same for all these rows, in their order; None where it must go row by row."""
    if statement not in _shapes:
        _shapes[statement] = _inserting(statement) or _updating(statement)
    shape = _shapes[statement]
    if shape is None or (shape.once and len({tuple(row[name] for name in shape.once) for row in rows}) < len(rows)):
        return None
    kinds = tuple(kind or _kind_of_values(name, rows) for name, kind in shape.kinds.items())
    if "" in kinds:
        return None
    made = _made.get((statement, kinds))
    if made is None:
        # Bytes go as they are; as text each would be two letters.
        arrays = ", ".join(f"%({name}){'b' if kind == 'bytea' else 's'}::{kind}[]" for name, kind in zip(shape.kinds, kinds, strict=True))
        made = _made[statement, kinds] = Together(f"{shape.head}{arrays}{shape.tail}", dict(zip(shape.kinds, kinds, strict=True)))
    return made


def _kind_of_values(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Of a value that no column stands beside; empty where all rows have none."""
    return next((_OF_VALUES[type(row[name])] for row in rows if row[name] is not None), "")


def _kind_of_column(table: str, column: str) -> str:
    """Of text without its length: a cast to a length cuts without a word."""
    kind = metadata.tables[table].columns[column].type
    return next(name for known, name in _KINDS if isinstance(kind, known))


def _inserting(statement: str) -> _Shape | None:
    found = _INSERT.fullmatch(statement)
    if found is None or found[1] not in metadata.tables or _NAMED.search(found[4] or ""):
        return None
    columns, values, ending = found[2].split(", "), found[3].split(", "), found[4] or ""
    names = [value[1:] for value in values]
    if not all(value.startswith(":") for value in values) or len(set(names)) < len(columns):
        return None
    once: tuple[str, ...] = ()
    if " DO UPDATE " in ending:
        conflict = _CONFLICT.fullmatch(ending)
        if conflict is None:
            return None
        named = dict(zip(columns, names, strict=True))
        once = tuple(named[column] for column in conflict[1].split(", "))
    head = f"INSERT INTO {found[1]} ({found[2]}) SELECT * FROM unnest("  # noqa: S608 - names are ours
    kinds: dict[str, str | None] = {name: _kind_of_column(found[1], column) for column, name in zip(columns, names, strict=True)}
    return _Shape(head, f"){_percent_doubled(ending)}", kinds, once)


def _updating(statement: str) -> _Shape | None:
    found = _UPDATE.fullmatch(statement)
    place = _end_of_sets(statement)
    if found is None or found[1] not in metadata.tables or place is None or " RETURNING " in statement:
        return None
    sets, where = statement[:place], statement[place:]
    columns = metadata.tables[found[1]].columns
    kinds: dict[str, str | None] = dict.fromkeys(_NAMED.findall(statement))
    for column, name in _EQUAL.findall(statement):
        if column in columns:
            kinds[name] = _kind_of_column(found[1], column)
    once = tuple(dict.fromkeys(name for _, name in _EQUAL.findall(_outermost(where))))
    if not once:
        return None
    named = ", ".join(f"of_{name}" for name in kinds)
    return _Shape(f"{_of_row(sets)} FROM unnest(", f") AS row ({named}){_of_row(where)}", kinds, once)


def _end_of_sets(statement: str) -> int | None:
    """Where the WHERE begins that is the statement's own, not a subquery's."""
    depth = 0
    for place, letter in enumerate(statement):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and statement.startswith(" WHERE ", place):
            return place
    return None


def _outermost(part: str) -> str:
    """Without what stands in parentheses."""
    while (shorter := _INNERMOST.sub("", part)) != part:
        part = shorter
    return part


def _of_row(part: str) -> str:
    return _NAMED.sub(r"row.of_\1", _percent_doubled(part))


def _percent_doubled(part: str) -> str:
    return part.replace("%", "%%")
