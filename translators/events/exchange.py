"""exchange.settled: a partner has said what it thinks of something we sent it (TA1, 997 or 999, 824).

The gateway makes it from its own rows, so it has no mapping.
"""

from typing import Any, Literal

from translators.events.checked import checker
from translators.events.family import OwnFamily
from translators.events.parts import Part, Text


class Acknowledged(Part):
    """What of ours the partner speaks of."""

    kind: Literal["TA1", "997", "824"]
    """What is said: TA1 of the envelope, 997 (or 999) of the form, 824 of the content."""
    document: Text | None = None
    """Our id of the document; absent for a whole interchange."""
    message: Text
    """Our id of the message."""
    set: Text | None = None
    """Transaction set id, such as "940"."""
    interchange: Text
    """Our interchange control number (ISA13)."""
    group: Text | None = None
    """Our group control number (GS06)."""
    control: Text | None = None
    """Our set control number (ST02)."""


class ToldFault(Part):
    """One fault that the partner found."""

    level: Text
    """interchange, group, set, segment, element."""
    code: Text | None = None
    """The partner's code, by the level: TA105, AK905, AK502, AK304, AK403, TED01."""
    text: Text
    """What it means, with the partner's own words where there are any."""
    segment: Text | None = None
    """Segment id."""
    position: int | None = None
    """Position of the segment in our set; ST is 1."""
    element: int | None = None
    """Position of the element in its segment."""
    component: int | None = None
    """Position of the component in its element."""
    repetition: int | None = None
    """Which repetition of the element."""
    data_element: int | None = None
    """The standard's number of the element."""
    loop: Text | None = None
    """Loop id."""
    value: Text | None = None
    """The value that the partner complains of."""


class Teller(Part):
    """Where the partner said it."""

    form: Text
    """TA1, 997, 999 or 824."""
    message: Text
    """The gateway's id of the partner's message."""
    document: Text | None = None
    """The gateway's id of the partner's document."""
    partner: Text
    """Who said it."""


class ExchangeSettled(Part):
    """What a partner thinks of a document of ours."""

    acknowledged: Acknowledged
    """What it speaks of."""
    verdict: Literal["accepted", "accepted with errors", "partly accepted", "rejected", "disputed"]
    """What it says. disputed: its answer contradicts itself, and a person must ask."""
    faults: list[ToldFault] | None = None
    """What it found wrong."""
    late: Literal[True] | None = None
    """True if it came after its time."""
    evidence: Teller
    """Where it said so."""


FAMILY = OwnFamily("exchange.settled", 1, ExchangeSettled)
MOST_FAULTS = 1_000


def settled(acknowledged: dict[str, Any], verdict: str, faults: list[dict[str, Any]], *, late: bool, evidence: dict[str, Any]) -> dict[str, Any]:
    """The event's data, checked, its names in order; empty values are left out. Raises pydantic's ValidationError for what does not fit."""
    value: dict[str, Any] = {"acknowledged": _told(acknowledged), "verdict": verdict, "evidence": _told(evidence)}
    if faults:
        value["faults"] = [_told(fault) for fault in faults[:MOST_FAULTS]]
    if late:
        value["late"] = True
    return checker(ExchangeSettled)(value)


def _told(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}
