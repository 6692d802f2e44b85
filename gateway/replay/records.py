"""The values that a replay hands to the store and gets back: its job, a page of documents, and what a chunk of it came to."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.clock import Instant
from gateway.records.documents import DocumentRow
from gateway.store.payloads import Payload

ALL = "-"
"""In a partner's place: of every partner."""
Act = Literal["reprocess", "redeliver", "retry", "skip"]
Into = Literal["live", "test", "nowhere"]
DeadKind = Literal["delivery", "document", "interchange", "message"]
State = Literal["running", "paused", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A replay as a person asks for it."""

    id: str
    partner: str
    act: Act
    into: Into
    target: str | None
    revision: str
    """original, live, or a number."""
    query: dict[str, Any]
    """since and until (instants); set, values, message, document, override; of dead letters type, cause, text; revisions (partner -> number)."""
    who: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Job:
    """The same as a row, leased."""

    asked: Asked
    fence: int
    cursor: dict[str, Any]
    """arrival, message and place ([interchange, group, set], or None where the message is done): up to there, that included, it is done.
    pending: what is asked of other stages and not decided yet. Of dead letters: kind, at and id."""
    diff: dict[str, Any]
    total: int | None

    @property
    def partner(self) -> str | None:
        return None if self.asked.partner == ALL else self.asked.partner


@dataclass(frozen=True, slots=True)
class JobClaim:
    node: str
    now: Instant
    until: Instant
    limit: int


@dataclass(frozen=True, slots=True)
class JobLease:
    job: str
    fence: int
    until: Instant


@dataclass(frozen=True, slots=True)
class StateChange:
    """A person pauses, resumes or cancels a job."""

    job: str
    state: Literal["running", "paused", "cancelled"]
    at: Instant


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it stands."""

    id: str
    interchange: int
    group: int
    ordinal: int
    set_id: str
    state: str
    reason: str | None
    revision: int
    stream: str
    byte_start: int
    byte_end: int
    verdict: str
    """What the 997 said of it: A, E or R."""

    @property
    def place(self) -> tuple[int, int, int]:
        return self.interchange, self.group, self.ordinal

    @property
    def given_up(self) -> bool:
        """A person has skipped it, and a replay of many does not bring it back."""
        return self.state == "skipped" and (self.reason or "").startswith("skipped: ")


@dataclass(frozen=True, slots=True)
class Portion:
    """Some documents of one message."""

    message: str
    partner: str
    channel: str
    arrival: Instant
    size: int
    payload: Payload
    file_name: str | None
    state: str
    revision: int
    documents: list[Stored]
    """None of them: a message that is held before anything of it was read."""


@dataclass(frozen=True, slots=True)
class Page:
    portions: list[Portion]
    cursor: dict[str, Any]
    messages: int
    """How many messages end with it."""
    last: bool


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it was told of a document."""

    id: str
    document: str
    identity: str
    type: str
    subject: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Trial:
    """A message's documents whose events go to a test target."""

    message: str
    partner: str
    channel: str
    revision: int
    arrival: Instant
    documents: list[tuple[str, DocumentRow]]
    """(id, as it was read)."""


@dataclass(frozen=True, slots=True)
class Again:
    """Documents of a message that go back into its lane; none: all that is left of it."""

    message: str
    documents: tuple[str, ...]
    revision: int


@dataclass(slots=True)
class Progress:
    """A chunk of a job as one commit: how far it is now, what it counted, and what it asks of others."""

    job: str
    fence: int
    at: Instant
    until: Instant
    before: dict[str, Any]
    """The cursor that it began at; another one in the row means that it is committed already, or that somebody else was faster."""
    cursor: dict[str, Any]
    counts: dict[str, int]
    """To be added to those of the row."""
    diff: dict[str, Any] | None = None
    state: State = "running"
    told: str | None = None
    again: list[Again] = field(default_factory=list)
    deliveries: list[str] = field(default_factory=list)
    """To be sent again under their own ids."""
    trials: list[Trial] = field(default_factory=list)
    dead: list["DeadLetter"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of what waits for a person."""

    kind: DeadKind
    id: str
    """Of an interchange: its message's."""
    message: str
    partner: str
    state: str
    cause: str
    at: Instant
    """Its place in the order in which a job works them off."""
