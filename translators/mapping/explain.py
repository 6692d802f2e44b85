"""Why a field says what it says: the bytes, the element, the rule and what the rule makes of them. Reading again with a notebook (tracing.py).

Pure: the mapping compiled to explain and the document come in. Knows no store.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from translators.document import Document, Node
from translators.events.draft import EventDraft
from translators.mapping.compiler import CompiledMapping
from translators.mapping.errors import MappingProblem
from translators.mapping.tracing import ITEM, PASS, Frame, Mark, TracingRun
from translators.mapping.values import Context
from translators.mapping.written import Place

HL = "HL"


@dataclass(frozen=True, slots=True)
class Spot:
    """One element that a field comes from, or that decided where it is looked for."""

    path: str
    """As people write it: "HL[I] > SN1/02"."""
    role: str
    """value; condition: it decided whether or which; place: the level of the hierarchy it lies in."""
    position: int
    """The segment's position in its set; ST is 1."""
    byte_start: int
    byte_end: int
    """In the message as it was received, end exclusive."""
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One field of an event."""

    name: str
    """Dotted, with indexes: "lines[0].shipped"; (business), (purpose) and their like for what the envelope of the event says."""
    value: Any
    rule: str
    place: Place | None
    """Where the rule stands: file, line, column."""
    spots: tuple[Spot, ...]


def explain(mapping: CompiledMapping, document: Document, context: Context, *, wanted: int = 0) -> tuple[EventDraft, list[Explanation]]:
    """The event made by the `wanted`-th scope (from 0) and where each of its fields comes from, in the order of the mapping.

    `mapping` must be compiled with `trace`. Raises MappingProblem as reading does, and IndexError if there is no such event.
    """
    run = TracingRun(document, context)
    scope = mapping.scopes(run, document, context)[wanted]
    frame = run.begin()
    draft = mapping.draft(run, scope, document)
    spots = _Spots(run, document)
    found = list(_fields(frame, draft.data, "", spots, []))
    return draft, found


def events_of(mapping: CompiledMapping, document: Document, context: Context) -> Iterator[tuple[int, EventDraft]]:
    """The events of a document with their scopes' numbers, those left out that cannot be made."""
    run = TracingRun(document, context)
    for number, scope in enumerate(mapping.scopes(run, document, context)):
        run.begin()
        try:
            yield number, mapping.draft(run, scope, document)
        except MappingProblem:
            continue


def _fields(frame: Frame, value: Any, name: str, spots: "_Spots", above: list[Mark]) -> Iterator[Explanation]:
    """A frame's own fields, then those below."""
    for one in frame.below:
        if one.name.startswith("("):
            yield _explained(one, None, one.name, spots, above)
            continue
        if not isinstance(value, Mapping) or one.name not in value:
            continue
        dotted = f"{name}.{one.name}" if name else one.name
        inner = value[one.name]
        if isinstance(inner, list):
            yield from _items(one, inner, dotted, spots, above)
        elif one.below and isinstance(inner, Mapping):
            yield from _fields(one, inner, dotted, spots, [*above, *one.marks])
        else:
            yield _explained(one, inner, dotted, spots, above)


def _items(frame: Frame, values: list[Any], name: str, spots: "_Spots", above: list[Mark]) -> Iterator[Explanation]:
    numbers = iter(range(len(values)))
    for one in _flat(frame):
        if one.name != ITEM:
            taken = [mark for mark in one.marks if not mark.condition]
            share = len(taken) // one.count if one.count and len(taken) % one.count == 0 else 0
            for order, number in enumerate(islice(numbers, one.count)):
                marks = taken[order * share : (order + 1) * share] if share else taken
                told = Frame(name, one.rule, one.place, [*marks, *(mark for mark in one.marks if mark.condition)])
                yield _explained(told, values[number], f"{name}[{number}]", spots, above)
            continue
        following = next(numbers, None)
        if following is None:
            return
        inner, dotted = values[following], f"{name}[{following}]"
        if isinstance(inner, Mapping):
            yield from _fields(one, inner, dotted, spots, [*above, *one.marks, *spots.levels(one.scope)])
        else:
            yield _explained(Frame(name, frame.rule, frame.place, one.marks), inner, dotted, spots, [*above, *spots.levels(one.scope)])


def _flat(frame: Frame) -> Iterator[Frame]:
    """The items of a list, through its named blocks; a block that is an expression stands for its values."""
    if not any(one.name in (ITEM, PASS) for one in frame.below):
        yield frame
        return
    for one in frame.below:
        if one.name == ITEM:
            yield one
        elif one.name == PASS:
            yield from _flat(one)


def _explained(frame: Frame, value: Any, name: str, spots: "_Spots", above: list[Mark]) -> Explanation:
    own = [*frame.marks, *_below(frame)]
    conditions = [mark._replace(condition=True) for mark in above]
    return Explanation(name, value, frame.rule, frame.place, tuple(spots.of([*own, *conditions])))


def _below(frame: Frame) -> Iterator[Mark]:
    for one in frame.below:
        yield from one.marks
        yield from _below(one)


class _Spots:
    """Marks as elements with their bytes."""

    def __init__(self, run: TracingRun, document: Document) -> None:
        self.run, self.document, self.delimiters = run, document, document.delimiters
        self.nodes = {node.segment.position: node for node in run.nodes}

    def levels(self, position: int) -> list[Mark]:
        """What places a segment in a hierarchy: id, parent and level of each HL around it."""
        node: Node | None = self.nodes.get(position)
        found: list[Mark] = []
        while node is not None:
            if node.tag == HL:
                found += [Mark(node.segment.position, element, None, condition=True) for element in (1, 2, 3)]
            node = node.parent
        return found

    def of(self, marks: list[Mark]) -> list[Spot]:
        """Each element once, values first."""
        known: dict[tuple[int, int, int | None], bool] = {}
        for mark in marks:
            key = (mark.position, mark.element, mark.component)
            known[key] = known.get(key, True) and mark.condition
        ordered = sorted(known.items(), key=lambda item: (item[1], item[0][0], item[0][1], item[0][2] or 0))
        return [self._spot(*key, condition=condition) for key, condition in ordered]

    def _spot(self, position: int, element: int, component: int | None, *, condition: bool) -> Spot:
        node = self.nodes[position]
        segment = node.segment
        raw = segment.get(element)
        start = segment.byte_start + sum(len(one) + len(self.delimiters.element) for one in segment.elements[:element])
        whole = len(self.delimiters.element.join(segment.elements))
        known = segment.byte_end - segment.byte_start in (whole, whole + len(self.delimiters.segment))
        if component is not None and self.delimiters.component:
            parts = raw.split(self.delimiters.component)
            start += sum(len(one) + len(self.delimiters.component) for one in parts[: component - 1])
            raw = parts[component - 1] if component <= len(parts) else b""
        path = self.document.label(node, element) + (f"-{component}" if component else "")
        role = "value" if not condition else "place" if node.tag == HL and element <= 3 else "condition"
        if self.document.field_bytes is not None:
            return Spot(path, role, position, *self.document.field_bytes(segment, element), self.run.text(raw))
        if not known:  # line breaks inside the segment were taken out: only its own bounds are sure
            return Spot(path, role, position, segment.byte_start, segment.byte_end, self.run.text(raw))
        return Spot(path, role, position, start, start + len(raw), self.run.text(raw))
