"""A document that the ERP has released, and what its commit made of it. Knows nothing of how it is sent."""

from dataclasses import dataclass
from typing import Any

from gateway.clock import Instant
from gateway.records.incoming import Outcome


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document that the ERP has released, composed with slots, and everything that one commit keeps of it."""

    id: str
    partner: str
    key: str | None
    """Idempotency-Key, or a CloudEvent's source and id; None: identical bytes within `window` are the same request."""
    digest: str
    """SHA-256 of the request's body."""
    window: Instant
    at: Instant
    who: str
    traceparent: str | None
    profile_revision: int
    stream: str
    event: bytes
    """The request's body, kept as it came."""
    set_id: str
    functional: str
    release: str
    version: str
    """GS08."""
    sender: str
    """Ours, qualifier:id."""
    receiver: str
    sender_code: str
    receiver_code: str
    envelope_version: str
    usage: str
    parts: list[Any]
    scope: str
    destination: str
    file_name: str
    subject: str
    correlation: str
    references: list[tuple[str, str]]
    not_written: list[tuple[str, str]]
    """Fields of the event for which the document has no place, and why."""
    mapping: str
    on_dead: str
    awaited: dict[str, Instant]
    """Kind of acknowledgment -> the span within which it is owed."""
    tell: str
    """The destination that is told what the partner says of it."""
    priority: int = 1
    format: str = "x12"
    """x12, csv or xml: files of the latter two have no envelope, and no control number that an answer could name."""
    when_overdue: tuple[str, ...] = ("alarm",)
    """Steps when it has not come: alarm, remind, mail, resend, refuse. The first at the deadline, then one each `then_every`."""
    then_every: Instant = 0


@dataclass(frozen=True, slots=True)
class OutgoingKept:
    """`id` is the first message's where this one is a duplicate."""

    id: str
    outcome: Outcome
