"""Writes the 824 that tells a partner what our application made of one of its sets: content, where the 997 spoke of form.

Knows nothing of mappings and targets: what was refused, and why, comes in as values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from translators.document import Delimiters, Verdict
from translators.x12.envelope_write import FIRST_MODERN, Composed, Envelope, SegmentWriter, code_of, enclosed, is_number, usual_delimiters
from translators.x12.groups import VERSION
from translators.x12.header import TIME, is_day

ACCEPTED, WITH_ERRORS, REJECTED = Verdict.ACCEPTED, Verdict.ACCEPTED_WITH_ERRORS, Verdict.REJECTED
OTI_CODES = {ACCEPTED: "TA", WITH_ERRORS: "TE", REJECTED: "TR"}
"""OTI01 for a whole set."""

WRONG_DATA, DUPLICATE, AGREED = "848", "006", "ZZZ"
"""TED01: the content cannot be used; it came before; the words say it."""

REFERENCE_QUALIFIERS = {
    "shipment": "SI", "bill_of_lading": "BM", "pro": "CN", "purchase_order": "PO", "customer_order": "CO", "order": "OQ", "load": "LO",
}  # fmt: skip
"""OTI02 for our types of reference, the best first; a set without any is named by its control number (TN)."""

TED_TEXT = 60
NOTE_TEXT = 80
MOST_NOTES = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that our application says about a set, TED and NTE."""

    code: str
    text: str
    segment: str = ""
    position: int = 0
    element: int = 0
    data_element: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Advised:
    """The set that is spoken of, by what its envelope called it, and what is said."""

    set_id: str
    set_control: str
    group_control: str
    version: str
    """GS08."""
    date: str
    """GS04."""
    time: str
    """GS05."""
    sender_code: str
    """GS02: theirs."""
    references: Sequence[tuple[str, str]]
    """(our type, value) of the set's numbers."""
    verdict: str
    refusals: Sequence[Refusal] = ()


def application_advice(
    advised: Advised,
    *,
    reference: str,
    sender_qualifier: str,
    sender: str,
    sender_code: str,
    receiver_qualifier: str,
    receiver: str,
    envelope_version: str,
    usage: str,
    delimiters: Delimiters | None = None,
    tail: bytes = b"",
) -> Composed:
    """The 824 about one set, in the release of its group; `reference` (BGN02, up to 30 characters) is our own number of this advice."""
    release = advised.version[:6] if VERSION.match(advised.version) else "004010"
    envelope = Envelope(
        sender_qualifier, sender, sender_code, receiver_qualifier, receiver, advised.sender_code, envelope_version, usage,
        delimiters or usual_delimiters(envelope_version), tail, "AG", release,
    )  # fmt: skip
    writer = SegmentWriter(envelope.delimiters, tail)
    separator, end = envelope.delimiters.element.decode("latin-1"), writer.end.decode("latin-1")
    opening = writer.segment("ST", "824", "0001").decode("latin-1") + separator.join(["BGN", "11", reference[:30], ""])
    segments = [
        _original(writer, advised),
        *(segment for one in advised.refusals for segment in _refusal(writer, one, modern=release >= FIRST_MODERN)),
    ]
    segments.append(writer.segment("SE", str(len(segments) + 3), "0001"))
    body: Composed = [opening, {"slot": "date8"}, separator, {"slot": "time4"}, end + b"".join(segments).decode("latin-1")]
    return enclosed(envelope, writer, body)


def _original(writer: SegmentWriter, advised: Advised) -> bytes:
    qualifier, value = _named(writer, advised)
    date = advised.date if is_number(advised.date, 8) and len(advised.date) == 8 and is_day(*_parts(advised.date)) else ""
    time = advised.time[:4] if TIME.fullmatch(advised.time[:4].encode()) else ""
    group = advised.group_control if is_number(advised.group_control, 9) else ""
    version = writer.reference(advised.version, 12)
    code, control, set_id = OTI_CODES[Verdict(advised.verdict)], writer.control(advised.set_control), code_of(advised.set_id, 3, "")
    return writer.segment("OTI", code, qualifier, value, "", "", date, time, group, control, set_id, version)


def _named(writer: SegmentWriter, advised: Advised) -> tuple[str, str]:
    """OTI02 and OTI03: the best of the set's numbers that fits, or its control number."""
    for kind, qualifier in REFERENCE_QUALIFIERS.items():
        for found, value in advised.references:
            if found == kind and (kept := writer.reference(value, 30)):
                return qualifier, kept
    return "TN", writer.control(advised.set_control)


def _parts(date: str) -> tuple[int, int, int]:
    return int(date[:4]), int(date[4:6]), int(date[6:])


def _refusal(writer: SegmentWriter, one: Refusal, *, modern: bool) -> Iterator[bytes]:
    """TED with the first words, NTE with the rest of them."""
    segment = code_of(one.segment, 3, "") or code_of(one.segment, 2, "")
    number = str(one.data_element) if one.data_element else ""
    element = str(min(one.element, 99)) if one.element else ""
    value = "" if writer.holds_delimiter(one.value) else writer.reference(one.value[:99], 99)
    position = str(min(one.position, 999_999)) if one.position else ""
    words = list(_lines(writer.clean(one.text).decode("utf-8"), TED_TEXT, NOTE_TEXT))
    places = ([element], [number]) if modern else (element, number)
    yield writer.segment("TED", one.code, words[0] if words else "", segment, position, *places, value)
    for line in words[1 : MOST_NOTES + 1]:
        yield writer.segment("NTE", "", line)


def _lines(text: str, first: int, following: int) -> Iterator[str]:
    """The text in pieces, broken between words where it can be."""
    rest, size = " ".join(text.split()), first
    while rest:
        at = len(rest) if len(rest) <= size else rest.rfind(" ", 1, size + 1)
        at = at if at > 0 else size
        yield rest[:at]
        rest, size = rest[at:].strip(), following
