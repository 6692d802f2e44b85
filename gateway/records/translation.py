"""Messages on their way through translation: claims, lanes, and the chunks of COMMIT 2. Knows nothing of what follows from a chunk."""

from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Instant
from gateway.records.answers import Acknowledgment, Origin
from gateway.records.documents import DocumentRow


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


Cause = Chunk | Origin


@dataclass(frozen=True, slots=True)
class ChunkKept:
    stale: bool
    """True if the message had moved on already: nothing was changed."""
    dropped: dict[int, str]
    """Interchanges that the store decided against: ordinal -> duplicate or rejected."""
    states: dict[str, int]
    """Documents by state, for the journal."""
