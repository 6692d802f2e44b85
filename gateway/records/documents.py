"""Documents and their events, as pure code gave them. Knows nothing of the past; the store decides against it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.clock import DAY, Instant


@dataclass(slots=True)
class EventRow:
    """One event as pure code gave it; the store assigns the revision."""

    identity: str
    type: str
    subject: str
    time: str
    purpose: Literal["original", "correct", "cancel"]
    meaning_hash: str
    correlation: str
    data: bytes
    destination: str | None
    on_dead: Literal["block", "pass"]
    priority: int = 1
    fallback: str | None = None
    """Where it goes when its destination has been open for `fallback_after`, or will not take it."""
    fallback_after: Instant | None = None
    standing: dict[str, Any] | None = None
    """What it says of how its shipment or order stands (translators.events.standing)."""
    stock: list[dict[str, Any]] = field(default_factory=list)
    """What it counts of stock, or changes."""


@dataclass(slots=True)
class DocumentRow:
    interchange: int
    group: int
    ordinal: int
    stream: str
    set_id: str
    control: str
    state: Literal["mapped", "rejected", "held", "skipped"]
    reason: str | None
    verdict: str
    codes: str
    release: str
    byte_start: int
    byte_end: int
    mapping: str | None
    content_hash: str | None
    unmapped: str | None
    on_conflict: Literal["hold", "revise"]
    findings: list[str]
    references: list[tuple[str, str]]
    events: list[EventRow]
    advice: Literal["none", "errors", "all"] = "none"
    """Whether the partner gets an 824 about it."""
    refusal: str | None = None
    """Why the mapping could make no event of it."""
    answer: dict[str, Any] | None = None
    """What a 997, 999 or 824 says of what we sent (translators.x12.answers), in place of events."""
    within: Instant = 400 * DAY
    """How long an equal business key or content means the same."""
    first_reading: bool = False
    """In a replay: it could not be read before, so its verdict is new."""


def document_row(row: dict[str, Any]) -> DocumentRow:
    """A worker's row as a value."""
    events = [EventRow(**event | {"data": event["data"].encode()}) for event in row["events"]]
    return DocumentRow(**row | {"events": events, "references": [tuple(one) for one in row["references"]]})
