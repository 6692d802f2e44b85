"""What goes into a mapping besides the document, and what comes out of it.

Plain values; knows nothing of YAML, of X12 or of the store.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from translators.document import Control, Finding
from translators.events.draft import EventDraft

MAX_STEPS = 20_000_000
"""Rules applied and nodes looked at for one document; a 64 MiB set needs about a quarter of it."""
MAX_EVENTS = 200_000
"""Events of one document."""

ZoneOffset = Callable[[str, datetime], tuple[int, bool] | None]
"""(zone name, local time without zone) -> (minutes east of UTC, sure); None for a zone it does not know.
Not sure: the clock was put back or forward at that moment, so that the local time is there twice or not at all."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a mapping must be told, because it may not look it up itself."""

    control: Control
    partner: str
    """The partner's name, for evidence; identities are hashed by the pipeline."""
    received_at: str
    """When the message was received, RFC 3339 with offset; the last resort for an event's time."""
    zone_offset: ZoneOffset
    default_zone: str | None = None
    """The partner's zone (an IANA name such as "America/Chicago") for local times whose place does not tell it."""
    written: tuple[str, str] = ("", "")
    """GS04 and GS05 as text: when the group was written; an estimate's `time` where the set has no stamp of its own."""
    byte_start: int | None = None
    """Where the set begins in the message; None: where its first segment begins."""
    byte_end: int | None = None
    max_steps: int = MAX_STEPS
    max_events: int = MAX_EVENTS


class Unmapped(NamedTuple):
    """Elements with a value that no rule took and that the mapping does not declare under `drops`."""

    path: str
    """Where, such as "HL[I] > PO4/14"."""
    values: int
    """How many values of the document lie there."""
    position: int
    """Position of the first one's segment in its set (ST is 1)."""
    example: str
    """The first value, cut to 40 characters."""


@dataclass(slots=True)
class Mapped:
    """One document, mapped."""

    events: list[EventDraft] = field(default_factory=list)
    unmapped: list[Unmapped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """Values that a rule could not read (a date that is none); they change no verdict and are listed in `unmapped` too."""
