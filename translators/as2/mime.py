"""MIME as AS2 needs it, on the very bytes: header blocks, parameters, parts, transfer encodings, file names.

Nothing is ever written again from what was parsed, because the MIC is over the exact bytes. Knows no cryptography.
"""

import binascii
import quopri
import re
from collections.abc import Iterator, Sequence
from email.header import decode_header
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from translators.as2.errors import UNEXPECTED, As2Error
from translators.as2.limits import Limits

_TOKEN = re.compile(r'\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')
_REST = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
NEWLINE, RETURN = 0x0A, 0x0D
MAX_REST = 1024
"""Bytes of blanks behind a boundary."""
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))})
MAX_NAME = 255
"""Bytes of a file name."""


class Headers:
    """Header fields in their order; names in any case, values unfolded and trimmed."""

    __slots__ = ("_content_type", "_first", "fields")

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self.fields = tuple(fields)
        self._first: dict[str, str] = {}
        for name, value in self.fields:
            self._first.setdefault(name.lower(), value)
        self._content_type: Parameters | None = None

    def get(self, name: str) -> str | None:
        """The first field of that name."""
        return self._first.get(name.lower())

    def all(self, name: str) -> list[str]:
        """Every field of that name."""
        wanted = name.lower()
        return [value for field, value in self.fields if field.lower() == wanted]

    @property
    def content_type(self) -> "Parameters":
        """The Content-Type; text/plain where there is none (RFC 2045 5.2)."""
        if self._content_type is None:
            self._content_type = parameters(self.get("Content-Type") or "text/plain")
        return self._content_type

    @property
    def encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case; absent means binary, at every level."""
        return (self.get("Content-Transfer-Encoding") or "binary").split(";")[0].strip().lower()


class Parameters(NamedTuple):
    """A value with parameters, such as a Content-Type: value and names in lower case."""

    value: str
    given: dict[str, str]


class Entity(NamedTuple):
    """A MIME entity in the bytes that hold it."""

    headers: Headers
    whole: memoryview
    """With its headers."""
    body: memoryview


@lru_cache(256)
def parameters(text: str) -> Parameters:
    """The value before the first semicolon and the parameters behind it; RFC 2231 forms joined and decoded."""
    value, _, rest = text.partition(";")
    given: dict[str, str] = {}
    for found in _TOKEN.finditer(rest):
        name, quoted, plain = found.group(1).lower(), found.group(2), found.group(3)
        given.setdefault(name, re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain.strip())
    return Parameters(value.strip().lower(), _continued(given))


def _continued(given: dict[str, str]) -> dict[str, str]:
    """RFC 2231: `name*` is percent-encoded with its charset, `name*0`, `name*1*` … are pieces of one."""
    if not any("*" in name for name in given):
        return given
    found = {name: value for name, value in given.items() if "*" not in name}
    for base in {name.split("*")[0] for name in given if "*" in name}:
        charset, raw = "utf-8", b""
        pieces = [f"{base}*"] if f"{base}*" in given else []
        number = 0
        while not pieces or number:
            name = next((name for name in (f"{base}*{number}", f"{base}*{number}*") if name in given), None)
            if name is None:
                break
            pieces.append(name)
            number += 1
        for at, name in enumerate(pieces):
            text = given[name]
            if name.endswith("*"):
                if at == 0 and text.count("'") >= 2:
                    charset, _, text = text.split("'", 2)
                raw += unquote_to_bytes(text)
            else:
                raw += text.encode("utf-8", "surrogateescape")
        if pieces:
            found[base] = _decoded(raw, charset or "utf-8")
    return found


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return raw.decode("latin-1")


def headers_of(block: bytes, limits: Limits) -> Headers:
    """The fields of a header block. Raises As2Error for a line that is no field, or for too many."""
    fields: list[tuple[str, str]] = []
    for line in block.replace(b"\r\n", b"\n").split(b"\n"):
        if not line:
            continue
        if line[:1] in (b" ", b"\t"):
            if not fields:
                raise As2Error(UNEXPECTED, "a MIME header begins with a folded line")
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip().decode('latin-1')}".strip())
            continue
        name_bytes, colon, raw = line.partition(b":")
        if not colon or not name_bytes.strip():
            raise As2Error(UNEXPECTED, f"a MIME header line has no colon: {line[:40]!r}")
        fields.append((name_bytes.strip().decode("latin-1"), raw.strip().decode("latin-1")))
        if len(fields) > limits.header_fields:
            raise As2Error(UNEXPECTED, f"more than {limits.header_fields} MIME header fields")
    return Headers(fields)


def entity(data: memoryview, limits: Limits) -> Entity:
    """The entity that these bytes are: headers to the first empty line, then its body. Raises As2Error."""
    start, end = _end_of_headers(data, limits)
    return Entity(headers_of(bytes(data[:start]), limits), data, data[end:])


def _end_of_headers(data: memoryview, limits: Limits) -> tuple[int, int]:
    """(end of the last field, begin of the body)."""
    head = bytes(data[: limits.headers + 4])
    if head[:2] == b"\r\n":
        return 0, 2
    if head[:1] == b"\n":
        return 0, 1
    crlf = head.find(b"\r\n\r\n")
    before = head if crlf < 0 else head[: crlf + 3]
    places = [(at, at + len(mark)) for mark in (b"\n\n", b"\n\r\n") if (at := before.find(mark)) >= 0]
    if crlf >= 0:
        places.append((crlf, crlf + 4))
    if places:
        return min(places)
    if len(data) > limits.headers:
        raise As2Error(UNEXPECTED, f"the MIME headers do not end within {limits.headers:,} bytes")
    return len(data), len(data)


def parts(body: memoryview, boundary: str, limits: Limits) -> list[memoryview]:
    """The parts of a multipart, each with its headers; the line end before a boundary is the boundary's (RFC 2046 5.1.1).

    Raises As2Error where there is no boundary, no end of the last part, or too many parts.
    """
    if not boundary:
        raise As2Error(UNEXPECTED, "a multipart without a boundary")
    found: list[memoryview] = []
    begun: int | None = None
    for start, end, last in _delimiters(body, boundary.encode("latin-1", "replace")):
        if begun is not None:
            found.append(body[begun : max(start, begun)])
            if len(found) > limits.parts:
                raise As2Error(UNEXPECTED, f"more than {limits.parts} MIME parts")
        if last:
            return found
        begun = end
    raise As2Error(
        UNEXPECTED, "the multipart has no closing boundary; the message is not whole" if begun is not None else "the multipart has no boundary line"
    )


def _delimiters(body: memoryview, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """(begin with the line end before it, end with its own, is it the closing one) of each boundary line.

    The search is for the plain bytes, which is fast in a large body; what stands around them is looked at afterwards.
    """
    size = len(body)
    for found in re.finditer(re.escape(b"--" + boundary), body):
        start = found.start()
        if start and body[start - 1] != NEWLINE:
            continue
        rest = _REST.match(body, found.end(), min(size, found.end() + MAX_REST))
        if rest is None:
            continue
        before = start
        if start:
            before -= 2 if start > 1 and body[start - 2] == RETURN else 1
        yield before, rest.end(), rest.group(1) is not None


def unbase64(data: bytes | memoryview) -> bytes:
    """The bytes behind base64; other characters are skipped (RFC 2045 6.8). Raises As2Error."""
    text = bytes(data).translate(None, _NOT_BASE64)
    text = text.rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise As2Error(UNEXPECTED, "the base64 is broken; it ends within a byte") from None


def content(headers: Headers, body: memoryview) -> memoryview:
    """The body without its transfer encoding. Raises As2Error for one that nobody knows."""
    match headers.encoding:
        case "binary" | "7bit" | "8bit" | "":
            return body
        case "base64":
            return memoryview(unbase64(body))
        case "quoted-printable":
            return memoryview(quopri.decodestring(bytes(body)))
        case other:
            raise As2Error(UNEXPECTED, f"there is no Content-Transfer-Encoding {other[:40]!r}")


def file_name(headers: Headers) -> str | None:
    """The name the sender gave, as data and never as a path: without folders, controls, leading dots and reserved names; at most 255 bytes."""
    disposition = parameters(headers.get("Content-Disposition") or "").given.get("filename")
    given = disposition or headers.content_type.given.get("name")
    if not given:
        return None
    if "=?" in given:
        given = _encoded_words(given)
    name = re.split(r"[\\/]", given)[-1]
    name = "".join(character for character in name if character.isprintable()).strip().lstrip(".").strip()
    while len(name.encode("utf-8", "replace")) > MAX_NAME:
        name = name[:-1]
    if not name or name.split(".")[0].lower() in RESERVED:
        return None
    return name


def _encoded_words(text: str) -> str:
    """RFC 2047 words, which are not allowed in parameters and seen there."""
    try:
        return "".join(raw if isinstance(raw, str) else _decoded(raw, charset or "latin-1") for raw, charset in decode_header(text))
    except (ValueError, binascii.Error):
        return text
