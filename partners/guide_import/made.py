"""What an import comes to: guides, segments, composites and codes as plain values, and what could not be carried over.

Knows neither sources nor files.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Item:
    """A segment of a layout, or a loop that it opens."""

    tag: str
    required: bool
    maximum: int | None
    """None: without bound."""
    below: "list[Item] | None" = None
    """The loop's items behind its segment; None for a single segment."""


@dataclass(slots=True)
class MadeGuide:
    """One set of one release."""

    set_id: str
    release: str
    functional: str
    title: str
    items: list[Item]


@dataclass(slots=True)
class MadeSegment:
    """One segment, or one composite, of a release; element lines as guides have them."""

    title: str
    elements: list[str]
    conditions: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Made:
    """All of an import."""

    guides: list[MadeGuide] = field(default_factory=list)
    segments: dict[tuple[str, str], MadeSegment] = field(default_factory=dict)
    """(release, segment)."""
    composites: dict[tuple[str, str], MadeSegment] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Data element -> code -> words."""
    notes: list[str] = field(default_factory=list)
    """What could not be carried over, for a person."""


class ImportFault(ValueError):
    """A source cannot be read; each line names file, place and mend."""
