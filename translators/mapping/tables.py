"""Code tables: a partner's code to our words, one table for one element, because the same code means other things elsewhere.

Knows no table by name but those that times need.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from translators.mapping.errors import MappingError
from translators.mapping.written import Written

TIME_ZONES = "time_zone"
"""The table of zone codes (element 623): an IANA name, a fixed offset, or LOCAL."""
REGION_ZONES = "region_zone"
"""The table of states and provinces that have one zone only."""
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One crosswalk: code -> a word in each column."""

    name: str
    element: str
    """The data element whose codes these are; "" for tables that no element names."""
    columns: tuple[str, ...]
    """What a row says; the first is what `code(table)` gives."""
    rows: Mapping[str, tuple[str | None, ...]]
    unknown: tuple[str | None, ...]
    """The words for a code that is not in the table; all None: such a code gives no value."""

    def column(self, name: str) -> int:
        """Where a column stands; ValueError if there is none of that name."""
        return self.columns.index(name)


def read_table(written: Written, name: str) -> CodeTable:
    """A table from `element`, `columns`, `unknown` and `codes` (a word, or a list of one word a column).

    Raises MappingError that names the line.
    """
    value = written.value
    if not isinstance(value, dict) or not isinstance(value.get("codes"), dict):
        raise MappingError(written.at((), "is no code table; it needs `codes:` with one line a code"))
    if extra := set(value) - {"title", "element", "columns", "unknown", "codes"}:
        raise MappingError(written.at((min(extra),), "is not known here; title, element, columns, unknown and codes are"))
    columns = value.get("columns") or ["word"]
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise MappingError(written.at(("columns",), "must be a list of names"))
    rows = {code: _row(written, ("codes", code), row, len(columns)) for code, row in value["codes"].items()}
    unknown = _row(written, ("unknown",), value["unknown"], len(columns)) if value.get("unknown") else (None,) * len(columns)
    return CodeTable(name, value.get("element") or "", tuple(columns), rows, unknown)


def _row(written: Written, path: tuple[str | int, ...], row: object, width: int) -> tuple[str | None, ...]:
    words = row if isinstance(row, list) else [row]
    if not all(word is None or isinstance(word, str) for word in words):
        raise MappingError(written.at(path, "must be a word, or a list of words"))
    if len(words) > width:
        raise MappingError(written.at(path, f"has {len(words)} words for {width} columns"))
    return (*words, *(None,) * (width - len(words)))


def extend(table: CodeTable, written: Written, path: tuple[str | int, ...]) -> CodeTable:
    """The table with a mapping's or partner's own rows over it. Raises MappingError."""
    rows = written.find(path)
    if not isinstance(rows, dict):
        raise MappingError(written.at(path, "must hold one line a code"))
    own = {code: _row(written, (*path, code), row, len(table.columns)) for code, row in rows.items()}
    return CodeTable(table.name, table.element, table.columns, {**table.rows, **own}, table.unknown)
