"""What a partner refuses of a document of ours, in plain words: its faults against our own bytes, and the field of the event that wrote them.

Where the partner left the details out, our bytes are checked again under its guide. Pure; knows no store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from translators.document import Document, Finding, Node
from translators.mapping.compiler import CompiledMapping
from translators.mapping.compose import settled_data
from translators.mapping.inverses import Zones
from translators.mapping.placing import NewNode
from translators.mapping.placing_x12 import X12Form
from translators.mapping.values import Context
from translators.mapping.write import write
from translators.x12.guide import Guide
from translators.x12.ta1 import ELEMENT_OF_NOTE


@dataclass(frozen=True, slots=True)
class ToldFault:
    """One fault as the partner told it, or as we find it again."""

    text: str
    segment: str = ""
    position: int | None = None
    """In our set; ST is 1."""
    element: int | None = None
    component: int | None = None
    value: str = ""
    """The value that the partner repeats (AK404, TED07)."""


@dataclass(frozen=True, slots=True)
class Located:
    """A fault with what of ours it speaks of."""

    text: str
    path: str
    """"W66/01"; "" where the partner did not say where."""
    field: str
    """The event's field that wrote it, or that would; "" where it is ours alone (envelope, counts)."""
    ours: str
    """What stands there."""
    byte_start: int | None
    byte_end: int | None
    """In the message that we sent."""


def locate(
    faults: Sequence[ToldFault], document: Document, mapping: CompiledMapping, data: Mapping[str, Any], *, guide: Guide, context: Context
) -> list[Located]:
    """Each fault against our own document, `data` being the event it was written from. In the faults' order."""
    nodes = {node.segment.position: node for node in document.root.walk()}
    faults = [_found_by_value(fault, document) for fault in faults]
    written = write(mapping.plan, settled_data(mapping, data), X12Form(guide), Zones(context.zone_offset, context.default_zone)).nodes
    return [_located(fault, nodes, written, mapping, document) for fault in faults]


def located_in_envelope(faults: Sequence[tuple[str, str]], isa: bytes) -> list[Located]:
    """The faults of a TA1, (TA105, words), against the ISA that we sent, which begins the message."""
    found = []
    for code, text in faults:
        element = ELEMENT_OF_NOTE.get(code)
        parts = isa[: isa.find(b"GS")].split(isa[3:4]) if element else []
        if element is None or element >= len(parts):
            found.append(Located(text, "ISA", "", "", None, None))
            continue
        start = sum(len(part) + 1 for part in parts[:element])
        raw = parts[element][:1] if element == 16 else parts[element]
        found.append(Located(text, f"ISA/{element:02}", "", raw.decode("latin-1"), start, start + len(raw)))
    return found


def _found_by_value(fault: ToldFault, document: Document) -> ToldFault:
    """A fault that repeats a value and says no place lies where that value stands, if it stands in one place only."""
    if fault.position is not None or not fault.value:
        return fault
    wanted = fault.value.encode()
    places = [
        (node.segment, number)
        for node in document.root.walk()
        if not fault.segment or node.tag == fault.segment
        for number, raw in enumerate(node.segment.elements)
        if number and raw == wanted
    ]
    if len(places) != 1:
        return fault
    segment, element = places[0]
    return replace(fault, segment=segment.tag, position=segment.position, element=element)


def found_again(findings: Sequence[Finding]) -> list[ToldFault]:
    """Our own findings as faults, for an answer that gives no details."""
    return [
        ToldFault(finding.text, finding.segment, finding.position or None, finding.element, finding.component)
        for finding in findings
        if finding.severity == "error"
    ]


def _located(fault: ToldFault, nodes: Mapping[int, Node], written: Sequence[NewNode], mapping: CompiledMapping, document: Document) -> Located:
    node = nodes.get(fault.position or 0)
    tag = node.tag if node is not None else fault.segment
    path = f"{tag}/{fault.element:02}" if tag and fault.element else tag
    field = _field(fault, tag, written, mapping)
    if node is None or (fault.segment and node.tag != fault.segment):
        return Located(fault.text, path or fault.segment, field, "", None, None)
    segment, separator = node.segment, document.delimiters.element
    if not fault.element:
        return Located(fault.text, path, field, separator.join(segment.elements).decode("latin-1"), segment.byte_start, segment.byte_end)
    raw = segment.get(fault.element)
    start = segment.byte_start + sum(len(one) + len(separator) for one in segment.elements[: fault.element])
    start = min(start, segment.byte_end)
    return Located(fault.text, path, field, raw.decode("utf-8", errors="replace"), start, start + len(raw))


def _field(fault: ToldFault, tag: str, written: Sequence[NewNode], mapping: CompiledMapping) -> str:
    """The field that wrote the element; for one that is missing, the field that would."""
    node = written[fault.position - 1] if fault.position and fault.position <= len(written) else None
    if node is not None and node.tag == tag:
        for key, name in node.fields.items():
            if name and fault.element in (key if isinstance(key, tuple) else (key,))[:1]:
                return name
        if not fault.element:
            return next((name for name in node.fields.values() if name), "")
    givers = mapping.plan.places.get((tag, fault.element or 0)) or [
        name for (one, _), names in mapping.plan.places.items() if one == tag for name in names
    ]
    return givers[0] if givers else ""
