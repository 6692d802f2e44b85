"""The rows of one document as a tree of records: each column's text as a plain value, every fault with its line and column.

Knows the dialect and the table's layout; knows no mapping and no event.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from translators.csv.cut import BOMS_UTF16, PADDING, Cutter, Row, spans, undressed
from translators.csv.dialect import FILE, Column, Dialect, Record
from translators.document import Delimiters, Document, Finding, Node, Segment, Verdict

NO_DELIMITERS = Delimiters(b"", b"", b"", b"")
SHOWN = 60
"""Characters of a bad value that a fault shows."""
MAX_FAULTS = 200
"""Of one document; more say nothing new."""


class CsvLimits(NamedTuple):
    """What a stranger's file may cost."""

    max_bytes: int = 100 * 2**20
    max_columns: int = 1_000
    max_document_rows: int = 200_000
    max_findings: int = 1_000
    """Of one file; then the rest of it is not read."""


class Run(NamedTuple):
    """Rows of one document that stand together."""

    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class Level:
    """Where in a row the columns of one record stand."""

    record: Record
    places: tuple[tuple[int, Column], ...]
    """(field of the row, column)."""
    extra: tuple[tuple[int, int], ...] = ()
    """(field of the row, element): columns that the dialect does not declare."""
    key: tuple[int, ...] = ()
    """Fields of the row."""


@dataclass(slots=True)
class Table:
    """A file whose layout is known."""

    received: bytes
    data: bytes
    """As single bytes or UTF-8."""
    dialect: Dialect
    limits: CsvLimits
    wide: bool = False
    """Received as UTF-16."""
    sound: bool = True
    """False where each row's bytes must be tried, because the file as a whole is not in its encoding."""
    body: int = 0
    body_line: int = 1
    width: int = 0
    """Fields that a row should have."""
    levels: list[Level] = field(default_factory=list)
    above: list[Row] = field(default_factory=list)
    """Rows of a typed file that belong to all documents behind them."""
    columns: dict[tuple[str, int], str] = field(default_factory=dict)
    """(record, element) -> what the column is called."""

    @property
    def encoding(self) -> str:
        """Of the bytes that are cut into rows."""
        return "utf-8" if self.wide else self.dialect.encoding

    def rows(self, start: int, line: int, end: int | None = None) -> Cutter:
        """The rows of a part of the file."""
        return Cutter(self.data, self.dialect.delimiter, self.dialect.quote, start, line, end)

    def field_bytes(self, segment: Segment, element: int) -> tuple[int, int]:
        """Where a column of a record stands in the message; the whole row where that cannot be told (UTF-16)."""
        whole = segment.byte_start, segment.byte_end
        place = self._place_of(segment, element)
        if self.wide or place is None:
            return whole
        cut = spans(self.data[segment.byte_start : segment.byte_end], self.dialect.delimiter, self.dialect.quote)
        return (whole[0] + cut[place][0], whole[0] + cut[place][1]) if place < len(cut) else whole

    def _place_of(self, segment: Segment, element: int) -> int | None:
        """Which field of its row."""
        if self.dialect.type_column:
            return element - 1 if element < self.dialect.type_column else element
        for level in self.levels:
            if level.record.name == segment.tag:
                found = {column.number: place for place, column in level.places} | {number: place for place, number in level.extra}
                return found.get(element)
        return None

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Bytes as they were received."""
        if not self.wide:
            return start, end
        mark = 2 if self.received.startswith(BOMS_UTF16) else 0
        first = mark + len(self.data[:start].decode("utf-8", errors="replace").encode("utf-16-le"))
        return first, first + len(self.data[start:end].decode("utf-8", errors="replace").encode("utf-16-le"))


@dataclass(slots=True)
class CsvSet:
    """The rows of one document, read."""

    ordinal: int
    """In its file, from 0."""
    byte_start: int
    byte_end: int
    line: int
    findings: list[Finding]
    root: Node | None
    table: Table
    lines: list[int] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Rejected where any row has an error: half a document is none."""
        return Verdict.REJECTED if self.root is None or any(finding.severity == "error" for finding in self.findings) else Verdict.ACCEPTED

    def document(self) -> Document | None:
        """The rows as a tree; None if they were not read."""
        if self.root is None:
            return None
        table = self.table
        return Document(
            table.dialect.name, table.dialect.release, self.root, NO_DELIMITERS, table.encoding, format="csv", columns=table.columns,
            lines=self.lines, field_bytes=table.field_bytes,
        )  # fmt: skip


def read_records(table: Table, runs: list[Run], ordinal: int) -> CsvSet:
    """One document. Never raises for what is in it."""
    return _Records(table, runs).read(ordinal)


class _Records:
    def __init__(self, table: Table, runs: list[Run]) -> None:
        self.table, self.runs, self.dialect = table, runs, table.dialect
        self.findings: list[Finding] = []
        self.lines = [0, runs[0].line]
        self.start, _ = table.bounds(runs[0].start, runs[0].start)
        self.root = Node(FILE, Segment(FILE, [b"file"], 1, self.start, self.start), [])
        self.known: dict[tuple[int, str, tuple[str, ...]], tuple[Node, Row]] = {}
        """Records with a key: (the node above, record, key) -> the node and the row that made it."""
        self.open: dict[str, Node] = {FILE: self.root}
        """Typed files: the last record of each kind."""
        self.at = (0, 0)

    def read(self, ordinal: int) -> CsvSet:
        count, most = 0, self.table.limits.max_document_rows
        if self.dialect.whole_file:
            self._node(self.table.levels[0].record, self.root, Row(self.runs[0].line, self.runs[0].start, self.runs[0].start, []), ())
        for row in self.table.above:
            self._row(row)
        for run in self.runs:
            for row in self.table.rows(run.start, run.line, run.end).rows():
                count += 1
                if count > most:
                    self._fault("too-many", row, f"the document has more than {most:,} rows; send it in parts")
                    break
                self._row(row)
        start, end = self.table.bounds(self.runs[0].start, self.runs[-1].end)
        self.root.segment.byte_end = end
        return CsvSet(ordinal, start, end, self.runs[0].line, self.findings[:MAX_FAULTS], self.root, self.table, self.lines)

    def _row(self, row: Row) -> None:
        if row.fault:
            self._fault("quote", row, row.fault)
            return
        if not self.table.sound:
            if any("\x00" in text for text in row.fields):
                self._fault("encoding", row, "it has a NUL, which no text has; send the file without it")
                return
            try:
                "".join(row.fields).encode("latin-1").decode(self.table.encoding)
            except UnicodeDecodeError as fault:
                bad = f"0x{fault.object[fault.start]:02X}"
                self._fault("encoding", row, f"the byte {bad} is no {self.table.encoding}; declare the encoding that the file has, such as cp1252")
                return
        if self.dialect.type_column:
            self._typed(row)
        else:
            self._flat(row)

    # ---- flat files: each row holds all levels

    def _flat(self, row: Row) -> None:
        fields, width = row.fields, self.table.width
        if len(fields) > width and any(text.strip(PADDING) for text in fields[width:]):
            self._fault(
                "too-many", row, f"it has {len(fields)} fields where there are {width} columns; a {self.dialect.delimiter} in a text must be quoted"
            )
            return
        parent = self.root
        for level in self.table.levels:
            if self.dialect.whole_file and level is self.table.levels[0]:
                parent = self.root.children[0]
                continue
            parent = self._level(level, parent, row) or parent

    def _level(self, level: Level, parent: Node, row: Row) -> Node | None:
        """The record of one level of a row; None if the row tells nothing of it."""
        fields = row.fields
        count = len(fields)
        told = False
        for place, _ in level.places:
            if place < count and fields[place] and fields[place].strip(PADDING):
                told = True
                break
        if not told and not any(place < count and fields[place].strip(PADDING) for place, _ in level.extra):
            if level.record is self.dialect.document:
                return parent.children[0] if parent.children else self._node(level.record, parent, row, level.places, level.extra)
            return None
        if not level.key:
            return self._node(level.record, parent, row, level.places, level.extra)
        key = tuple(fields[place].strip(PADDING) if place < count else "" for place in level.key)
        known = self.known.get((id(parent), level.record.name, key))
        if known is None:
            node = self._node(level.record, parent, row, level.places, level.extra)
            self.known[id(parent), level.record.name, key] = node, row
            return node
        self._same(level, known[1], row)
        return known[0]

    def _same(self, level: Level, first: Row, row: Row) -> None:
        """What a later row says of a record must be what the first said; it may leave it out."""
        for place, column in level.places:
            mine = row.fields[place].strip(PADDING) if place < len(row.fields) else ""
            other = first.fields[place].strip(PADDING) if place < len(first.fields) else ""
            if mine and mine != other:
                said, before = (undressed(text, self.table.encoding)[:SHOWN] for text in (mine, other))
                text = f"it says {said!r}, and line {first.line} says {before!r} of the same {level.record.name}"
                self._fault("differs", row, text, level.record, column, place)

    # ---- typed files: a column says which record a row is

    def _typed(self, row: Row) -> None:
        place = self.dialect.type_column - 1
        marker = row.fields[place].strip(PADDING) if place < len(row.fields) else ""
        if marker in self.dialect.skip:
            return
        record = next((one for one in self.dialect.records if one.marker == marker), None)
        if record is None:
            known = ", ".join(one.marker for one in self.dialect.records)
            self._fault("record", row, f"there is no record {undressed(marker, self.table.encoding)[:SHOWN]!r}; there are {known}")
            return
        parent = self.open.get(record.below)
        if parent is None:
            self._fault("record", row, f"a {record.name} stands below a {record.below}, and there is none before it")
            return
        places = [(number if number < place else number + 1, column) for number, column in enumerate(record.columns)]
        used = len(record.columns) + 1
        extra = tuple((number, used + order) for order, number in enumerate(range(used if used > place else used - 1, len(row.fields))))
        extra = tuple((number, element) for number, element in extra if number != place)
        node = self._node(record, parent, row, tuple(places), extra)
        self.open[record.name] = node
        for other in self.dialect.records[self.dialect.records.index(record) + 1 :]:
            if other.below == record.name:
                self.open.pop(other.name, None)

    # ---- records

    def _node(self, record: Record, parent: Node, row: Row, places: tuple[tuple[int, Column], ...], extra: tuple[tuple[int, int], ...] = ()) -> Node:
        elements = [b""] * (1 + len(record.columns) + len(extra))
        elements[0] = record.name.encode()
        position = len(self.lines)
        self.lines.append(row.line)
        if self.table.wide:
            start, end = self.table.bounds(row.byte_start, row.byte_end)
        else:
            start, end = row.byte_start, row.byte_end
        self.at = (position, row.line)
        fields = row.fields
        count = len(fields)
        for place, column in places:
            text = fields[place].strip(PADDING) if place < count else ""
            if not text:
                if column.required:
                    self._fault("required", row, "it is empty, and it is required", record, column, place, position)
                continue
            if column.read is not None or len(text) > column.most:
                try:
                    if len(text) > column.most:
                        raise ValueError(f"{undressed(text[:SHOWN], self.table.encoding)!r} is longer than the {column.most} characters it may have")
                    if column.read is not None:
                        text = column.read(text)
                except ValueError as fault:
                    self._fault(column.kind, row, str(fault), record, column, place, position)
                    continue
            elements[column.number] = text.encode("latin-1")
        for place, element in extra:
            if place < count:
                elements[element] = fields[place].strip(PADDING).encode("latin-1")
        node = Node(record.name, Segment(record.name, elements, position, start, end), [], parent)
        parent.children.append(node)
        return node

    def _fault(
        self, code: str, row: Row, text: str, record: Record | None = None, column: Column | None = None, place: int = 0, position: int = 0
    ) -> None:
        if len(self.findings) >= MAX_FAULTS:
            return
        start, end, value = row.byte_start, row.byte_end, None
        where = f"line {row.line}"
        if column is not None:
            where += f", {column.headings[0]}"
            cut = spans(self.table.data[start:end], self.dialect.delimiter, self.dialect.quote)
            if place < len(cut):
                start, end = start + cut[place][0], start + cut[place][1]
            value = undressed(row.fields[place].strip(PADDING), self.table.encoding)[:99] if place < len(row.fields) else ""
        start, end = self.table.bounds(start, end)
        self.findings.append(
            Finding(
                "element" if column is not None else "segment", code, f"{where}: {text}", start, end, record.name if record else "", position,
                column.number if column is not None else None, value=value, kind="csv", line=row.line,
                path=column.headings[0] if column is not None else None,
            )
        )  # fmt: skip
