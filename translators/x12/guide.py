"""Guides: what a set may contain, and what each segment and element of a release is.

Knows nothing of files: plain values (from YAML, all text) come in, one class of error goes out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from translators.document import TranslationError
from translators.x12.layout import Layout, Loop, Place

LINE = re.compile(r"(?P<tag>[A-Z][A-Z0-9]{1,2}) (?P<loop>loop )?(?P<required>[MO]) (?P<maximum>>1|[0-9]+)")
ELEMENT = re.compile(
    r"(?P<number>[0-9]{1,4}) (?P<required>[MOX]) (?P<kind>AN|ID|DT|TM|R|B|N[0-9]) (?P<minimum>[0-9]+)/(?P<maximum>[0-9]+) (?P<title>.+)"
)
COMPOSITE = re.compile(r"(?P<number>C[0-9]{3}) (?P<required>[MOX]) (?P<title>.+)")
CONDITION = re.compile(r"(?P<letter>[PRECL])(?P<elements>(?:[0-9]{2}){2,})")


class Condition(NamedTuple):
    """One relational note, such as P0304. One that is not `sure` is told as a warning."""

    letter: str
    elements: tuple[int, ...]
    sure: bool = True

    def __str__(self) -> str:
        return self.letter + "".join(f"{element:02}" for element in self.elements)


@dataclass(frozen=True, slots=True)
class Element:
    """One element or component as a release defines it."""

    number: str
    """The standard's number, such as "373"; C001 for a composite."""
    required: str
    """M mandatory, O optional, X named by a condition."""
    kind: str
    """AN, ID, DT, TM, R, N0 to N9, B; "" for a composite."""
    minimum: int
    maximum: int
    title: str
    parts: tuple["Element", ...] = ()
    conditions: tuple[Condition, ...] = ()
    """Between its parts."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One segment as a release defines it."""

    tag: str
    title: str
    elements: tuple[Element, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The segments of one release, and the ids of those that exist elsewhere in X12."""

    release: str
    segments: Mapping[str, Rules]
    known_ids: frozenset[str]
    codes: Mapping[str, Mapping[str, str]]
    """Data element number -> code -> our words."""


@dataclass(slots=True, eq=False)
class Guide:
    """What one set of one release may contain."""

    set_id: str
    release: str
    functional: str
    title: str
    layout: Layout
    dictionary: Dictionary
    machines: dict[Any, Any] = field(default_factory=dict)
    """Compiled forms by delimiters, kept by machine.py."""


def dictionary(release: str, *, segments: Any, composites: Any, codes: Any, known_ids: frozenset[str]) -> Dictionary:
    """A dictionary from plain values; raises TranslationError that names the segment and the line."""
    parts = {name: _rules(name, value, {}) for name, value in composites.items()}
    rules = {tag: _rules(tag, value, parts) for tag, value in segments.items()}
    return Dictionary(release, rules, known_ids | rules.keys(), codes)


def guide(value: Any, dictionary: Dictionary) -> Guide:
    """A guide from plain values; raises TranslationError that names the set and the line."""
    name = f"guide {value.get('set')} {value.get('release')}"
    missing = {"set", "release", "functional", "title", "layout"} - value.keys()
    if missing:
        raise TranslationError(f"{name}: {', '.join(sorted(missing))} missing")
    if not isinstance(value["layout"], list):
        raise TranslationError(f"{name}: layout must be a list of segments and loops")
    root = Loop("", True, 1, None, 0, 0)
    _fill(root, value["layout"], name, counter=iter(range(1, 1_000_000)))
    return Guide(value["set"], value["release"], value["functional"], value["title"], Layout(root), dictionary)


def _fill(loop: Loop, lines: Any, name: str, counter: Iterator[int]) -> None:
    for line in lines:
        text, inner = next(iter(line.items())) if isinstance(line, dict) and len(line) == 1 else (line, None)
        found = LINE.fullmatch(text) if isinstance(text, str) else None
        if not found or bool(found["loop"]) != isinstance(inner, list):
            raise TranslationError(f"{name}: {text!r} is not of the form 'REF O 12' or 'N1 loop O 200:' with its segments below")
        maximum = None if found["maximum"] == ">1" else int(found["maximum"])
        required, index, number = found["required"] == "M", len(loop.items), next(counter)
        if inner is None:
            loop.items.append(Place(found["tag"], required, maximum, loop, index, number))
            continue
        below = Loop(found["tag"], required, maximum, loop, index, number, bounded=loop.bounded or found["tag"] == "LS")
        _fill(below, inner, name, counter)
        if not below.items or not isinstance(below.items[0], Place) or below.items[0].tag != below.tag:
            raise TranslationError(f"{name}: the loop {below.tag} must begin with its segment {below.tag}")
        loop.items.append(below)


def _rules(tag: str, value: Any, composites: Mapping[str, Rules]) -> Rules:
    if not isinstance(value, dict) or not isinstance(value.get("title"), str) or not isinstance(value.get("elements"), list) or not value["elements"]:
        raise TranslationError(f"{tag}: a title and a list of elements are due")
    elements = tuple(_element(tag, line, composites) for line in value["elements"])
    conditions = [*_conditions(tag, value.get("conditions"), sure=True), *_conditions(tag, value.get("doubtful"), sure=False)]
    for condition in conditions:
        if max(condition.elements) > len(elements):
            raise TranslationError(f"{tag}: condition {condition} names an element beyond the {len(elements)} there are")
    return Rules(tag, value["title"], elements, tuple(conditions))


def _element(tag: str, line: str, composites: Mapping[str, Rules]) -> Element:
    if not isinstance(line, str):
        raise TranslationError(f"{tag}: {line!r} is no line of text")
    if found := ELEMENT.fullmatch(line):
        return Element(found["number"], found["required"], found["kind"], int(found["minimum"]), int(found["maximum"]), found["title"])
    found = COMPOSITE.fullmatch(line)
    if not found or found["number"] not in composites:
        raise TranslationError(f"{tag}: {line!r} is not of the form '373 M DT 8/8 date' or 'C040 O reference'")
    inner = composites[found["number"]]
    return Element(found["number"], found["required"], "", 1, 0, found["title"], inner.elements, inner.conditions)


def _conditions(tag: str, text: str | None, *, sure: bool) -> Iterator[Condition]:
    for word in str(text or "").split():
        found = CONDITION.fullmatch(word)
        if not found:
            raise TranslationError(f"{tag}: {word!r} is no condition such as P0304")
        digits = found["elements"]
        yield Condition(found["letter"], tuple(int(digits[at : at + 2]) for at in range(0, len(digits), 2)), sure)


class GuideBook:
    """The guides there are, read when first asked for.

    `available` maps a set id to the releases it has a guide for; `load(set_id, release, dictionary_release)` makes one.
    """

    def __init__(self, available: Mapping[str, tuple[str, ...]], load: Callable[[str, str, str], Guide]) -> None:
        self._available = available
        self._load = load
        self._guides: dict[tuple[str, str, str], Guide] = {}

    def knows(self, set_id: str) -> bool:
        """Whether we have a grammar for the set, in any release."""
        return set_id in self._available

    def sets(self) -> tuple[str, ...]:
        """The set ids there are guides for, sorted."""
        return tuple(sorted(self._available))

    def releases(self, set_id: str) -> tuple[str, ...]:
        """The releases of a set's guides, the oldest first; none for a set we do not know."""
        return tuple(sorted(self._available.get(set_id, ())))

    def guide(self, set_id: str, version: str) -> Guide | None:
        """The guide for a version (its first six digits count), or the nearest release; None for a set we do not know."""
        release = self._nearest(set_id, version)
        return self._get(set_id, release, release) if release else None

    def other_shapes(self, set_id: str, version: str) -> Iterator[Guide]:
        """The layouts of the set's other releases over the dictionary of `version`: partners write one release's shape under another's name."""
        nearest = self._nearest(set_id, version)
        for release in self._available.get(set_id, ()):
            if nearest and release != nearest:
                yield self._get(set_id, release, nearest)

    def _nearest(self, set_id: str, version: str) -> str | None:
        releases = self.releases(set_id)
        earlier = [release for release in releases if release <= version[:6]]
        return earlier[-1] if earlier else releases[0] if releases else None

    def _get(self, set_id: str, release: str, dictionary_release: str) -> Guide:
        key = (set_id, release, dictionary_release)
        if key not in self._guides:
            self._guides[key] = self._load(*key)
        return self._guides[key]
