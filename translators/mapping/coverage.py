"""Which elements of a guide a mapping carries, drops on purpose, or lists as unmapped: tried, not guessed, on one segment after another.

For each place of the guide a small document is made with that segment and what it needs around it, every element filled in, and read with a
notebook. What no rule took and no `drops:` line names would be listed as not carried over. Knows no store and no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from translators.document import Delimiters, Document, Node, Segment
from translators.mapping.compiler import CompiledMapping
from translators.mapping.errors import MappingProblem
from translators.mapping.run import meets
from translators.mapping.tracing import ITEM, PASS, Frame, TracingRun
from translators.mapping.values import Context
from translators.x12.guide import Element, Guide
from translators.x12.layout import Loop, Place, places

LEVELS = {"O": "S", "T": "O", "P": "O", "I": "O"}
"""HL levels and the level they are tried below."""
SAMPLES = {"DT": b"20260116", "TM": b"0905", "ID": b"XX", "AN": b"XX", "R": b"1", "B": b"X"}
FORMS = {"1654": b"0753000", "1655": b"0402600", "1280": b"N"}
"""Data elements whose codes have a form of their own."""
BARE = Delimiters(b"*", b":", b"^", b"~")
MANY_QUALIFIERS = 40
"""Qualifiers that rules name and a place is tried with, so that REF[01=BM] is met, too."""


@dataclass(slots=True)
class Covered:
    """One element of one place."""

    path: str
    """"HL[I] > SN1"."""
    element: int
    """0 for a segment that the dictionary does not describe: all of it is listed."""
    title: str
    fields: list[str] = field(default_factory=list)
    """The event's fields that it gives or decides; empty where no rule takes it."""
    dropped: str = ""
    """Why it is left behind on purpose."""

    @property
    def kind(self) -> str:
        """carried, dropped or unmapped."""
        return "carried" if self.fields else "dropped" if self.dropped else "unmapped"


def coverage(mapping: CompiledMapping, guide: Guide, context: Context) -> list[Covered]:
    """Every element of every place of the guide, in its order. `mapping` must be compiled with `trace`."""
    found: list[Covered] = []
    reasons = mapping.written.value.get("drops") or {}
    named = {step.tag for path in mapping.paths for step in path.steps}
    for place in places(guide.layout.root):
        rules = guide.dictionary.segments.get(place.tag)
        if rules is None:
            found.append(Covered(_path(place, "S" if _in_hierarchy(place) else ""), 0, "a segment without a description"))
            continue
        tried = place.tag in named  # no rule takes what no path names
        for level in ("S", *LEVELS) if _in_hierarchy(place) else ("",):
            rows = [Covered(_path(place, level), number, element.title) for number, element in enumerate(rules.elements, start=1)]
            for qualifiers in _qualifiers(mapping, place.tag) if tried else ():
                document, node = _sample(mapping, guide, place, level, qualifiers)
                taken = _taken(mapping, document, node, context)
                for row in rows:
                    row.fields += [name for name in taken.get(row.element, ()) if name not in row.fields]
            for row in rows:
                if tried and not row.fields:  # alone: a rule's `else` speaks only where its first form is silent
                    document, node = _sample(mapping, guide, place, level, {})
                    node.segment.elements[1:] = [
                        raw if number == row.element else b"" for number, raw in enumerate(node.segment.elements[1:], start=1)
                    ]
                    row.fields += _taken(mapping, document, node, context).get(row.element, [])
                row.dropped = _reason(mapping, reasons, place.tag, row.element, level)
            found += rows
    return found


def _in_hierarchy(place: Place) -> bool:
    loop: Loop | None = place.loop
    while loop is not None:
        if loop.tag == "HL":
            return True
        loop = loop.parent
    return False


def _path(place: Place, level: str) -> str:
    loop = place.loop
    own = f"HL[{level}]" if place.tag == "HL" else place.tag
    if loop.parent is None or (place is loop.first and loop.parent.parent is None):
        return own
    around = loop if place is not loop.first else loop.parent
    name = f"HL[{level}]" if around.tag == "HL" else around.tag
    return f"{name} > {own}"


def _qualifiers(mapping: CompiledMapping, tag: str) -> list[dict[int, bytes]]:
    """What a segment is tried with: any qualifier, and each that a rule's path names."""
    named: list[dict[int, bytes]] = [{}]
    for path in mapping.paths:
        for step in path.steps:
            if step.tag == tag:
                chosen = {
                    condition.element: condition.values[0]
                    for condition in step.conditions
                    if condition.values and not condition.negate and not condition.way
                }
                if chosen and chosen not in named:
                    named.append(chosen)
    return named[:MANY_QUALIFIERS]


def _sample(mapping: CompiledMapping, guide: Guide, place: Place, level: str, qualifiers: dict[int, bytes]) -> tuple[Document, Node]:
    """A document with the place's segment, its loops around it, and the segment that makes the event."""
    counter = iter(range(1, 10_000))
    root = _node(guide, "ST", None, counter)
    chain: list[Loop] = []
    loop: Loop | None = place.loop
    while loop is not None and loop.parent is not None:
        chain.insert(0, loop)
        loop = loop.parent
    parent = root
    for one in chain:
        if one.tag == "HL":
            parent = _hierarchy(guide, root, level, counter)
        else:
            opening = one is place.loop and place is one.first
            parent = _node(guide, one.tag, parent, counter, qualifiers if opening else {})
            _company(guide, one, place, parent, counter)
    opens = bool(chain) and place is place.loop.first
    node = parent if opens else _node(guide, place.tag, parent, counter, qualifiers) if place.tag != "ST" else root
    _event_scope(mapping, guide, root, node, counter)
    return Document(guide.set_id, guide.release, root, BARE), node


def _company(guide: Guide, loop: Loop, place: Place, parent: Node, counter: Iterator[int]) -> None:
    """What stands beside the place in its loop: a carton's packing is read where the loop has a carton."""
    for item in loop.items[1:]:
        if item is not place and item.tag != place.tag and item.tag in guide.dictionary.segments:
            _node(guide, item.tag, parent, counter)


def _hierarchy(guide: Guide, root: Node, level: str, counter: Iterator[int]) -> Node:
    names = [level]
    while names[0] in LEVELS:
        names.insert(0, LEVELS[names[0]])
    parent = root
    for name in names:
        parent = _node(guide, "HL", parent, counter, {3: name.encode()})
        parent.level = name
    return parent


def _event_scope(mapping: CompiledMapping, guide: Guide, root: Node, node: Node, counter: Iterator[int]) -> None:
    """The segments that `each:` wants, if they are not there: an event is made even of a heading alone."""
    for path in mapping.plan.each[:1]:
        if node.tag == path.steps[-1].tag or any(one.tag == path.steps[-1].tag for one in root.walk()):
            return
        parent = root
        for step in path.steps:
            if step.tag == "ST":
                continue
            inner = next((child for child in parent.children if child.tag == step.tag), None)
            if inner is None:
                inner = _node(guide, step.tag, parent, counter, {3: step.levels[0].encode()} if step.levels else {})
                inner.level = step.levels[0] if step.levels else None
            parent = inner


def _node(guide: Guide, tag: str, parent: Node | None, counter: Iterator[int], qualifiers: dict[int, bytes] | None = None) -> Node:
    rules = guide.dictionary.segments.get(tag)
    elements = [tag.encode()] + [_value(element) for element in (rules.elements if rules else ())]
    for element, value in (qualifiers or {}).items():
        if element < len(elements):
            elements[element] = value
    node = Node(tag, Segment(tag, elements, next(counter), 0, 0), [], parent)
    if parent is not None:
        parent.children.append(node)
    return node


def _value(element: Element) -> bytes:
    if element.parts:
        return b":".join(_value(part) for part in element.parts)
    return FORMS.get(element.number) or SAMPLES.get(element.kind, b"1")


def _taken(mapping: CompiledMapping, document: Document, node: Node, context: Context) -> dict[int, list[str]]:
    """Element -> the fields that took it."""
    run = TracingRun(document, context)
    found: dict[int, list[str]] = {}
    try:
        scopes = mapping.scopes(run, document, context)
    except MappingProblem:
        return {}
    for scope in scopes[:3]:
        frame = run.begin()
        run.unknown, run.unreadable, run.invalid_sscc = {}, {}, {}
        mapping.fields(run, scope)
        for name, position, element in _marks(frame, ""):
            if position == node.segment.position and name not in found.setdefault(element, []):
                found[element].append(name)
    return found


def _marks(frame: Frame, name: str) -> Iterator[tuple[str, int, int]]:
    for mark in frame.marks:
        yield name, mark.position, mark.element
    for one in frame.below:
        inner = name if one.name in (ITEM, PASS) else f"{name}.{one.name}" if name else one.name
        yield from _marks(one, inner)


def _reason(mapping: CompiledMapping, reasons: dict[str, str], tag: str, element: int, level: str) -> str:
    for drop in mapping.drops.get(tag, ()):
        sample = Node(tag, Segment(tag, [tag.encode()], 1, 0, 0), [], None, level or None)
        if drop.step.levels and not meets(drop.step.levels, (), sample):
            continue
        named = any(one.number <= element <= (one.last or one.number) for one in drop.elements)
        if not drop.elements or named:
            return next((text for line, text in reasons.items() if line.split("/")[0].split("[")[0] == tag), "")
    return ""


def summed(rows: list[Covered]) -> dict[str, int]:
    """How many elements of each kind."""
    return {kind: sum(1 for row in rows if row.kind == kind) for kind in ("carried", "dropped", "unmapped")}


def grouped(rows: list[Covered]) -> list[Covered]:
    """The rows with those of the levels of a hierarchy put together where they say the same."""
    kept: dict[tuple[str, int, tuple[str, ...], str], Covered] = {}
    for row in rows:
        plain = row.path.split("]")[-1].strip(" >") if row.path.startswith("HL[") and "]" in row.path and " > " in row.path else row.path
        key = (plain, row.element, tuple(row.fields), row.dropped)
        if key in kept and row.path.startswith("HL["):
            before = kept[key].path
            levels = before.split(" > ")[0].rstrip("]") if before.startswith("HL[") else ""
            kept[key].path = f"{levels},{row.path[3]}] > {plain}" if levels else f"{before}, {row.path}"
        else:
            kept[key] = replace(row)
    return list(kept.values())
