"""What every format is read into: documents as trees, and what is wrong with them as values.

Knows nothing of X12, XML or CSV by name, and nothing of the world.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class TranslationError(Exception):
    """A document, mapping or guide cannot be worked with; the text names the place and the mend."""


class Verdict(StrEnum):
    """What we say of one transaction set (X12 997 AK501)."""

    ACCEPTED = "A"
    ACCEPTED_WITH_ERRORS = "E"
    REJECTED = "R"


class Finding(NamedTuple):
    """One thing wrong with a document, with its place and the standard's own code.

    `byte_start` and `byte_end` are offsets in the message as it was received, end exclusive.
    """

    level: Literal["interchange", "group", "set", "segment", "element"]
    code: str
    """TA105 for an interchange, AK905 for a group, AK502 for a set, AK304 for a segment, AK403 for an element (X12 997)."""
    text: str
    """What is wrong and what would mend it, for a person."""
    byte_start: int
    byte_end: int
    segment: str = ""
    position: int = 0
    """Position of the segment in its set; ST is 1 and empty segments are not counted (AK302)."""
    element: int | None = None
    component: int | None = None
    repetition: int | None = None
    data_element: int | None = None
    """The standard's number of the element (AK402), such as 373 for a date."""
    loop: str | None = None
    """The id of the bounded loop (LS01) it lies in (AK303)."""
    value: str | None = None
    """The bad value as it stood, cut to 99 characters (AK404)."""
    kind: str | None = None
    """"hl" for a fault of the HL tree, which X12 has no code for."""
    severity: Literal["error", "warning"] = "error"
    """A warning changes no verdict: a leniency that was used, or a rule that public sources do not agree on."""
    leniency: str | None = None
    """The named leniency that let it pass, or that would."""
    line: int | None = None
    """The line of the file, from 1, where the format has lines (CSV, XML)."""
    path: str | None = None
    """The column (CSV) or the way to the element (XML), as the document names it."""


@dataclass(slots=True)
class Segment:
    """One segment (X12), element (XML) or row (CSV): its tag, its fields as they stood, and its place."""

    tag: str
    elements: list[bytes]
    """elements[0] is the tag, elements[1] the first element; an element left out is missing from the end or b""."""
    position: int
    byte_start: int
    byte_end: int

    def get(self, element: int) -> bytes:
        """The element's bytes, b"" where it is absent or empty."""
        return self.elements[element] if element < len(self.elements) else b""


@dataclass(slots=True, eq=False)
class Node:
    """A segment with what belongs to it: a loop is its first segment with the loop's other segments as children.

    HL loops hang below their parent HL, so that a path can walk the hierarchy; `level` is then HL03.
    """

    tag: str
    segment: Segment
    children: list["Node"]
    parent: "Node | None" = None
    level: str | None = None

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, in the order of the document, without recursion."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


class Delimiters(NamedTuple):
    """The separators of one interchange, as bytes; `repetition` is b"" where none is in force (ISA12 below 00402)."""

    element: bytes
    component: bytes
    repetition: bytes
    segment: bytes


@dataclass(slots=True, eq=False)
class Document:
    """One transaction set (X12), root element (XML) or group of rows (CSV) as a tree.

    X12: the root is the header segment (ST), its children the set's segments and loops. XML: attributes are children "@name".
    CSV: the root is "file", its children the records.
    """

    set_id: str
    release: str
    """The grammar it was read with, such as "004010"."""
    root: Node
    delimiters: Delimiters
    encoding: str = "utf-8"
    format: str = "x12"
    """x12, xml or csv."""
    names: Mapping[str, str] | None = None
    """For formats whose tags are no words for people (XML with namespaces): tag -> the name as the document has it."""
    columns: Mapping[tuple[str, int], str] | None = None
    """CSV: (record, element number) -> the column's name."""
    lines: Sequence[int] | None = None
    """CSV: segment position -> the line of the file, from 1."""
    field_bytes: Callable[[Segment, int], tuple[int, int]] | None = None
    """For formats whose segments do not show where an element stands: (segment, element) -> its bytes in the message, end exclusive."""

    def label(self, node: Node, element: int = 0) -> str:
        """A place as people write it: "HL[I] > SN1/02", "cac:Item > cbc:Name", "line/sku"; without `element` the node alone."""
        if self.format == "csv":
            name = (self.columns or {}).get((node.tag, element)) if element else None
            return f"{node.tag}/{name}" if name else node.tag
        if self.format == "xml":
            names = self.names or {}
            own, parent = names.get(node.tag, node.tag), node.parent
            return f"{names.get(parent.tag, parent.tag)} > {own}" if parent is not None else own
        own = _called(node)
        if node.parent is not None and node.parent.parent is not None and node.tag != "HL":
            own = f"{_called(node.parent)} > {own}"
        return f"{own}/{element:02}" if element else own


def _called(node: Node) -> str:
    return f"{node.tag}[{node.level}]" if node.level else node.tag


class Control(NamedTuple):
    """Where a set stood: the envelope's own names, as text, for evidence and references."""

    interchange: str
    group: str
    set: str
    functional: str
    version: str
    sender: str
    receiver: str
    usage: str
