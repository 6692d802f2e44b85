"""Writes one functional group in one interchange: segments in, bytes out, with slots for what only the commit knows.

Knows nothing of events, mappings and guides; takes no control number and no clock. Same input, same bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from translators.document import Delimiters
from translators.x12 import envelope_write
from translators.x12.envelope_write import Envelope, SegmentWriter, enclosed
from translators.x12.header import FIRST_WITH_REPETITION

Parts = envelope_write.Composed
"""An interchange with gaps: bytes as Latin-1 text, a gap as {"slot": name}."""

Value = str | Sequence[str]
"""An element: text, or its components."""

Row = Sequence[Value]
"""A segment: its tag, then its elements."""

LAST_RESORTS = (b"|", b"^", b"}", b"\x1d", b"\x1f", b"\x1e", b"\x1c")
"""Delimiters to fall back on, the last four being control characters, which no data holds."""

DEFAULT = Delimiters(b"*", b":", b"^", b"~")


@dataclass(frozen=True, slots=True)
class Terms:
    """Who writes to whom, and how the partner wants it."""

    sender_qualifier: str
    sender: str
    receiver_qualifier: str
    receiver: str
    sender_code: str
    """GS02."""
    receiver_code: str
    """GS03."""
    version: str = "004010"
    """GS08: the release, perhaps with a guide's name behind it."""
    envelope_version: str = "00401"
    """ISA12."""
    usage: str = "P"
    acknowledgment_requested: bool = False
    """ISA14: whether a TA1 is asked for."""
    delimiters: Delimiters = DEFAULT
    tail: bytes = b""
    """What follows each terminator: nothing, LF or CR LF."""
    on_delimiter: Literal["replace", "other", "refuse"] = "replace"
    """What to do where data holds a delimiter, for which X12 has no escape."""
    replacement: str = " "
    upper_case: bool = False
    encoding: str = "utf-8"


@dataclass(slots=True)
class Composed:
    """An interchange with slots, and what its data had to give up."""

    parts: Parts
    replaced: list[tuple[int, int, str]] = field(default_factory=list)
    """(row, element, text as it was) where a character was replaced."""
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    """(row, element, why); then the interchange must not be sent."""


def compose_interchange(rows: Sequence[Row], *, set_id: str, functional: str, terms: Terms, set_control: str = "0001") -> Composed:
    """One set in one group in one interchange. `rows`: the segments between ST and SE, which are written here with their counts.

    Raises ValueError for terms that no envelope can hold.
    """
    result = Composed([])
    delimiters = _delimiters(rows, terms, result)
    clean = _cleaner(delimiters, terms, result)
    end = delimiters.segment + terms.tail
    plain = _plain_rows(delimiters, terms)
    body = [(plain(row) or _segment(number, row, delimiters, clean)) + end for number, row in enumerate(rows)]
    whole = [_joined(delimiters, "ST", set_id, set_control) + end, *body, _joined(delimiters, "SE", str(len(body) + 2), set_control) + end]
    result.parts = _enclosed(b"".join(whole), functional, terms, delimiters)
    return result


def _enclosed(body: bytes, functional: str, terms: Terms, delimiters: Delimiters) -> Parts:
    """ISA, GS, `body`, GE and IEA with their slots. Raises ValueError for terms that do not fit."""
    for value, most in ((terms.sender, 15), (terms.receiver, 15), (terms.sender_code, 15), (terms.receiver_code, 15), (terms.version, 12)):
        if not value.isascii() or not 0 < len(value) <= most:
            raise ValueError(f"{value!r} does not fit into the envelope, which has {most} characters for it")
        if any(one and one.decode("latin-1") in value for one in delimiters):
            raise ValueError(f"{value!r} of the envelope holds a delimiter; choose other delimiters for this partner")
    around = Envelope(
        terms.sender_qualifier, terms.sender, terms.sender_code, terms.receiver_qualifier, terms.receiver, terms.receiver_code,
        terms.envelope_version, terms.usage, delimiters, terms.tail, functional, terms.version, terms.acknowledgment_requested,
    )  # fmt: skip
    return enclosed(around, SegmentWriter(delimiters, terms.tail), [body.decode("latin-1")])


def _plain_rows(delimiters: Delimiters, terms: Terms) -> Callable[[Row], bytes]:
    """A function that makes a segment's bytes at once where nothing in it needs care, and gives b"" where something does."""
    separator = delimiters.element.decode("latin-1")
    barred = [one.decode("latin-1") for one in (delimiters.component, delimiters.repetition, delimiters.segment) if one]
    space = " " + separator

    def plain(row: Row) -> bytes:
        try:
            text = separator.join(row)  # type: ignore[arg-type]
        except TypeError:  # an element of components
            return b""
        if not text.isascii() or not text.isprintable() or text.count(separator) != len(row) - 1 or text[-1] == " " or space in text:
            return b""
        for one in barred:
            if one in text:
                return b""
        return text.rstrip(separator).encode("ascii")

    return plain if not terms.upper_case else lambda row: b""


def _segment(number: int, row: Row, delimiters: Delimiters, clean: Callable[[str, int, int], bytes]) -> bytes:
    values: list[bytes] = []
    for element, value in enumerate(row):
        if isinstance(value, str):
            values.append(clean(value, number, element) if value else b"")
        else:
            values.append(delimiters.component.join(clean(part, number, element) if part else b"" for part in value).rstrip(delimiters.component))
    while values and not values[-1]:
        values.pop()
    return delimiters.element.join(values)


def _joined(delimiters: Delimiters, *values: str) -> bytes:
    return delimiters.element.join(value.encode("ascii") for value in values)


def _cleaner(delimiters: Delimiters, terms: Terms, result: Composed) -> Callable[[str, int, int], bytes]:
    """A function that makes an element's bytes: no delimiter and no control character is ever data."""
    barred = frozenset(one.decode("latin-1") for one in delimiters if one)
    replacement = terms.replacement if terms.replacement not in barred and terms.replacement.isprintable() else " "
    plain = not terms.upper_case

    def clean(text: str, row: int, element: int) -> bytes:
        if not plain:
            text = text.upper()
        if text.isprintable() and barred.isdisjoint(text):
            written = text
        else:
            if terms.on_delimiter == "refuse" and not barred.isdisjoint(text):
                found = ", ".join(sorted(barred & set(text)))
                result.refused.append((row, element, f"{text[:60]!r} holds {found}, which parts segments or elements for this partner"))
            written = "".join(replacement if letter in barred or not letter.isprintable() else letter for letter in text)
            result.replaced.append((row, element, text))
        written = written.rstrip()
        try:
            return written.encode(terms.encoding)
        except UnicodeEncodeError as fault:
            letter = written[fault.start]
            result.refused.append((row, element, f"{written[:60]!r} holds {letter!r}, which {terms.encoding} cannot write"))
            return written.encode(terms.encoding, errors="replace")

    return clean


def _delimiters(rows: Sequence[Row], terms: Terms, result: Composed) -> Delimiters:
    """The terms' delimiters, or others that the data does not hold where the terms allow that."""
    wanted = terms.delimiters
    if terms.envelope_version.encode("ascii") < FIRST_WITH_REPETITION:
        wanted = wanted._replace(repetition=b"")
    if terms.on_delimiter != "other":
        return wanted
    text = "".join(_texts(rows))
    if terms.upper_case:
        text = text.upper()
    data = text.encode(terms.encoding, errors="replace")
    chosen: list[bytes] = []
    spare = iter([one for one in LAST_RESORTS if one not in data and one not in wanted])
    for one in wanted:
        chosen.append(one if not one or one not in data else next(spare, one))
    return Delimiters(*chosen)


def _texts(rows: Sequence[Row]) -> Iterable[str]:
    for row in rows:
        for value in row[1:]:
            if isinstance(value, str):
                yield value
            else:
                yield from value
