"""The values that stages hand to the store and get back: one class a verb, no behaviour beyond small conversions."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.clock import DAY, Instant
from gateway.scheduling import USUAL, BreakerTerms
from gateway.store.payloads import Payload
from gateway.ways import MEDIA_TYPE

# ---- receive ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that a door has taken whole; its payload is durable or goes into this commit."""

    id: str
    partner: str
    channel: str
    payload: Payload
    media_type: str
    file_name: str | None
    profile_revision: int
    key: str | None
    """Idempotency-Key, or what the channel has for one; None: identical bytes within `window` are the same message."""
    window: Instant
    at: Instant
    who: str
    traceparent: str | None = None
    """What is kept with it, for the steps that come."""
    above: str | None = None
    """The traceparent that its sender gave."""


Outcome = Literal["new", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What COMMIT 1 made of it. `id` and `at` are the first message's where this one is a duplicate."""

    id: str
    at: Instant
    outcome: Outcome


# ---- translate --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TranslateClaim:
    node: str
    now: Instant
    until: Instant
    lanes: int
    messages: int


@dataclass(frozen=True, slots=True)
class ToTranslate:
    id: str
    partner: str
    channel: str
    arrival: Instant
    size: int
    sha256: str
    data: bytes | None
    location: str | None
    profile_revision: int
    resume: str | None
    losses: int
    traceparent: str | None
    override: str | None
    file_name: str | None


@dataclass(frozen=True, slots=True)
class TranslateLane:
    partner: str
    channel: str
    fence: int
    messages: list[ToTranslate]


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


@dataclass(slots=True)
class Receipt:
    """An answer of ours to a partner: an interchange with slots, and how it goes back."""

    form: str
    """TA1, 997, 999 or 824; "report" for the faults of a file."""
    parts: list[Any]
    scope: str
    """Whose control numbers: sender and receiver as we write them."""
    destination: str
    file_name: str
    media_type: str = MEDIA_TYPE


@dataclass(slots=True)
class Acknowledgment:
    """The verdict on one group, and the 997 or 999 that tells it."""

    interchange: int
    group: int
    verdict: str
    accepted: int
    receipt: Receipt | None
    """None where the agreement wants none, or where `fault` says why none may leave."""
    note: str | None = None
    """What a person should know of it, such as that another form was agreed."""
    fault: str | None = None
    """What our own engine found in it: it is withheld, with an alarm."""


@dataclass(slots=True)
class Chunk:
    """What one stretch of a message came to: the unit of COMMIT 2."""

    message: str
    partner: str
    channel: str
    profile_revision: int
    arrival: Instant
    expected_resume: str | None
    """The resume point this chunk began at; another one in the row means it is committed already."""
    resume: str | None
    """Where the next chunk begins; None when the message is whole."""
    at: Instant
    node: str
    traceparent: str | None = None
    interchanges: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    documents: list[DocumentRow] = field(default_factory=list)
    acknowledgments: list[Acknowledgment] = field(default_factory=list)
    envelope_findings: list[dict[str, Any]] = field(default_factory=list)
    ta1s: list[dict[str, Any]] = field(default_factory=list)
    """What TA1s say of interchanges of ours, each with the ordinal of the interchange that carries it."""
    held: str | None = None
    """The whole message is held, for this reason."""
    replay: bool = False
    """Documents that exist already are read again; their rows change, their 997 stands."""
    override: str | None = None
    """The named override with which a person asked for it."""
    who: str = "crossdock"
    hook: bool = False
    """Whether the partner's webhook is told what became of the message."""
    edited_from: str | None = None
    """The document or message that a person edited: it came by no door, so no envelope was seen and none is answered."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What something comes of that is written outside a chunk: the message, and in whose name."""

    message: str
    partner: str
    channel: str
    profile_revision: int
    at: Instant
    who: str = "crossdock"


Cause = Chunk | Origin


@dataclass(frozen=True, slots=True)
class ChunkKept:
    stale: bool
    """True if the message had moved on already: nothing was changed."""
    dropped: dict[int, str]
    """Interchanges that the store decided against: ordinal -> duplicate or rejected."""
    states: dict[str, int]
    """Documents by state, for the journal."""


# ---- compose ----------------------------------------------------------------------------------------------------------


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


# ---- reconcile --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwedAnswer:
    """A TA1 or 824 that is due, with the rows that it speaks of."""

    id: str
    kind: str
    partner: str
    message: str
    channel: str
    profile_revision: int
    verdict: str
    note: str
    text: str
    interchange: dict[str, Any]
    group: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    references: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """The same, composed: what is to be kept and sent, or why it may not leave."""

    id: str
    origin: Origin
    answers: str
    receipt: Receipt | None
    fault: str | None = None


# ---- deliver ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToDeliver:
    id: str
    lane: str
    fence: int
    partner: str
    destination: str
    kind: str
    message: str
    document: str | None
    event: str | None
    payload: str
    attributes: str
    attempts: int
    unknown_outcome: bool
    on_dead: str
    created_at: Instant
    data: bytes | None
    location: str | None
    sha256: str
    tried_from: Instant
    """When its schedule began: with the delivery, or with a person's retry."""
    accepted: str | None = None
    """Its destination has it, and is asked by this what became of it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim got."""

    deliveries: list[ToDeliver]
    again: Instant | None = None
    """When to ask again, where that is known: a token is there then, or a rest is over."""
    state: str = "closed"
    """The breaker's."""


AttemptOutcome = Literal["delivered", "temporary", "unknown", "permanent", "destination", "accepted", "pending"]
"""`pending`: what was accepted is still not decided; no attempt, and not told."""


@dataclass(frozen=True, slots=True)
class Settled:
    """COMMIT 3: one attempt and what came of it."""

    delivery: str
    lane: str
    fence: int
    partner: str
    destination: str
    message: str
    node: str
    on_dead: str
    started_at: Instant
    duration: Instant
    outcome: AttemptOutcome
    at: Instant
    status: int | None = None
    text: str = ""
    answer: bytes = b""
    next_due: Instant = 0
    is_fault: bool = False
    """Whether the destination failed: what its breaker counts."""
    asked: Instant = 0
    """The rest that it asked for, or that its own fault gives it."""
    in_doubt: bool = False
    """An earlier attempt may have had its effect unseen."""
    breaker: BreakerTerms = USUAL
    owed_since: Instant = 0
    """When the delivery came to be; told in metrics alone."""
    confirmed: str | None = None
    """The id under which the destination has it."""
    words: str | None = None
    """What of a refusal may be told to a partner; None: what usually may."""
    accepted: str | None = None
    """By what the destination is asked later."""


@dataclass(frozen=True, slots=True)
class Renewal:
    lane: str
    fence: int
    until: Instant


@dataclass(frozen=True, slots=True)
class Action:
    """What a person does about a delivery: retry a dead letter, skip it with a reason, or send a delivered one again under the same id."""

    kind: Literal["retry", "skip", "redeliver"]
    delivery: str
    who: str
    reason: str
    at: Instant


# ---- alarms


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One trouble, as it stands."""

    id: str
    kind: str
    partner: str
    message: str | None
    text: str
    count: int
    first_at: Instant
    last_at: Instant
    closed_at: Instant | None
    closed_because: str | None


@dataclass(frozen=True, slots=True)
class AlarmClosed:
    id: str
    at: Instant
    who: str
    because: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter about alarms to one channel."""

    id: str
    """Of its delivery."""
    identity: str
    channel: str
    payload: "Payload"


@dataclass(frozen=True, slots=True)
class Told:
    """Alarms, as they were when the letters about them were written. Not all of them need be in a letter: nobody may want to hear of one."""

    rows: list[AlarmRow]
    letters: list[Letter]
    at: Instant


@dataclass(frozen=True, slots=True)
class Waited:
    """Outboxes in which documents wait for too long: (partner, how many, since when)."""

    late: list[tuple[str, int, Instant]]
    at: Instant


@dataclass(frozen=True, slots=True)
class DiskLook:
    """What a node's disk has left, in words, and whether that is little."""

    node: str
    what: str
    low: bool
    at: Instant
