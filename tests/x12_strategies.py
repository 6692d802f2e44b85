"""Makes valid sets and interchanges of any guide, every optional segment and element reachable.

Choices come from a chooser: Hypothesis draws them (`valid_sets`, `valid_interchanges`: they shrink to the least set), or a seeded
random.Random makes many at once (`made_set(guide, by_chance(seed))`). Knows the guide only; nothing of what reader or mapping make of it.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

import mappings
from partners.guides import shipped_guides
from tests.x12_values import value_of
from translators.document import Delimiters
from translators.x12.groups import SETS_OF
from translators.x12.guide import Condition, Element, Guide, Rules
from translators.x12.layout import Loop, Place, places

Choose = Callable[[int], int]
"""How many possibilities there are -> which one, from 0; 0 is the simplest."""

Value = str | tuple[str, ...]
"""An element's text, or the texts of its components."""

STANDARD = Delimiters(b"*", b":", b"^", b"~")
SHIPPED = tuple(sorted((path.parent.name, path.stem.removeprefix("guide-")) for path in Path(mappings.__file__).parent.glob("x12/*/guide-*.yaml")))
"""(set id, release) of every guide that ships."""


@dataclass(frozen=True)
class Terms:
    """What is made. The defaults make every set of the guide that has no finding at all, warnings among them."""

    doubtful: bool = True
    """Conditions that public sources do not agree on are kept, too."""
    odd: bool = False
    """Also rare right forms: leading zeros, minus signs, exponents, points at the ends, greatest lengths, letters beyond ASCII."""
    repeats: int = 2
    """How often a segment or loop comes at most (or its own maximum, if that is less)."""
    levels: str = "SOTPI"
    """HL03 codes, a child's later than its parent's."""
    at_level: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """HL03 -> tags of the segments and loops allowed in an HL of that level; a level left out may hold all."""
    without: frozenset[str] = frozenset()
    """Tags of optional segments and loops that are never made."""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What an element may hold, by place ("AT701") or data element ("1650"); the place decides."""
    elements: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    """Tag -> the choices of optional elements that may be asked for together; others come only where a condition wants them."""


@dataclass(frozen=True)
class MadeSet:
    """A set, ST to SE, as text; `uses` names the place in the guide that each segment fills."""

    guide: Guide = field(repr=False)
    segments: tuple[tuple[Value, ...], ...]
    """Each its id, then its elements without empty ones at the end."""
    uses: tuple[Place, ...] = field(repr=False)

    def reached(self) -> Iterator[tuple[str, int]]:
        """(path of the place, element) of every element that has a value; element 0 is the segment itself."""
        for segment, place in zip(self.segments, self.uses, strict=True):
            yield from ((path_of(place), number) for number, value in enumerate(segment) if value)


def guide_of(set_id: str, release: str) -> Guide:
    """A guide that ships."""
    found = shipped_guides().guide(set_id, release)
    assert found is not None
    return found


def rules_of(guide: Guide, tag: str) -> Rules:
    """A segment's rules; for one whose elements the dictionary does not hold, a text."""
    return guide.dictionary.segments.get(tag) or Rules(tag, "", (Element("0", "M", "AN", 1, 10, "undefined"),), ())


def by_chance(seed: object) -> Choose:
    """A chooser that needs no Hypothesis; the same seed makes the same sets."""
    return random.Random(str(seed)).randrange


@cache
def _below(size: int) -> st.SearchStrategy[int]:
    """A set takes some hundred choices, nearly all of the same few sizes: a strategy is made once for each."""
    return st.integers(0, size - 1)


@st.composite
def valid_sets(draw: st.DrawFn, guide: Guide, terms: Terms = Terms()) -> MadeSet:
    """Valid sets of a guide, ST02 0001."""
    return made_set(guide, lambda size: draw(_below(size)), terms)


@st.composite
def valid_interchanges(
    draw: st.DrawFn,
    guide: Guide,
    terms: Terms = Terms(),
    *,
    sets: int = 2,
    delimiters: Delimiters = STANDARD,
    tail: str = "",
) -> bytes:
    """Interchanges of one group with up to `sets` valid sets."""
    return written(draw(st.lists(valid_sets(guide, terms), min_size=1, max_size=sets)), delimiters=delimiters, tail=tail)


def made_set(guide: Guide, choose: Choose, terms: Terms = Terms(), *, wanted: Sequence[Place] | None = None) -> MadeSet:
    """One valid set. `wanted` names places that come with all their elements where conditions allow; else some are chosen."""
    return _Maker(guide, choose, terms, wanted).make()


def written(
    sets: Sequence[MadeSet], *, delimiters: Delimiters = STANDARD, tail: str = "", control: int = 1, group: int = 1, usage: str = "P"
) -> bytes:
    """An interchange of one group that holds the sets, their control numbers counted from 0001."""
    guide = sets[0].guide
    late = guide.release > "004010"
    repetition = delimiters.repetition.decode() if late else "U"
    head: list[Value] = ["ISA", "00", " " * 10, "00", " " * 10, "ZZ", "ACMECARRIER".ljust(15), "ZZ", "CROSSDOCK".ljust(15), "261116", "0905"]
    head += [repetition, "00501" if late else "00401", f"{control:09}", "0", usage, delimiters.component.decode()]
    functional = SETS_OF.get(guide.set_id, guide.functional)
    segments: list[Sequence[Value]] = [head, ("GS", functional, "ACME", "CROSSDOCK", "20261116", "0905", str(group), "X", guide.release)]
    for number, one in enumerate(sets, start=1):
        header, *body, trailer = one.segments
        segments += [_numbered(header, number), *body, _numbered(trailer, number)]
    segments += [("GE", str(len(sets)), str(group)), ("IEA", "1", f"{control:09}")]
    end = delimiters.segment + tail.encode()
    return b"".join(delimiters.element.join(_encoded(value, delimiters) for value in segment) + end for segment in segments)


def reachable(guide: Guide, terms: Terms = Terms()) -> frozenset[tuple[str, int]]:
    """(path, element) of everything that the guide defines; see `MadeSet.reached`."""
    return frozenset(
        (path_of(place), number)
        for place in places(guide.layout.root)
        if not terms.without.intersection(path_of(place).split(">"))
        for number in range(len(rules_of(guide, place.tag).elements) + 1)
    )


@cache
def path_of(place: Place) -> str:
    """The loops around a place and its segment, such as "HL>N1>N4"; a second place of the same tag in its loop is "DTM#2"."""
    tags, loop = [], place.loop
    same = [item for item in loop.items if item.tag == place.tag]
    tags.append(place.tag if same[0] is place else f"{place.tag}#{same.index(place) + 1}")
    while loop.parent is not None:
        tags.append(loop.tag)
        loop = loop.parent
    return ">".join(reversed(tags if place.index or place.loop.parent is None else tags[1:]))


def settled(rules: Rules, wanted: set[int], *, doubtful: bool) -> set[int]:
    """The elements that stand where `wanted` ones are asked for: the mandatory ones too, and what the conditions add or forbid."""
    conditions = [condition for condition in rules.conditions if condition.sure or doubtful]
    mandatory = {number for number, element in enumerate(rules.elements, start=1) if element.required == "M"}
    has, banned = wanted | mandatory, set[int]()
    for _ in range(4 * len(rules.elements) + 4):
        before = (set(has), set(banned))
        for condition in conditions:
            _settle(condition, has, banned, mandatory)
        if (has, banned) == before:
            return has
    raise AssertionError(f"{rules.tag}: its conditions contradict each other for {sorted(wanted)}")


def _settle(condition: Condition, has: set[int], banned: set[int], mandatory: set[int]) -> None:
    """Keeps one condition by adding elements that are not banned; where that cannot be, by taking away, which bans."""
    first, rest = condition.elements[0], condition.elements[1:]
    present = [element for element in condition.elements if element in has]
    free = [element for element in condition.elements if element not in banned]
    take: list[int] = []
    match condition.letter:
        case "E":
            take = sorted(present, key=lambda element: element not in mandatory)[1:]
        case "P" if present:
            take = present if len(free) < len(condition.elements) else []
            has |= set() if take else set(free)
        case "C" if first in has:
            take = [first] if banned.intersection(rest) else []
            has |= set() if take else set(rest)
        case "L" if first in has and not has.intersection(rest):
            choices = [element for element in rest if element not in banned]
            take = [] if choices else [first]
            has |= set(choices[:1])
        case "R" if not present:
            has |= set(free[:1])
    has -= set(take)
    banned |= set(take)


class _Maker:
    def __init__(self, guide: Guide, choose: Choose, terms: Terms, wanted: Sequence[Place] | None) -> None:
        self.guide, self.choose, self.terms = guide, choose, terms
        self.all = [place for place in places(guide.layout.root) if not self._left_out(place)]
        self.full = wanted is not None
        chosen = wanted if wanted is not None else self._chosen()
        self.shown = {id(item) for place in chosen for item in _with_loops(place)}
        self.segments: list[list[Value]] = []
        self.uses: list[Place] = []
        self.levels: list[_Level] = []
        self.path: list[_Level] = []
        """The HL that stands open and those above it."""
        self.bound = ""

    def make(self) -> MadeSet:
        self._loop(self.guide.layout.root)
        self._close_levels()
        self.segments[-1][1:] = [str(len(self.segments)), *self.segments[-1][2:]]
        return MadeSet(self.guide, tuple(tuple(segment) for segment in self.segments), tuple(self.uses))

    def _chosen(self) -> list[Place]:
        """Nothing optional, a few places, or any of all."""
        few = [self.all[self.choose(len(self.all))] for _ in range(self.choose(7))]
        if self.choose(4) < 3:
            return few
        mask = self.choose(1 << len(self.all))
        return [place for bit, place in enumerate(self.all) if mask >> bit & 1]

    def _left_out(self, place: Place) -> bool:
        return any(item.tag in self.terms.without and not item.required for item in _with_loops(place))

    def _loop(self, loop: Loop, level: str = "") -> None:
        allowed = self.terms.at_level.get(level)
        for item in loop.items:
            held = loop.tag == "HL" and allowed is not None and item.tag not in allowed and item.index
            if not held:
                for _ in range(self._times(item)):
                    self._item(item)
        if loop.first.tag == "LS":
            self.bound = ""

    def _times(self, item: Place | Loop) -> int:
        optional = not item.required
        if optional and id(item) not in self.shown:
            return 0
        most = max(min(item.maximum or self.terms.repeats, self.terms.repeats), 1)
        if item.tag == "HL" and item.maximum != 1:
            most = max(most, len(self.terms.levels))
        return 1 if self.full and item.tag != "HL" else 1 + self.choose(most)

    def _item(self, item: Place | Loop) -> None:
        if isinstance(item, Place):
            self._segment(item)
        else:
            self._loop(item, level=self._next_level() if item.tag == "HL" else "")

    def _segment(self, place: Place) -> None:
        rules = rules_of(self.guide, place.tag)
        present = settled(rules, self._asked(rules), doubtful=self.terms.doubtful)
        values: list[Value] = [
            self._value(element, place.tag, number) if number in present else "" for number, element in enumerate(rules.elements, 1)
        ]
        match place.tag:
            case "ST":
                values[:2] = [self.guide.set_id, "0001"]
            case "SE":
                values[:2] = ["0", "0001"]
            case "HL":
                values = self._level_values(values)
            case "LS":
                self.bound = str(values[0])
            case "LE":
                values[0] = self.bound or values[0]
            case "BIN" | "BDS":
                values[-2] = str(len(str(values[-1]).encode()))
        while values and not values[-1]:
            values.pop()
        self.segments.append([place.tag, *values])
        self.uses.append(place)

    def _asked(self, rules: Rules) -> set[int]:
        """Optional elements that are to come."""
        if choices := self.terms.elements.get(rules.tag):
            return set(choices[self.choose(len(choices))])
        optional = [number for number, element in enumerate(rules.elements, start=1) if element.required != "M"]
        asked = self._some(optional) if optional else set()
        # A segment has at least one element.
        return asked if len(optional) < len(rules.elements) else asked or {optional[self.choose(len(optional))]}

    def _some(self, optional: list[int]) -> set[int]:
        if self.full and self.choose(3):
            return set(optional) if self.choose(2) else {optional[self.choose(len(optional))]}
        mask = self.choose(1 << len(optional))
        return {number for bit, number in enumerate(optional) if mask >> bit & 1}

    def _value(self, element: Element, tag: str, number: int) -> Value:
        if not element.parts:
            return self._text(element, f"{tag}{number:02}")
        rules = Rules(tag, "", element.parts, element.conditions)
        present = settled(rules, self._asked(rules) | {1}, doubtful=True)
        parts = [self._text(part, f"{tag}{number:02}-{at:02}") if at in present else "" for at, part in enumerate(element.parts, start=1)]
        return tuple(parts[: max(present)])

    def _text(self, element: Element, name: str) -> str:
        given = self.terms.values.get(name) or self.terms.values.get(element.number)
        if given:
            return given[self.choose(len(given))]
        return value_of(element, self.guide.dictionary.codes, self.choose, odd=self.terms.odd)

    def _next_level(self) -> str:
        """Opens the next HL: of the first level if it is the first, else of a later one, below an HL that stands open."""
        order = self.terms.levels
        code = order[min(1 + self.choose(len(order)), len(order) - 1)] if self.levels else order[0]
        self.path = [level for level in self.path if order.index(level.code) < order.index(code)]
        self.path = self.path[: len(self.path) - self.choose(len(self.path))] if self.path else []
        for level in self.path[-1:]:
            level.has_child = True
        level = _Level(len(self.levels) + 1, code, self.path[-1].number if self.path else None)
        self.levels.append(level)
        self.path.append(level)
        return code

    def _level_values(self, values: list[Value]) -> list[Value]:
        """HL01 to HL03; HL04, if it is to come, waits until all children are known."""
        level = self.levels[-1]
        level.segment = len(self.segments)
        return [str(level.number), str(level.parent or ""), level.code, *values[3:4]]

    def _close_levels(self) -> None:
        for level in self.levels:
            if len(self.segments[level.segment]) > 4:
                self.segments[level.segment][4] = "1" if level.has_child else "0"


@dataclass
class _Level:
    """One HL; `segment` is its index in the set."""

    number: int
    code: str
    parent: int | None
    has_child: bool = False
    segment: int = 0


def _with_loops(place: Place) -> Iterator[Place | Loop]:
    yield place
    loop: Loop | None = place.loop
    while loop is not None:
        yield loop
        loop = loop.parent


def _numbered(segment: tuple[Value, ...], number: int) -> tuple[Value, ...]:
    return (*segment[:2], f"{number:04}", *segment[3:])


def _encoded(value: Value, delimiters: Delimiters) -> bytes:
    parts = (value,) if isinstance(value, str) else value
    return delimiters.component.join(part.encode() for part in parts)
