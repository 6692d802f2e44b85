"""Who an event is: ids, keys and hashes that two runs, two machines and two deliveries of one document agree on.

Pure arithmetic over values; knows no clock, no store and no event family.
"""

import hashlib
import json
import re
from base64 import b32encode
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from translators.document import Document, Segment

UNMEANT = frozenset({"evidence", "quality", "sequence", "purpose", "purpose_code", "written_at", "recorded_at"})
"""Top fields that say how and when it was told, not what: the same content told again has the same meaning.
A cancellation says `cancelled: true` in its data, so that it never passes for a repetition of what it cancels."""

TOLD_LATER = ("evidence", "quality")
"""Objects of the data to which the gateway adds: the message, late, findings."""

CREATION_STAMPS: dict[str, tuple[int, ...]] = {"ST": (2,), "SE": (2,), "B10": (8, 9)}
"""Elements that change with each sending and carry nothing else. BSN03/04 are *not* among them although the standard calls them the set's
creation date: partners without a DTM*011 put the ship date there, and a correction of it must not pass for a repetition. A mere re-stamp
is still recognised, because `written_at` is no part of the meaning."""

CREATION_QUALIFIER = b"097"
"""DTM01 097: the transaction's creation; the whole segment is a stamp."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def data_json(data: Any) -> bytes:
    """Compact canonical JSON (sorted keys, UTF-8): the bytes that are stored, hashed and delivered."""
    return _ENCODER.encode(data).encode("utf-8")


def meaning_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what the data says, without the fields of UNMEANT."""
    return hashlib.sha256(data_json({name: value for name, value in data.items() if name not in UNMEANT})).hexdigest()


def ordered_meaning_hash(data: Mapping[str, Any]) -> str:
    """`meaning_hash` of data whose names are in order on every level, as a mapping gives it: nothing is left to sort."""
    return hashlib.sha256(to_json({name: value for name, value in data.items() if name not in UNMEANT})).hexdigest()


def ordered_data_json(data: dict[str, Any]) -> bytes:
    """`data_json` of such data, of which the gateway may since have said more in TOLD_LATER."""
    told = {name: dict(sorted(data[name].items())) for name in TOLD_LATER if name in data}
    return to_json(dict(sorted((data | told).items())))


def told_late(data: bytes) -> bytes:
    """An event's canonical JSON with `late` in its quality: a later event of the same subject was told before. Its meaning stays."""
    value = json.loads(data)
    return data_json(value | {"quality": value.get("quality", {}) | {"late": True}})


def event_id(stream: str, partner: str, set_id: str, business_key: str, event_key: str, ordinal: int) -> str:
    """The event's identity as 32 lower-case letters and digits; the store adds the revision ("…/r2" from the second on).

    The parts are joined as JSON, so that no two different lists of parts give the same text.
    """
    parts = data_json([stream, partner, set_id, business_key, event_key, ordinal])
    return b32encode(hashlib.sha256(parts).digest()[:20]).decode("ascii").lower()


def content_hash(document: Document) -> str:
    """SHA-256 (hex) of the set's content, the same whatever the delimiters, control numbers and creation stamps are.

    Trailing empty elements do not count; separators inside elements are replaced by fixed ones.
    """
    segments = sorted((node.segment for node in document.root.walk()), key=lambda segment: segment.position)  # not the tree's order, which may change
    return hash_segments(segments, document.delimiters.component, document.delimiters.repetition)


def hash_segments(segments: Iterable[Segment], component: bytes, repetition: bytes) -> str:
    """`content_hash` over segments in the order of the document."""
    digest = hashlib.sha256()
    for segment in segments:
        if segment.tag == "DTM" and segment.get(1) == CREATION_QUALIFIER:
            continue
        elements = segment.elements
        stamps = CREATION_STAMPS.get(segment.tag)
        if stamps:
            elements = [b"" if number in stamps else element for number, element in enumerate(elements)]
        line = b"\x1d".join(elements).rstrip(b"\x1d")
        if component and component in line:
            line = line.replace(component, b"\x1f")
        if repetition and repetition in line:
            line = line.replace(repetition, b"\x1c")
        digest.update(line)
        digest.update(b"\x1e")
    return digest.hexdigest()


MAX_REFERENCE = 80
"""Characters of a normalised reference; longer ones are found by their beginning (X12 127 has 30, or 50 from 005010)."""
MAX_SUBJECT = 150
_JOINERS = re.compile(r"[\s\-\x00-\x1f\x7f-\x9f]+")


def normalise_reference(type_: str, value: str) -> str:
    """One spelling of a reference, for finding: upper case, no spaces, dashes or control characters; an SSCC as its 18 digits.

    'pro', '123-456 789' -> '123456789'; 'sscc', '00 0 0614141 073490001 2' -> '006141410734900012'.
    """
    plain = (value if value.isalnum() else _JOINERS.sub("", value)).upper()
    if type_ == "sscc":
        plain = plain.removeprefix("(00)")
        if len(plain) == 20 and plain.startswith("00") and plain.isdigit():
            plain = plain[2:]
    return plain[:MAX_REFERENCE]


def spellings(value: str) -> list[str]:
    """How a reference may be kept that a person writes so: normalised as any type, as it is, and without leading zeros."""
    found = {normalise_reference(kind, value) for kind in ("", "sscc", "pro")} | {value.strip(), value.strip().lstrip("0")}
    return sorted(found - {""})


def subject_of(kind: str, value: str) -> str:
    """ "shipment/SHP0045871", in capitals; a value over 150 characters is cut and told apart by a piece of its hash."""
    if len(value) > MAX_SUBJECT:
        digest = hashlib.sha256(value.encode("utf-8")).hexdigest()[:16]
        value = f"{value[:MAX_SUBJECT]}…{digest}"
    return f"{kind}/{value}"
