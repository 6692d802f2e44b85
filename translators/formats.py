"""The formats that a file may have, and how those without envelopes are read: all of them into documents with findings.

X12 has envelopes, groups and receipts of its own (translators/x12); CSV and XML come as files that hold documents.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from translators import csv
from translators.csv.cut import heading_of
from translators.csv.dialect import Dialect
from translators.document import Document, Finding, Verdict
from translators.xml.layout import XmlForm
from translators.xml.order import layout_findings
from translators.xml.reader import root_of
from translators.xml.schema import Schema, schema_findings
from translators.xml.write import read_as

Format = Literal["x12", "xml", "csv"]
_SPACE = b" \t\r\n\x00"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class FileDocument:
    """One document of a file."""

    ordinal: int
    """From 0."""
    byte_start: int
    byte_end: int
    line: int
    """Where it begins, from 1."""
    findings: list[Finding]
    document: Document | None
    """None where it cannot be read."""

    @property
    def verdict(self) -> Verdict:
        """Rejected where anything in it is wrong: half a document is none."""
        bad = self.document is None or any(finding.severity == "error" for finding in self.findings)
        return Verdict.REJECTED if bad else Verdict.ACCEPTED


@dataclass(slots=True)
class FileReading:
    """A file: its own faults, or its documents."""

    findings: list[Finding]
    documents: Callable[[int], Iterator[FileDocument]]
    """From that ordinal on."""


def recognise(head: bytes) -> Format:
    """What the first bytes of a file look like. What is neither XML nor an interchange may be CSV; only an agreement says which."""
    text = head
    for mark in _MARKS:
        text = text.removeprefix(mark)
    text = text.lstrip(_SPACE)
    if text.startswith(b"<"):
        return "xml"
    return "x12" if text[:3].upper() == b"ISA" or b"ISA" in head[:200] else "csv"


def fits(data: bytes, form: Any) -> str:
    """Why a file is not of this form, in words; "" if it may be."""
    if isinstance(form, Dialect):
        return _fits_dialect(data, form)
    if isinstance(form, XmlForm):
        return _fits_layout(data, form)
    return "its mapping says nothing of files"


def strangers(data: bytes, form: Any) -> int:
    """How many columns of a file its form does not name: of two forms that fit, the one with fewer is meant."""
    if not isinstance(form, Dialect) or form.type_column or not form.header:
        return 0
    names = heading_of(data, form.delimiter, form.quote, form.encoding)
    known = {csv.folded(heading) for record in form.records for column in record.columns for heading in column.headings}
    return sum(1 for name in names if name not in known)


def read_file(data: bytes, form: Any, schema: Schema | None = None) -> FileReading:
    """A whole file in the form that its mapping declares; XML is judged by a schema, too. Never raises for what is in it."""
    if isinstance(form, XmlForm):
        return _read_xml(data, form, schema)
    assert isinstance(form, Dialect)
    reading = csv.read(data, form)

    def documents(begin: int) -> Iterator[FileDocument]:
        for one in reading.sets(begin):
            yield FileDocument(one.ordinal, one.byte_start, one.byte_end, one.line, one.findings, one.document())

    return FileReading(reading.findings, documents)


def _read_xml(data: bytes, form: XmlForm, schema: Schema | None) -> FileReading:
    document, findings = read_as(form, data)
    if document is None:
        return FileReading(findings, lambda begin: iter(()))

    def documents(begin: int) -> Iterator[FileDocument]:
        if begin == 0:
            segment = document.root.segment
            judged = schema_findings(data, schema) if schema is not None else layout_findings(document, form)
            placed = [finding if finding.line else _with_line(finding, data) for finding in (*findings, *judged)]
            yield FileDocument(0, segment.byte_start, segment.byte_end, 1, placed, document)

    return FileReading([], documents)


def _with_line(finding: Finding, data: bytes) -> Finding:
    line = data.count(b"\n", 0, finding.byte_start) + 1
    return finding._replace(line=line, text=f"line {line}: {finding.text}")


def _fits_layout(data: bytes, form: XmlForm) -> str:
    tag, fault = root_of(data)
    if fault or tag == form.root:
        return fault
    namespace, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    return f"its root is {local}" + (f" of {namespace}" if namespace else "")


def _fits_dialect(data: bytes, dialect: Dialect) -> str:
    if dialect.type_column or not dialect.header:
        return ""
    names = set(heading_of(data, dialect.delimiter, dialect.quote, dialect.encoding))
    lacking = [
        column.headings[0]
        for record in dialect.records
        for column in record.columns
        if (column.required or column.number in record.key) and not names & {csv.folded(heading) for heading in column.headings}
    ]
    return f"its heading lacks {', '.join(lacking)}" if lacking else ""
