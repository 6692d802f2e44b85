"""Writes CSV: a dialect as the form of a document that is being written, and its records as rows.

Knows the dialect; knows no event and no rule. Same input, same bytes. Texts stand as they are, also those that a spreadsheet would take for a
formula: what one machine tells another must not change on the way. Only the error report, which people open, guards against that (report.py).
"""

from collections.abc import Iterator, Sequence

from translators.csv.dialect import FILE, Column, Dialect
from translators.csv.reader import read
from translators.document import Document, Finding
from translators.mapping.compose import Parts, Put
from translators.mapping.draft import Written
from translators.mapping.placing import Key, NewNode, Slot


class CsvForm:
    """A dialect (placing.Form)."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.set_id, self.release = dialect.name, dialect.release
        self._order = {record.name: number for number, record in enumerate(dialect.records)}

    def root(self) -> tuple[str, Slot]:
        return FILE, Slot(0, FILE, 1)

    def slot(self, node: NewNode, tag: str) -> Slot | None:
        """Flat files: any inner level below any outer one; typed ones: where the record is declared to be."""
        record = self.dialect.by_name.get(tag)
        if record is None:
            return None
        if self.dialect.type_column:
            fits = record.below == node.tag
        elif node.tag == FILE:
            fits = record is self.dialect.document
        else:
            fits = self._order[node.tag] < self._order[tag]
        return Slot(self._order[tag], tag, 1 if record is self.dialect.document else None) if fits else None

    def required(self, tag: str, element: int) -> bool:
        record = self.dialect.by_name.get(tag)
        return record is not None and element <= len(record.columns) and record.columns[element - 1].required

    def paired(self, tag: str, key: Key) -> Sequence[tuple[int, ...]]:
        return ()

    def finish(self, ordered: list[NewNode]) -> None:
        """Nothing follows from the whole."""


class CsvMedium:
    """One document as one file (compose.Medium)."""

    upper_case = False

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.form = CsvForm(dialect)
        self.evidence = {"format": "csv", "set": dialect.name, "release": dialect.release}

    def put(self, written: Written) -> Put:
        put = Put([])
        rows = _Rows(self.dialect, written.nodes, put)
        text = "".join(rows.lines())
        try:
            body = text.encode(self.dialect.encoding)
        except UnicodeEncodeError as fault:
            sign, number, element = fault.object[fault.start], *rows.who_says(fault.object[fault.start])
            put.refused.append((number, element, f"{sign!r} cannot be written in {self.dialect.encoding}"))
            return put
        put.parts = [body.decode("latin-1")]
        return put

    def read(self, parts: Parts) -> tuple[Document | None, list[Finding]]:
        data = "".join(part for part in parts if isinstance(part, str)).encode("latin-1")
        reading = read(data, self.dialect)
        sets = list(reading.sets())
        findings = [*reading.findings, *(finding for one in sets for finding in one.findings)]
        if len(sets) != 1 and not findings:
            text = "the rows would be read as several documents" if sets else "there would be no row"
            findings.append(Finding("interchange", "documents", text, 0, len(data), kind="csv"))
        return (sets[0].document() if sets else None), findings


class _Rows:
    def __init__(self, dialect: Dialect, nodes: Sequence[NewNode], put: Put) -> None:
        self.dialect, self.nodes, self.put = dialect, nodes, put
        self.numbers = {id(node): number for number, node in enumerate(nodes)}
        self.end = dialect.line_end.decode()

    def lines(self) -> Iterator[str]:
        if self.dialect.type_column:
            for node in self.nodes[1:]:
                yield self._line(self._typed(node))
            return
        if self.dialect.header:
            yield self._line([column.headings[0] for record in self.dialect.records for column in record.columns])
        for node in self.nodes:
            if not any(child.texts or child.children for child in node.children) and (node.texts or node.parent is None):
                yield self._line(self._flat(node))

    def _typed(self, node: NewNode) -> list[str]:
        record = self.dialect.by_name[node.tag]
        fields = [self._value(node, column) for column in record.columns]
        while fields and not fields[-1]:
            fields.pop()
        place = self.dialect.type_column - 1
        fields += [""] * (place - len(fields))
        fields.insert(place, record.marker)
        return fields

    def _flat(self, leaf: NewNode) -> list[str]:
        """All levels of one row, from the outermost to the leaf."""
        levels = {node.tag: node for node in leaf.ancestors()}
        fields: list[str] = []
        for record in self.dialect.records:
            node = levels.get(record.name)
            fields += [self._value(node, column) if node is not None else "" for column in record.columns]
        return fields

    def _value(self, node: NewNode, column: Column) -> str:
        text = node.texts.get(column.number, "")
        if text and column.write is not None:
            try:
                return column.write(text)
            except ValueError as fault:
                self.put.refused.append((self.numbers[id(node)], column.number, str(fault)))
        elif len(text) > column.most:
            self.put.refused.append((self.numbers[id(node)], column.number, f"has {len(text)} characters, and {column.most} may be"))
        return text

    def _line(self, fields: list[str]) -> str:
        dialect = self.dialect
        return dialect.delimiter.join(field_text(field, dialect.delimiter, dialect.quote) for field in fields) + self.end

    def who_says(self, sign: str) -> tuple[int, int]:
        """(node, element) whose text has that character."""
        found = ((number, key) for number, node in enumerate(self.nodes) for key, text in node.texts.items() if sign in text and isinstance(key, int))
        return next(found, (0, 0))


def field_text(text: str, delimiter: str, quote: str) -> str:
    """A field, quoted where it must be. Without quotes what parts fields and rows becomes a space, for there is no other way."""
    if not any(sign in text for sign in (delimiter, quote or "\n", "\r", "\n")) and text == text.strip(" \t"):
        return text
    if quote:
        return quote + text.replace(quote, quote + quote) + quote
    return text.translate(dict.fromkeys(map(ord, (delimiter, "\r", "\n")), " "))
