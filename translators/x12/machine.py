"""A guide compiled for one set of delimiters: per place a table from a segment's first bytes to its check and the next table.

The tables are filled as sets are read. Knows nothing of findings.
"""

from typing import Any, NamedTuple

from translators.document import Delimiters
from translators.x12.guide import Guide
from translators.x12.layout import Loop, Place, Step
from translators.x12.patterns import Match, raw_pattern, segment_pattern

MAX_MACHINES = 16
"""Compiled forms kept for a guide; a message that changes its delimiters more often compiles again."""

ATTENTIVE = frozenset({"HL", "LS", "LE", "SE"})
"""Segments that mean more to the reader than their place."""


class Row(NamedTuple):
    """What to do with a segment at a place: does it match, where are we then, is there more to do."""

    match: Match
    get: Any
    """The next table's bound get: (key, default) -> Row."""
    step: Step | None
    """None where the segment's being right and in its place is all there is to say."""


class Table(dict[bytes, Row]):
    """The rows of one place, by the first three bytes of a segment. `count` says how often its segment has come in a row,
    so that a bound on it is a row that is not there.
    """

    __slots__ = ("count", "place")

    def __init__(self, place: Place, count: int) -> None:
        super().__init__()
        self.place, self.count = place, count


def _never(_: bytes) -> None:
    return None


UNKNOWN = Row(_never, None, None)


class Machine:
    """A guide under given delimiters."""

    def __init__(self, guide: Guide, delimiters: Delimiters, closed: frozenset[str]) -> None:
        self.guide, self.delimiters, self.closed = guide, delimiters, closed
        self._tables: dict[tuple[int, int], Table] = {}
        self._matches: dict[str, Match] = {}

    def start(self) -> Table:
        """The table after ST."""
        return self.table(self.guide.layout.root.first)

    def table(self, place: Place, count: int = 1) -> Table:
        """The table of what may follow `place` when its segment has come `count` times in a row."""
        key = (place.number, count)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = Table(place, count)
        return table

    def match(self, tag: str) -> Match:
        """The pattern of a segment."""
        match = self._matches.get(tag)
        if match is None:
            rules = self.guide.dictionary.segments.get(tag)
            if rules is None:
                match = raw_pattern(tag, self.delimiters)
            else:
                match = segment_pattern(rules, self.guide.dictionary, self.delimiters, self.closed)
            self._matches[tag] = match
        return match

    def learn(self, table: Table, tag: str) -> None:
        """Keeps the row for a segment that is right after a place."""
        step = self.guide.layout.forward(table.place, tag)
        if step is None or step.code:
            return
        count = 1
        if isinstance(step.counted, Place):
            count = table.count + 1 if step.again else 1
            if count > (step.counted.maximum or 0):
                return
        plain = not step.missing and not isinstance(step.counted, Loop) and tag not in ATTENTIVE
        row = Row(self.match(tag), self.table(step.place, count).get, None if plain else step)
        table[(tag.encode() + self.delimiters.element)[:3]] = row


def machine_for(guide: Guide, delimiters: Delimiters, closed: frozenset[str]) -> Machine:
    """The compiled form of a guide, made once for each set of delimiters."""
    key = (delimiters, closed)
    machine = guide.machines.get(key)
    if machine is None:
        if len(guide.machines) >= MAX_MACHINES:
            guide.machines.pop(next(iter(guide.machines)))
        machine = guide.machines[key] = Machine(guide, delimiters, closed)
    assert isinstance(machine, Machine)
    return machine
