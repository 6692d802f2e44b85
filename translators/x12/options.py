"""What a partner's terms change in reading X12: strictness, named leniencies, limits.

Knows nothing of profiles; whoever calls makes an Options from one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

ReadAt = Callable[[int, int], bytes]
"""(offset, length) -> the bytes there, fewer at the end of the message. Pure code never opens files."""

Strictness = Literal["strict", "tolerant"]

LENIENCIES = {
    "unpadded-isa": "ISA elements of other lengths than the standard's (ISA13 without its zeros, too) and no ISA16: found by counting separators",
    "isa11-not-a-separator": "ISA11 holds U (or another letter) from 00402 on, or no U before: no repetition is in force",
    "mixed-tails": "spaces and tabs, too, may stand between a terminator and the next segment",
    "wrapped-lines": "line breaks inside segments and elements, ISA among them, are no data",
    "empty-segment": "two terminators in a row",
    "trailing-separators": "empty elements at the end of a segment",
    "loose-order": "segments of one loop in another order",
    "implicit-loop": "a loop without the segment that opens it: W01 or W12 without LX, N3 without N1",
    "count-off": "SE01, GE01 or IEA01 off by one or two, from another way of counting",
    "short-set-control": "ST02 shorter than four characters",
    "number-padding": "control numbers that differ in leading zeros only",
    "long-text": "names, references and descriptions (93, 127, 352) over their maximum",
    "lower-case": "codes of closed lists in lower case",
    "latin-1-fallback": "bytes that are no UTF-8: read as Latin-1",
    "date-six": "dates as YYMMDD from 004010 on, and 00000000 or 99999999 for none",
    "comma-decimal": "a comma for the decimal point",
    "unknown-code": "codes outside a closed list",
    "extra-elements": "elements after the last one defined",
    "foreign-segment": "segments that the set does not have",
    "hl-loose": "an HL tree that does not fit: parents unknown, ids twice, HL04 against the facts",
    "version-mismatch": "a version (GS08) that is short or unknown: read with the nearest guide",
    "same-again": "the same interchange byte for byte: answered again, worked on once",
}
"""The named leniencies and what each permits. Each use is a warning on the document."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may cost us; beyond it a set is refused or held, never the process."""

    segment_bytes: int = 1 << 20
    element_bytes: int = 32 << 10
    elements: int = 1_000
    """Elements in one segment."""
    findings: int = 1_000
    """Findings kept for one set; the next ones are counted in a last finding."""
    set_bytes: int = 64 << 20
    binary_bytes: int = 32 << 20
    """The longest BIN or BDS data."""
    interchanges: int = 100_000
    groups: int = 100_000
    """Groups in one message."""


@dataclass(frozen=True)
class Options:
    """The terms under which a message is read. `allow` holds names from LENIENCIES."""

    strictness: Strictness = "tolerant"
    allow: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    century_from: int = 50
    """Two-digit years from here on are 19xx, below 20xx."""
    closed_lists: frozenset[str] = frozenset({"353", "735", "143"})
    """Data elements whose code list admits nothing else."""

    def __post_init__(self) -> None:
        """Raises ValueError, naming the leniencies there are, for one that is not in LENIENCIES."""
        if unknown := sorted(self.allow - LENIENCIES.keys()):
            raise ValueError(f"no leniency is called {', '.join(unknown)}; there are: {', '.join(LENIENCIES)}")
