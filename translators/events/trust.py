"""The parts of events that say how far they can be trusted: where they were read, and what is doubtful.

Knows no format and no family.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from translators.events.parts import Part, Text


class Evidence(Part):
    """Where in the received bytes this was read, and by which rules."""

    format: Text
    """x12."""
    set: Text
    """Transaction set id, such as "856"."""
    release: Text
    """The grammar it was read with, such as "004010"."""
    version: Text | None = None
    """The version the sender named (GS08)."""
    interchange: Text | None = None
    """Interchange control number (ISA13)."""
    group: Text | None = None
    """Group control number (GS06)."""
    control: Text | None = None
    """Set control number (ST02)."""
    sender: Text | None = None
    """Sender's id as the envelope has it."""
    receiver: Text | None = None
    """Receiver's id as the envelope has it."""
    usage: Text | None = None
    """P production, T test."""
    byte_start: int
    """Where the set begins in the message, bytes from 0."""
    byte_end: int
    """Where it ends, exclusive."""
    segments: list[int]
    """First and last segment (ST is 1) of the part of the set that this event was made of; references above it count too."""
    mapping: Text
    """The mapping and its overlays, such as "x12/945 + demo-3pl"."""
    partner: Text | None = None
    """Who sent it."""
    message: Text | None = None
    """The gateway's id of the message."""
    document: Text | None = None
    """The gateway's id of the document."""
    profile: Text | None = None
    """Name and revision of the profile that treated it."""


class UnknownCode(Part):
    """A code that our tables have no word for."""

    table: Text
    """The table, such as "shipment_status"."""
    code: Text
    """The code as written."""


class Unreadable(Part):
    """A value that could not be read as what it should be; it stands in the document only."""

    path: Text
    """The element, such as "DTM/02"."""
    text: Text
    """What is wrong with it."""


class Quality(BaseModel):
    """What is doubtful about the event. Open: the gateway and later versions add notes."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    assumed_zone: bool | None = None
    """True if `time` rests on a zone that nobody stated."""
    time_precision: Literal["day", "received"] | None = None
    """day: `time` is the start of a day; received: the document has no usable time, so it is when we received it."""
    unknown_codes: list[UnknownCode] | None = None
    """Codes without a word of ours."""
    unreadable: list[Unreadable] | None = None
    """Values left out because they could not be read."""
    invalid_sscc: list[Text] | None = None
    """SSCCs whose length or check digit is wrong."""
    late: bool | None = None
    """True if a later event of the same subject was told before."""
    findings: int | None = None
    """How many faults the check of the document found."""
