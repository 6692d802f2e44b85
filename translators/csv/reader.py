"""Reads a CSV file under its dialect: finds its columns by their headings and its documents by their keys, then each document's records.

One bad row rejects its document and never a sibling. Knows no mapping and no event; the file is bytes that somebody else read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from translators.csv.cut import PADDING, Row, folded, plain, undressed
from translators.csv.dialect import FILE, Column, Dialect, Record
from translators.csv.records import CsvLimits, CsvSet, Level, Run, Table, read_records
from translators.document import Finding

DEFAULT = CsvLimits()
TAIL = 99
"""Columns that a file has beyond the declared ones are told by their place; more of them than this are not."""


@dataclass(slots=True)
class CsvReading:
    """One file: what is wrong with all of it, and its documents one after another."""

    findings: list[Finding]
    """Faults of the file itself; where one is an error there are no documents."""
    sets: Callable[..., Iterator[CsvSet]]
    """The documents from an ordinal (default 0) on."""


def read(data: bytes, dialect: Dialect, limits: CsvLimits = DEFAULT) -> CsvReading:
    """A whole file. Never raises for what is in it."""
    return _Reader(data, dialect, limits).reading()


class _Reader:
    def __init__(self, data: bytes, dialect: Dialect, limits: CsvLimits) -> None:
        self.dialect, self.limits = dialect, limits
        self.findings: list[Finding] = []
        self.table = Table(data, data, dialect, limits, wide=dialect.encoding == "utf-16")
        self.table.columns = {(record.name, one.number): one.name for record in dialect.records for one in record.columns}

    def reading(self) -> CsvReading:
        self._open()
        if not self.findings and not self.dialect.type_column:
            self._lay_out()
        return CsvReading(self.findings, (lambda begin=0: iter(())) if self.findings else self._sets)

    def _fault(self, code: str, text: str, at: int = 0, *, path: str | None = None) -> None:
        self.findings.append(Finding("interchange", code, text, at, at, kind="csv", line=1, path=path))

    def _open(self) -> None:
        """The text, in an encoding that can be cut into rows."""
        table, data = self.table, self.table.received
        if len(data) > self.limits.max_bytes:
            self._fault("too-large", f"the file has {len(data):,} bytes, and {self.limits.max_bytes:,} may be; send it in parts")
            return
        table.data, marked, table.body = plain(data)
        if table.wide and not marked:
            try:
                table.data = data.decode("utf-16-le").encode()
            except UnicodeDecodeError as fault:
                self._fault("encoding", f"the file is no UTF-16 (byte {fault.start}); declare the encoding that it has", fault.start)
                return
        table.wide = marked == "utf-16" or (table.wide and not marked)
        if marked and self.dialect.encoding in ("cp1252", "latin-1"):
            self._fault("encoding", f"the file says by its mark that it is {marked}, and {self.dialect.encoding} is declared")
            return
        try:
            table.sound = b"\x00" not in table.data and bool(table.data.decode(table.encoding))
        except UnicodeDecodeError:
            table.sound = False
        if not table.data[table.body :].strip():
            self._fault("empty", "there is no row in the file")

    def _lay_out(self) -> None:
        """Where each column stands: by the heading, or in the order of the dialect."""
        table = self.table
        if not self.dialect.header:
            self._place(None)
            return
        rows = table.rows(table.body, 1)
        first = next(rows.rows(), None)
        if first is None or first.fault:
            self._fault("heading", f"line 1: the heading cannot be read: {first.fault if first else 'there is none'}")
            return
        table.body, table.body_line, table.width = first.byte_end, rows.line, len(first.fields)
        if table.width > self.limits.max_columns:
            self._fault("heading", f"line 1: there are {table.width:,} columns, and {self.limits.max_columns:,} may be")
            return
        self._place([undressed(text, table.encoding).strip() for text in first.fields])

    def _place(self, headings: list[str] | None) -> None:
        names = None if headings is None else [folded(text) for text in headings]
        taken: set[int] = set()
        missing: list[str] = []
        at, placed = 0, []
        for record in self.dialect.records:
            mine: list[tuple[int, Column]] = []
            for column in record.columns:
                if names is None:
                    mine.append((at, column))
                    at += 1
                else:
                    mine += self._found(column, record, names, missing)
            taken |= {place for place, _ in mine}
            placed.append((record, mine))
        if missing:
            there = ", ".join((headings or [])[:40])
            self._fault("heading", f"line 1: the heading lacks {', '.join(missing)}; it has {there}", path=missing[0])
        self.table.width = self.table.width or at
        self._levels(placed, [place for place in range(self.table.width) if place not in taken][:TAIL], headings or [])

    def _found(self, column: Column, record: Record, names: list[str], missing: list[str]) -> list[tuple[int, Column]]:
        """Where the heading names the column: nowhere, or in one place."""
        wanted = {folded(heading) for heading in column.headings}
        found = [place for place, name in enumerate(names) if name in wanted]
        if len(found) > 1:
            self._fault("heading", f"line 1: the heading names {column.headings[0]!r} {len(found)} times; once is enough", path=column.name)
        if not found and (column.required or column.number in record.key):
            missing.append(column.headings[0])
        return [(found[0], column)] if found else []

    def _levels(self, placed: list[tuple[Record, list[tuple[int, Column]]]], extra: list[int], headings: list[str]) -> None:
        for record, mine in placed:
            more: tuple[tuple[int, int], ...] = ()
            if record is self.dialect.records[-1] and headings:
                more = tuple((place, len(record.columns) + 1 + number) for number, place in enumerate(extra))
                self.table.columns |= {(record.name, element): headings[place] for place, element in more}
            by_number = {column.number: place for place, column in mine}
            key = tuple(by_number[number] for number in record.key if number in by_number)
            self.table.levels.append(Level(record, tuple(mine), more, key))

    # ---- documents

    def _sets(self, begin: int = 0) -> Iterator[CsvSet]:
        told = 0
        for ordinal, runs in enumerate(self._typed_runs() if self.dialect.type_column else self._flat_runs()):
            if ordinal < begin:
                continue
            if told >= self.limits.max_findings:
                yield self._given_up(ordinal, runs[0])
                return
            found = read_records(self.table, runs, ordinal)
            told += len(found.findings)
            yield found

    def _given_up(self, ordinal: int, run: Run) -> CsvSet:
        start, end = self.table.bounds(run.start, len(self.table.data))
        text = f"line {run.line}: more than {self.limits.max_findings:,} faults were found; the rest of the file is not read"
        return CsvSet(ordinal, start, end, run.line, [Finding("set", "too-many", text, start, end, kind="csv", line=run.line)], None, self.table)

    def _flat_runs(self) -> Iterator[list[Run]]:
        """The rows of each document: all, one each, or those of one key wherever they stand, in the order of their first rows."""
        table = self.table
        if self.dialect.whole_file:
            yield [Run(table.body, len(table.data), table.body_line)]
            return
        rows = table.rows(table.body, table.body_line).rows()
        places = table.levels[0].key
        if not places:
            for row in rows:
                yield [Run(row.byte_start, row.byte_end, row.line)]
            return
        groups: dict[tuple[str, ...], list[Run]] = {}
        before: list[Run] | None = None
        for row in rows:
            key = tuple(row.fields[place].strip(PADDING) if place < len(row.fields) else "" for place in places)
            runs = before if before is not None and not any(key) else groups.setdefault(key, [])
            if runs is before and runs:
                runs[-1] = Run(runs[-1].start, row.byte_end, runs[-1].line)
            else:
                runs.append(Run(row.byte_start, row.byte_end, row.line))
            before = runs
        yield from groups.values()

    def _typed_runs(self) -> Iterator[list[Run]]:
        """From each row of the document's record to the next; what stands before the first belongs to every document behind it."""
        marker, place, current = self.dialect.document.marker, self.dialect.type_column - 1, None
        for row in self.table.rows(self.table.body, self.table.body_line).rows():
            if not row.fault and place < len(row.fields) and row.fields[place].strip(PADDING) == marker:
                if current is not None:
                    yield [current]
                current = Run(row.byte_start, row.byte_end, row.line)
            elif current is not None:
                current = Run(current.start, row.byte_end, current.line)
            elif not self._above(row, place):
                yield [Run(row.byte_start, row.byte_end, row.line)]
        if current is not None:
            yield [current]

    def _above(self, row: Row, place: int) -> bool:
        """True for a record of the whole file (a file header), which is kept for the documents behind it, and for rows to be read past."""
        marker = row.fields[place].strip(PADDING) if place < len(row.fields) else ""
        record = next((one for one in self.dialect.records if one.marker == marker and one.below == FILE), None)
        if record is not None and not row.fault:
            self.table.above.append(row)
        return not row.fault and (record is not None or marker in self.dialect.skip)
