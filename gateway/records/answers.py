"""Our answers to partners, such as a 997 or an 824: of what they come, and how they go back. Knows nothing of how they are written."""

from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Instant
from gateway.ways import MEDIA_TYPE


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


@dataclass(frozen=True, slots=True)
class Origin:
    """What something comes of that is written outside a chunk: the message, and in whose name."""

    message: str
    partner: str
    channel: str
    profile_revision: int
    at: Instant
    who: str = "crossdock"


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
