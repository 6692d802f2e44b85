"""Interchanges and groups as values: where they lie and what their envelopes deserve.

Knows nothing of how they are found (envelope.py) nor of what stands inside a set.
"""

from dataclasses import dataclass, field

from translators.document import Delimiters, Finding

MOST_ACKNOWLEDGMENTS = 10_000


@dataclass(slots=True)
class Group:
    """One functional group, GS to GE. Per-set facts are kept for exceptions only."""

    ordinal: int
    """From 0, within its interchange."""
    functional: str
    """GS01, such as "SH"."""
    sender: str
    receiver: str
    date: str
    time: str
    control: str
    """GS06 as sent."""
    version: str
    """GS08, such as "004010VICS"."""
    byte_start: int
    """Of GS."""
    body_start: int
    """Where the first segment after GS begins (or its tail)."""
    body_end: int
    """Where GE (or what stands in its place) begins, exclusive."""
    byte_end: int
    """After the terminator of GE."""
    claimed_sets: str = ""
    """GE01 as sent, "" without a GE."""
    found_sets: int = 0
    """ST segments seen."""
    codes: list[str] = field(default_factory=list)
    """AK905 and following; any makes the group R."""
    duplicate_sets: frozenset[int] = frozenset()
    """Ordinals (from 0) of sets whose ST02 stood before in this group (AK502 23)."""
    findings: list[Finding] = field(default_factory=list)
    unanswerable: bool = False
    """The group carries acknowledgments (FA): read, never answered."""

    @property
    def unreadable(self) -> bool:
        """Its kind or version is not ours (codes 1 and 2): no sets are listed."""
        return "1" in self.codes or "2" in self.codes


@dataclass(slots=True)
class Interchange:
    """One interchange, ISA to IEA, with the answer its envelope deserves."""

    ordinal: int
    """From 0, within the message."""
    byte_start: int
    byte_end: int
    delimiters: Delimiters
    sender_qualifier: str
    sender: str
    """ISA06 without its padding."""
    receiver_qualifier: str
    receiver: str
    date: str
    time: str
    control: str
    """ISA13 as sent."""
    version: str
    """ISA12."""
    ack_requested: bool
    """ISA14 is 1."""
    usage: str
    """ISA15: P production, T test, I information."""
    ta1: str | None = None
    """The TA1 note we owe: None nothing, "000" it stands and ISA14 asked, else the reason of the rejection."""
    rejected: bool = False
    repeats: int | None = None
    """Ordinal of the earlier interchange of this message with the same sender, receiver and control number."""
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Names of the leniencies used, each once."""
    sha256: str = ""
    """Of its bytes, hex."""
    groups: list[Group] = field(default_factory=list)
    """Empty if rejected."""
    found_groups: int = 0
    """GS segments seen, also where `groups` was emptied."""
    acknowledgments: list[list[str]] = field(default_factory=list)
    """The TA1 segments it carries, as TA101 to TA105; the first MOST_ACKNOWLEDGMENTS of them."""


@dataclass(slots=True)
class Outline:
    """What the envelope pass makes of a message."""

    interchanges: list[Interchange]
    leftover_bytes: int
    """Bytes outside every interchange, without CR, LF, TAB, SPACE, NUL, Ctrl-Z and a byte order mark."""
    warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """Faults of the message as a whole: empty, no ISA, EBCDIC; with the mend."""
