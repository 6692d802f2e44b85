"""CSV paths in the mapping language: columns and records by their names.

    carrier                 the column of that name, wherever the record that has it lies
    line/sku                the column of that record
    line                    the record itself (each, at, when)
    line[status=X,Y]        only where the column says so
    pack@number             its ordinal in the document

Knows the dialect; knows no row.
"""

import re
from difflib import get_close_matches

from translators.csv.dialect import FILE, Dialect, Record
from translators.mapping.language import COMMON, Condition, Element, LanguageError, Path, Step, Steps

_NAME = r"[a-z][a-z0-9_]*"
_TOKENS = re.compile(COMMON % rf"""(?P<step>{_NAME})(?P<bracket>\[[^\]]*\])?(?P<tail>/{_NAME}|@number)?(?![\w\[/@(])""", re.VERBOSE)
_CONDITION = re.compile(rf"(?P<column>{_NAME})(?:\s*(?P<operator>!?=)\s*(?P<values>[^=!]+))?")


class CsvSyntax:
    """Names for paths (language.Syntax)."""

    tokens = _TOKENS
    value: tuple[Element, ...] = ()

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.owners: dict[str, list[Record]] = {}
        for record in dialect.records:
            for column in record.columns:
                self.owners.setdefault(column.name, []).append(record)

    def steps(self, match: "re.Match[str]") -> Steps:
        name, tail = match.group("step"), match.group("tail") or ""
        record = self.dialect.by_name.get(name)
        if record is None and name != FILE:
            if match.group("bracket") or tail:
                raise LanguageError(f"there is no record {name!r} in this dialect; there are {', '.join(self.dialect.by_name)}")
            return self._bare(name)
        conditions = self._conditions(record, (match.group("bracket") or "[]")[1:-1])
        step = Step(name, (), conditions)
        if tail.startswith("/"):
            return Steps((step,), (Element(self._number(record, tail[1:])),), tail=tail)
        return Steps((step,), (), tail == "@number", tail)

    def _bare(self, name: str) -> Steps:
        owners = self.owners.get(name, [])
        if not owners:
            near = get_close_matches(name, [*self.owners, *self.dialect.by_name], 1)
            raise LanguageError(f"there is no column {name!r} in this dialect" + (f"; did you mean {near[0]!r}?" if near else ""))
        if len(owners) > 1:
            raise LanguageError(f"{name!r} is a column of {' and '.join(record.name for record in owners)}; write {owners[0].name}/{name}")
        return Steps((Step(owners[0].name, (), ()),), (Element(self._number(owners[0], name)),), tail=name)

    def _number(self, record: Record | None, name: str) -> int:
        column = record.column(name) if record is not None else None
        if column is None:
            known = [column.name for column in record.columns] if record is not None else []
            near = get_close_matches(name, known, 1)
            where = record.name if record is not None else FILE
            raise LanguageError(
                f"{where} has no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known) or 'none'}")
            )
        return column.number

    def _conditions(self, record: Record | None, inner: str) -> tuple[Condition, ...]:
        found = []
        for part in filter(None, (piece.strip() for piece in inner.split(";"))):
            match = _CONDITION.fullmatch(part)
            if match is None:
                raise LanguageError(f"[{part}] is no condition; write [status=X], [status=X,Y], [status!=X] or [status]")
            values = tuple(value.strip().encode() for value in (match["values"] or "").split(",") if value.strip())
            found.append(Condition(self._number(record, match["column"]), values, match["operator"] == "!="))
        return tuple(found)

    def elements(self, text: str) -> tuple[Element, ...]:
        raise LanguageError(f"{text!r} names no column")

    def last(self, tag: str) -> int:
        record = self.dialect.by_name.get(tag)
        return len(record.columns) if record is not None else 0

    def check(self, path: Path) -> None:
        """Names are looked up while they are read."""
