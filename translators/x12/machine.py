"""A guide compiled for one set of delimiters: per place a table from a segment's first bytes to its check and the next table.

The tables are filled as sets are read. Knows nothing of findings.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from translators.document import Delimiters
from translators.x12.guide import Guide
from translators.x12.layout import Place, Step
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
    """The rows of one place, by the first three bytes of a segment."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


def _never(_: bytes) -> None:
    return None


UNKNOWN = Row(_never, None, None)


class Machine:
    """A guide under given delimiters."""

    def __init__(self, guide: Guide, delimiters: Delimiters, closed: frozenset[str]) -> None:
        self.guide, self.delimiters, self.closed = guide, delimiters, closed
        self._tables: dict[int, Table] = {}
        self._matches: dict[str, Match] = {}

    def start(self) -> Table:
        """The table after ST."""
        return self.table(self.guide.layout.root.first)

    def table(self, place: Place) -> Table:
        """The table of what may follow `place`."""
        table = self._tables.get(place.number)
        if table is None:
            table = self._tables[place.number] = Table(place)
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

    def learn(self, table: Table, tag: str) -> Row | None:
        """The row for a segment ahead of a place, kept in its table; None if the segment does not belong there."""
        step = self.guide.layout.forward(table.place, tag)
        if step is None or step.code:
            return None
        plain = not step.missing and step.counted is None and tag not in ATTENTIVE
        row = Row(self.match(tag), self.table(step.place).get, None if plain else step)
        table[(tag.encode() + self.delimiters.element)[:3]] = row
        return row


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


Get = Callable[[bytes, Row], Row]
