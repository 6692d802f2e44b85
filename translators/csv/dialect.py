"""What a mapping says of its CSV file (`csv:`): how it is parted, which records there are, and what each column is called and holds.

Knows the text of a mapping; knows no row and no event.

A file is flat (each row holds all records, from the document to the line; rows with the same key belong together) or typed (a column says
which record a row is, and rows hang below the record before them).
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from translators.csv.forms import Convert, FormError, form_of, from_iso, from_plain, to_iso, to_plain
from translators.mapping.errors import MappingError
from translators.mapping.written import Path, Written

TERMS = (
    "delimiter",
    "quote",
    "encoding",
    "header",
    "decimal",
    "thousands",
    "dates",
    "times",
    "moments",
    "type",
    "skip",
    "columns",
    "records",
    "line_end",
    "release",
)
COLUMN_TERMS = ("heading", "holds", "required", "forms", "most")
RECORD_TERMS = ("columns", "key", "below", "marker")
ENCODINGS = {"utf-8": "utf-8", "cp1252": "cp1252", "latin-1": "latin-1", "utf-16": "utf-16"}
DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
LINE_ENDS = {"CRLF": b"\r\n", "LF": b"\n"}
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
WORDS = frozenset({"else", "nearest", "outward", "not", "file"})
MAX_COLUMNS = 500
FILE = "file"
"""The tag of every tree's root: what is not in a document's own rows."""
ROW = "row"
"""The one record of a dialect that declares none."""

Kind = Literal["text", "number", "date", "time", "moment"]
KINDS: tuple[Kind, ...] = ("text", "number", "date", "time", "moment")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one record."""

    name: str
    """As rules call it."""
    number: int
    """Its element in the record's segments, from 1."""
    headings: tuple[str, ...]
    """What a header row may call it; the first is written."""
    kind: Kind
    required: bool
    most: int
    """Characters that it may have."""
    read: Convert | None
    """From the file's text to a plain number or ISO 8601; None: as it stands."""
    write: Convert | None


@dataclass(frozen=True, slots=True)
class Record:
    """One kind of record: a row of its own (typed files), or a level of each row (flat files)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[int, ...]
    """Columns (by number) whose equality makes rows one record of this kind; () for one a row."""
    below: str
    """The record it belongs to; "file" for the outermost."""
    marker: str = ""
    """Typed files: what stands in the type column."""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One declared kind of CSV file."""

    name: str
    """Of the mapping, without "csv/"; the set of its documents."""
    delimiter: str
    quote: str
    """"" for none."""
    encoding: str
    header: bool
    decimal: str
    line_end: bytes
    records: tuple[Record, ...]
    """Outermost first."""
    release: str = "1"
    """Of the partner's layout, as the mapping counts; events' evidence names it."""
    type_column: int = 0
    """Typed files: the position (from 1) that says which record a row is; 0: a flat file."""
    skip: frozenset[str] = frozenset()
    """Typed files: markers of rows that are read past."""
    by_name: dict[str, Record] = field(init=False, compare=False)

    document: Record = field(init=False, compare=False)
    """The record that a document begins with: the outermost with others below it, or the only one."""
    whole_file: bool = field(init=False, compare=False)
    """True where all rows are one document: a flat file whose document has neither a key nor columns of its own."""

    def __post_init__(self) -> None:
        above = {record.below for record in self.records}
        outermost = [record for record in self.records if record.below == FILE]
        document = next((record for record in outermost if record.name in above), outermost[0])
        object.__setattr__(self, "document", document)
        object.__setattr__(self, "by_name", {record.name: record for record in self.records})
        object.__setattr__(self, "whole_file", not self.type_column and not document.columns and not document.key)


def dialect_of(written: Written, name: str) -> Dialect:
    """The dialect that a mapping declares. Raises MappingError with every fault on a line of its own."""
    return _Reader(written, name).dialect()


class _Reader:
    def __init__(self, written: Written, name: str) -> None:
        self.written, self.name = written, name
        self.given: Any = written.value.get("csv") if isinstance(written.value, dict) else None
        self.faults: list[str] = []

    def fault(self, path: Path, text: str) -> None:
        self.faults.append(self.written.at(("csv", *path), text))

    def stop(self, path: Path, text: str) -> NoReturn:
        self.fault(path, text)
        raise MappingError("\n".join(self.faults))

    def dialect(self) -> Dialect:
        if not isinstance(self.given, dict):
            self.stop((), "is missing; it says how the file is parted and which columns it has")
        for key in self.given:
            if key not in TERMS:
                self.fault((key,), f"is not known here; {', '.join(TERMS)} are")
        delimiter = self._sign("delimiter", ",")
        quote = self.given.get("quote", '"')
        if quote not in ('"', "'", "none"):
            self.fault(("quote",), f"""is {quote!r}; '"', "'" and none can be used""")
        decimal, thousands = self.given.get("decimal", "."), self.given.get("thousands", "")
        if decimal not in (".", ",") or (thousands and thousands not in (".", ",", " ", "'")) or decimal == thousands:
            self.fault(("decimal",), "must be . or , and thousands another sign of . , ' and the space")
            decimal, thousands = ".", ""
        self.numbers = to_plain(decimal, thousands), from_plain(decimal)
        encoding = self._one_of("encoding", ENCODINGS, "utf-8")
        ends = self._one_of("line_end", LINE_ENDS, "CRLF")
        header = self._yes("header", default="type" not in self.given)
        records = self._records()
        type_column = self._type()
        if type_column and header:
            self.fault(("header",), "cannot be yes beside type: rows of different records have no one heading")
        skip = self.given.get("skip", [])
        skipped = frozenset([skip] if isinstance(skip, str) else skip)
        if self.faults:
            raise MappingError("\n".join(self.faults))
        return Dialect(
            self.name, delimiter, "" if quote == "none" else quote, ENCODINGS[encoding], header, decimal, LINE_ENDS[ends], records, self._release(), type_column, skipped,
        )  # fmt: skip

    def _sign(self, term: str, default: str) -> str:
        given = str(self.given.get(term, default))
        sign = DELIMITERS.get(given, given)
        if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in "\"'\r\n \x00":
            self.fault((term,), f"is {given!r}; one character such as , ; | is wanted, or {', '.join(DELIMITERS)}")
            return default
        return sign

    def _one_of(self, term: str, known: Any, default: str) -> str:
        given = str(self.given.get(term, default))
        if given not in known:
            self.fault((term,), f"is {given!r}; there are {', '.join(known)}")
            return default
        return given

    def _yes(self, term: str, *, default: bool) -> bool:
        given = self.given.get(term)
        if given not in (None, "yes", "no", "true", "false"):
            self.fault((term,), f"is {given!r}; yes or no is wanted")
        return default if given is None else given in ("yes", "true")

    def _release(self) -> str:
        given = str(self.given.get("release", "1"))
        if not 1 <= len(given) <= 12:
            self.fault(("release",), "must have 1 to 12 characters")
        return given

    def _type(self) -> int:
        given = self.given.get("type")
        if given is None:
            return 0
        if not str(given).isdigit() or not 1 <= int(given) <= MAX_COLUMNS:
            self.fault(("type",), "must be the position of the column that says which record a row is, from 1")
            return 1
        return int(given)

    # ---- records and columns

    def _records(self) -> tuple[Record, ...]:
        if ("columns" in self.given) is ("records" in self.given):
            self.stop((), "needs columns, or records that have them, and not both")
        if "columns" in self.given:
            return (Record(ROW, self._columns(("columns",), self.given["columns"]), (), FILE, ROW),)
        given = self.given["records"]
        if not isinstance(given, dict) or not given:
            self.stop(("records",), "must hold a block a record, outermost first")
        found: list[Record] = []
        for name, block in given.items():
            found.append(self._record(str(name), block, found))
        markers = [record.marker for record in found]
        if "type" in self.given and len(set(markers)) < len(markers):
            self.fault(("records",), "have the same marker twice, so their rows could not be told apart")
        if sum(1 for record in found if record.below == FILE) != 1 and "type" not in self.given:
            self.fault(("records",), "of a flat file lie in each other; only the first is outermost")
        return tuple(found)

    def _record(self, name: str, block: Any, before: list[Record]) -> Record:
        path: Path = ("records", name)
        if not NAME.fullmatch(name) or name in WORDS:
            self.fault(path, "is no name; small letters, digits and _ are, and none of the language's own words")
        if not isinstance(block, dict):
            self.stop(path, "must be a block with columns")
        for term in block:
            if term not in RECORD_TERMS:
                self.fault((*path, term), f"is not known here; {', '.join(RECORD_TERMS)} are")
        columns = self._columns((*path, "columns"), block.get("columns") or {})
        named = {column.name: column.number for column in columns}
        keys = block.get("key", [])
        keys = [keys] if isinstance(keys, str) else keys
        for key in keys:
            if key not in named:
                self.fault((*path, "key"), f"names {key!r}, which is no column of {name}; there are {', '.join(named) or 'none'}")
        below = str(block.get("below", before[-1].name if before else FILE))
        if below != FILE and below not in {record.name for record in before}:
            self.fault((*path, "below"), f"names {below!r}, which is no record above it")
        return Record(name, columns, tuple(named[key] for key in keys if key in named), below, str(block.get("marker", name)))

    def _columns(self, path: Path, given: Any) -> tuple[Column, ...]:
        if isinstance(given, list):
            given = dict.fromkeys(given)
        if not isinstance(given, dict) or len(given) > MAX_COLUMNS:
            self.stop(path, f"must name at most {MAX_COLUMNS} columns, as `ship_date: Ship Date`, or in a list where there is no header")
        return tuple(self._column((*path, name), str(name), number, block) for number, (name, block) in enumerate(given.items(), start=1))

    def _column(self, path: Path, name: str, number: int, given: Any) -> Column:
        if not NAME.fullmatch(name) or name in WORDS:
            self.fault(path, "is no name for a column; small letters, digits and _ are; what the file calls it is its heading")
        block = given if isinstance(given, dict) else {"heading": given} if given else {}
        for term in block:
            if term not in COLUMN_TERMS:
                self.fault((*path, term), f"is not known here; {', '.join(COLUMN_TERMS)} are")
        headings = block.get("heading", name)
        kind = block.get("holds", "text")
        if kind not in KINDS:
            self.fault((*path, "holds"), f"is {kind!r}; a column holds {', '.join(KINDS)}")
            kind = "text"
        most = str(block.get("most", "1000"))
        if not most.isdigit() or not 1 <= int(most) <= 32_768:
            self.fault((*path, "most"), "must be a number of characters, 1 to 32768")
            most = "1000"
        if block.get("required") not in (None, "yes", "no"):
            self.fault((*path, "required"), "must be yes or no")
        read, write = self._converts((*path, "forms"), kind, block.get("forms"))
        titles = tuple(str(heading) for heading in (headings if isinstance(headings, list) else [headings]))
        return Column(name, number, titles, kind, block.get("required") == "yes", int(most), read, write)

    def _converts(self, path: Path, kind: str, own: Any) -> tuple[Convert | None, Convert | None]:
        if kind == "text":
            return None, None
        if kind == "number":
            return self.numbers
        given = own or self.given.get({"date": "dates", "time": "times", "moment": "moments"}[kind]) or "ISO"
        try:
            forms = tuple(form_of(str(text)) for text in (given if isinstance(given, list) else [given]))
        except FormError as fault:
            self.fault(path if own else ({"date": "dates", "time": "times", "moment": "moments"}[kind],), str(fault))
            return None, None
        return to_iso(forms), from_iso(forms[0])
