"""What stands before the root element: the encoding, and a DOCTYPE, which is taken out so that no parser ever sees one.

Knows no parser and no tree. A DOCTYPE that only names an external DTD is blanked (cXML has one in every document); one that declares
anything itself is refused, because entities are how XML attacks are made.
"""

import codecs
import re
from typing import NamedTuple

from translators.document import Finding
from translators.xml.limits import XmlLimits, fault

_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*["'][0-9.]{1,8}["'](?:\s+encoding\s*=\s*["'](?P<encoding>[A-Za-z][A-Za-z0-9._-]{0,40})["'])?[^?]{0,200}\?>"""
)
_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
    "iso-8859-1": "latin-1", "latin1": "latin-1", "windows-1252": "cp1252", "cp1252": "cp1252",
}  # fmt: skip
_LITERAL = rb"""(?:"[^"<>]*"|'[^'<>]*')"""
_DOCTYPE = re.compile(
    rb"<!DOCTYPE\s+(?P<name>[^\s<>\[\"']+)(?:\s+(?:SYSTEM\s+(?P<system>%b)|PUBLIC\s+(?P<public>%b)\s+(?P<public_system>%b)))?\s*(?P<end>[\[>])"
    % (_LITERAL, _LITERAL, _LITERAL)
)
MAX_DOCTYPE = 2_000  # bytes; a public and a system id are a few hundred


class Prepared(NamedTuple):
    """A document as UTF-8 without a DOCTYPE, and how its places are told in the bytes received."""

    utf8: bytes
    encoding: str
    """Python's name of the encoding it was received in."""
    bom: int
    """Bytes of the mark before the text, where the text was converted."""
    doctype: str
    """The DOCTYPE as it stood, "" for none."""

    def received(self, offset: int) -> int:
        """The offset in the bytes received, of an offset in `utf8`."""
        if self.encoding == "utf-8":
            return offset
        return self.bom + len(self.utf8[:offset].decode("utf-8", "ignore").encode(self.encoding, "replace"))


def prepare(data: bytes, limits: XmlLimits) -> Prepared | Finding:
    """The document ready for the parser, or why it is refused."""
    if len(data) > limits.max_bytes:
        return fault("too-large", f"the file has {len(data):,} bytes; at most {limits.max_bytes:,} are read", end=len(data))
    encoding, bom = _encoding(data)
    if encoding is None:
        return fault("encoding", "the file's encoding is not read here; send UTF-8, UTF-16, ISO-8859-1 or windows-1252", end=min(len(data), 200))
    utf8 = data
    if encoding == "utf-8":
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            return fault(
                "encoding",
                f"line {line}: these bytes are not UTF-8; declare the encoding they are in, or send UTF-8",
                start=error.start,
                end=error.end,
                line=line,
            )
    else:
        try:
            utf8 = data[bom:].decode(encoding).encode("utf-8")
        except UnicodeError as error:
            start = bom + getattr(error, "start", 0)
            return fault("encoding", f"byte {start} is not {encoding}, which the file says it is in", start=start, end=start + 1)
        if len(utf8) > limits.max_bytes:
            return fault("too-large", f"the file has {len(utf8):,} bytes as UTF-8; at most {limits.max_bytes:,} are read", end=len(data))
    prepared = Prepared(utf8, encoding, bom, "")
    return _too_many(prepared, limits) or _without_doctype(prepared)


def _encoding(data: bytes) -> tuple[str | None, int]:
    """(Python's name, bytes of a mark to leave out); None for one that is not read."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8", 0
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return None, 0
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return name, 2
    for start, name in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if data.startswith(start):
            return name, 0
    found = _DECLARATION.match(data, 0, 1_000)
    declared = found.group("encoding") if found else None
    if declared is None:
        return "utf-8", 0
    known = _ENCODINGS.get(declared.decode("ascii").lower())
    return ("utf-8" if known and known.startswith("utf-16") else known), 0  # its bytes are plainly not UTF-16


def _too_many(prepared: Prepared, limits: XmlLimits) -> Finding | None:
    """Counts before anything is built: each element has a "<" of its own, each attribute a "="."""
    utf8 = prepared.utf8
    elements = utf8.count(b"<") - utf8.count(b"</")
    if elements > limits.max_nodes or utf8.count(b"=") > 4 * limits.max_nodes:
        return fault("too-many-nodes", f"the document has more than {limits.max_nodes:,} elements and attributes; send it in smaller ones")
    return None


def _without_doctype(prepared: Prepared) -> Prepared | Finding:
    utf8 = prepared.utf8
    at = _after_misc(utf8)
    if not utf8.startswith(b"<!DOCTYPE", at):
        return prepared
    found = _DOCTYPE.match(utf8, at, at + MAX_DOCTYPE)
    line = utf8.count(b"\n", 0, at) + 1
    if found is None or found.group("end") == b"[":
        why = "declares things itself ([ … ])" if found else "cannot be read"
        return fault(
            "dtd",
            f"line {line}: the DOCTYPE {why}; leave it out, or let it only name its DTD: no DTD is read here and no entity taken",
            start=prepared.received(at),
            end=prepared.received(found.end() if found else at + len(b"<!DOCTYPE")),
            line=line,
        )
    if utf8.startswith(b"<!DOCTYPE", second := _after_misc(utf8, found.end())):
        return fault("dtd", "the file has two DOCTYPEs; leave them out", start=prepared.received(at), end=prepared.received(second), line=line)
    blank = re.sub(rb"[^\r\n]", b" ", found.group())
    return prepared._replace(utf8=utf8[:at] + blank + utf8[found.end() :], doctype=found.group().decode("utf-8", "replace"))


def _after_misc(utf8: bytes, at: int = 0) -> int:
    """Where what is neither space, comment nor processing instruction begins, from `at` on."""
    if not at and utf8.startswith(codecs.BOM_UTF8):
        at = len(codecs.BOM_UTF8)
    while True:
        while utf8[at : at + 1].isspace():
            at += 1
        for opening, closing in ((b"<!--", b"-->"), (b"<?", b"?>")):
            if utf8.startswith(opening, at):
                end = utf8.find(closing, at + len(opening))
                if end < 0:
                    return len(utf8)
                at = end + len(closing)
                break
        else:
            return at
