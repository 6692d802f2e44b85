"""The way out, pure: an event and a partner's terms in, a document out (with slots, where it has an envelope), proved by reading it again.

What is written is read back by the same engine under the same guide, and mapped by the same mapping: it may only leave if no fault is found in it
and it tells what the event told. Knows a format only as a Medium (X12's is compose_x12.py); knows no store, no clock and no control number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from translators.document import Document, Finding
from translators.mapping.compiler import CompiledMapping
from translators.mapping.draft import Written
from translators.mapping.errors import MappingProblem
from translators.mapping.inverses import Zones
from translators.mapping.placing import Form, NewNode
from translators.mapping.references import correlation_of, references_of
from translators.mapping.values import Context
from translators.mapping.write import MADE, write

MAX_PROBLEMS = 50
DERIVED = frozenset({"certainty", "instant", "zone", "doubtful"})
"""Parts of a moment that follow from its local time and zone code."""


class ComposeProblem(ValueError):
    """The event cannot become this document; `problems` name the event's field and what would mend it."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {text}" if field else text for field, text in problems))
        self.problems = list(problems)


Parts = list[str | dict[str, str]]
"""A document with gaps for what only the commit knows: bytes as Latin-1 text, a gap as {"slot": name}. JSON as it stands."""


@dataclass(slots=True)
class Put:
    """A tree as bytes, and what its values had to give up."""

    parts: Parts
    replaced: list[tuple[int, int, str]] = field(default_factory=list)
    """(node, element, text as it was) where a character was replaced; nodes by their place in `Written.nodes`."""
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    """(node, element, why); then it must not be sent."""


class Medium(Protocol):
    """One kind of document as one partner wants it: how a tree becomes bytes, and how these are read again, strictly."""

    @property
    def form(self) -> Form: ...

    @property
    def evidence(self) -> Mapping[str, str]:
        """What an event read from it would say of its origin: format, set, release."""

    @property
    def upper_case(self) -> bool:
        """True where all text is written in capitals."""

    def put(self, written: Written) -> Put:
        """The tree as bytes."""

    def read(self, parts: Parts) -> tuple[Document | None, list[Finding]]:
        """Our own output, read as a partner's would be: the document, and its faults. No document: it would be refused whole."""


@dataclass(slots=True)
class Composed:
    """A document that may leave, before its numbers are taken."""

    parts: Parts
    set_id: str
    business_key: str
    references: list[tuple[str, str]]
    correlation: str | None
    subject: str
    not_written: list[tuple[str, str]] = field(default_factory=list)
    """Fields of the event for which this document has no place, and why."""
    replaced: list[str] = field(default_factory=list)
    """Fields in which a character was replaced, because it parts elements or segments for this partner."""
    data: dict[str, Any] = field(default_factory=dict)
    """The event's data as the document tells it."""


def compose(mapping: CompiledMapping, data: Mapping[str, Any], medium: Medium, context: Context) -> Composed:
    """The document that tells `data`, a mapping's event without evidence and quality. Raises ComposeProblem with every fault found."""
    checked = _checked(mapping, data, medium)
    written = write(mapping.plan, checked, medium.form, Zones(context.zone_offset, context.default_zone))
    if written.problems:
        raise ComposeProblem(written.problems[:MAX_PROBLEMS])
    put = medium.put(written)
    if put.refused:
        raise ComposeProblem([(_field_at(written.nodes[node], element), why) for node, element, why in put.refused[:MAX_PROBLEMS]])
    document, findings = medium.read(put.parts)
    faults = [finding for finding in findings if finding.severity == "error"]
    if faults or document is None:
        raise ComposeProblem([_worded(finding, written, mapping) for finding in faults[:MAX_PROBLEMS]] or [("", "the document would be rejected")])
    told = _told(mapping, document, context)
    replaced = [_field_at(written.nodes[node], element) for node, element, _ in put.replaced]
    _compare(checked, told.data, written, replaced, fold=medium.upper_case)
    references = references_of(mapping.family, told.data)
    return Composed(
        put.parts, medium.form.set_id, told.business_key, references, correlation_of(mapping.family, references), told.subject,
        written.unwritten, replaced, told.data,
    )  # fmt: skip


def _checked(mapping: CompiledMapping, data: Mapping[str, Any], medium: Medium) -> dict[str, Any]:
    """The event's data, which its schema allows; evidence is ours to give, so a stand-in is checked in its place."""
    given = {key: value for key, value in data.items() if key not in MADE}
    purpose = given.setdefault("purpose", "original")
    made: dict[str, Any] = {"evidence": {**medium.evidence, "byte_start": 0, "byte_end": 0, "segments": [1, 1], "mapping": mapping.name}}
    if purpose == "cancel":
        made["cancelled"] = True
    try:
        mapping.family.model.model_validate({**given, **made})
    except ValidationError as error:
        raise ComposeProblem([_fault(one) for one in error.errors(include_url=False)[:MAX_PROBLEMS]]) from None
    return settled_data(mapping, given)


def settled_data(mapping: CompiledMapping, data: Mapping[str, Any]) -> dict[str, Any]:
    """The event's data as it is written: without what says how it was read, with the relations spelled out that follow from it."""
    given = {key: value for key, value in data.items() if key not in MADE}
    given.setdefault("purpose", "original")
    return mapping.family.settle(given) if mapping.family.settle else given


def _fault(fault: Any) -> tuple[str, str]:
    text = "is missing; the event's schema requires it" if fault["type"] == "missing" else str(fault["msg"]).removeprefix("Value error, ")
    where = ""
    for part in fault["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    return where, text


def _worded(finding: Finding, written: Written, mapping: CompiledMapping) -> tuple[str, str]:
    """A fault of our own document by the event's field that gave it, or would give it."""
    element = finding.element or 0
    givers = mapping.plan.places.get((finding.segment, element)) or mapping.plan.places.get((finding.segment, 0), [])
    node = written.nodes[finding.position - 1] if 0 < finding.position <= len(written.nodes) else None
    mine = {name for name in node.fields.values() if name} if node is not None else set()
    near = {name.rpartition(".")[0] for name in mine}
    alike = len({name.removesuffix("_code") for name in givers}) == 1
    where = (_field_at(node, element) if node is not None else "") or (givers[0] if alike else "")
    where = where or next((name for name in givers if name.rpartition(".")[0] in near), "") or next(iter(sorted(mine)), "")
    where = where or (givers[0] if node is None and givers else "")
    return where, finding.text


def _field_at(node: NewNode, element: int) -> str:
    for key, name in node.fields.items():
        if (key if isinstance(key, int) else key[0]) == element and name:
            return name
    return ""


def _told(mapping: CompiledMapping, document: Document, context: Context) -> Any:
    try:
        events = mapping.read(document, context).events
    except MappingProblem as problem:
        raise ComposeProblem([("", text) for text in problem.problems]) from None
    if len(events) != 1:
        raise ComposeProblem([("", f"the document would tell {len(events)} events in place of one")])
    return events[0]


def _compare(given: Mapping[str, Any], told: Mapping[str, Any], written: Written, replaced: Sequence[str], *, fold: bool) -> None:
    """Raises ComposeProblem where the document says something else than the event."""
    skipped = {name for name, _ in written.unwritten} | set(replaced)
    comparison = _Comparison(written, skipped, fold=fold)
    comparison.objects(given, told, "")
    if comparison.problems:
        raise ComposeProblem(comparison.problems[:MAX_PROBLEMS])


class _Comparison:
    """Whether all that was given is told; what is told besides (words beside codes) is welcome."""

    def __init__(self, written: Written, skipped: set[str], *, fold: bool) -> None:
        self.written, self.numbered, self.skipped, self.fold = written, written.numbered, skipped, fold
        self.problems: list[tuple[str, str]] = []

    def objects(self, given: Mapping[str, Any], told: Any, name: str) -> None:
        if not isinstance(told, Mapping):
            self.problems.append((name, "would not be told by the document"))
            return
        derived = DERIVED if "local" in given else ()
        for key, value in given.items():
            dotted = f"{name}.{key}" if name else key
            if dotted in self.skipped or (not name and key in MADE) or key in derived:
                continue
            if dotted in self.written.derived and key not in told:
                self.written.unwritten.append((dotted, "follows from other fields, which do not give it"))
                continue
            node = self.numbered.get((id(given), key))
            wanted = str(node.number) if node is not None else value
            if key == "local" and "instant" in given and not given.get("certainty"):
                continue  # an instant is told on the partner's clock
            self.values(wanted, told.get(key), dotted)

    def values(self, given: Any, told: Any, name: str) -> None:
        if isinstance(given, Mapping):
            self.objects(given, told, name)
        elif isinstance(given, list):
            self.lists(given, told, name)
        elif given != told and not (self.fold and isinstance(told, str) and str(given).upper() == told):
            text = f"would be told as {told!r}" if told is not None else "would be lost"
            self.problems.append((name, f"{given!r} {text}; the document has no other form for it beside the event's other fields"))

    def lists(self, given: list[Any], told: Any, name: str) -> None:
        kept = [item for number, item in enumerate(given) if f"{name}[{number}]" not in self.skipped]
        if not kept:
            return
        if not isinstance(told, list) or len(told) < len(kept):
            self.problems.append((name, f"has {len(kept)} items, and the document would tell {len(told) if isinstance(told, list) else 0}"))
            return
        if len(kept) == len(told) and all(self._same(one, other, name) for one, other in zip(kept, told, strict=True)):
            return
        left = list(told)
        for number, item in enumerate(given):
            dotted = f"{name}[{number}]"
            if dotted in self.skipped:
                continue
            match = next((other for other in left if self._same(item, other, dotted)), None)
            if match is None:
                self._differs(item, left, dotted)
                return
            left.remove(match)

    def _differs(self, item: Any, left: list[Any], name: str) -> None:
        self.values(item, left[0] if left else None, name)
        if not self.problems:
            self.problems.append((name, "would not be told by the document"))

    def _same(self, given: Any, told: Any, name: str) -> bool:
        trial = _Comparison.__new__(_Comparison)
        trial.written, trial.numbered, trial.skipped, trial.fold, trial.problems = self.written, self.numbered, self.skipped, self.fold, []
        trial.values(given, told, name)
        return not trial.problems
