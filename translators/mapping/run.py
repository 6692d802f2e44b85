"""The state of one mapping of one document: what was taken from it, what was doubtful, how much work is left.

Knows the tree; knows no rule, no transform and no event.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from translators.document import Document, Finding, Node
from translators.mapping.errors import MappingProblem
from translators.mapping.language import Condition, Drop, Step, led_to
from translators.mapping.values import Context, Unmapped

Index = dict[str, list[Node]]
CONTROLS = dict.fromkeys((*range(32), 127), " ")
MAX_INDEXES = 20_000  # nodes whose children are kept sorted by tag; more are sorted again when they are met again
MAX_NOTES = 100  # of one kind in one event's quality; a broken file shall not become a big one
MAX_FINDINGS = 1_000
MAX_KNOWN_TAGS = 1_000
MAX_KNOWN_TEXT = 32  # bytes
MAX_KNOWN_TEXTS = 16_384
_KNOWN_TAGS: dict[frozenset[str], frozenset[str]] = {}
"""Equal sets of tags are one and the same, so that they are compared without a look inside."""


class Texts(dict[bytes, str]):
    """The texts of elements in one encoding: without the padding at their end; control characters, which are never data (X12 element code 6),
    as spaces. Remembers short ones, because codes, dates and names come again and again."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding

    def __missing__(self, raw: bytes) -> str:
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if not text.isprintable():
            text = text.translate(CONTROLS)
        text = text.rstrip()
        if len(raw) <= MAX_KNOWN_TEXT:
            if len(self) >= MAX_KNOWN_TEXTS:
                self.clear()
            self[raw] = text
        return text


@lru_cache(maxsize=8)
def texts_of(encoding: str) -> Texts:
    """The one memory of an encoding's texts."""
    return Texts(encoding)


class Run:
    """One document under one mapping; not shared, not kept."""

    __slots__ = (
        "component", "context", "document", "findings", "indexes", "invalid_sscc", "left", "memo", "nodes", "noted", "numbers", "partly", "parts", "quiet",
        "reached", "searched", "searched_from", "seen", "tags", "text", "unknown", "unreadable", "used",
    )  # fmt: skip

    tracing = False
    """True where every text that decided anything is to be noted (tracing.py)."""

    def __init__(self, document: Document, context: Context) -> None:
        self.context = context
        self.document = document
        self.text: Callable[[bytes], str] = texts_of(document.encoding).__getitem__
        """An element's bytes as text."""
        self.component = document.delimiters.component
        self.left = context.max_steps
        self.nodes = list(document.root.walk())
        self.spend(len(self.nodes))
        tags = frozenset([node.tag for node in self.nodes])
        if len(_KNOWN_TAGS) >= MAX_KNOWN_TAGS:
            _KNOWN_TAGS.clear()
        self.tags = _KNOWN_TAGS.setdefault(tags, tags)
        """What there is at all: rules for other segments are not tried."""
        self.seen = [0] * (max(node.segment.position for node in self.nodes) + 1)
        """For each segment position a bit mask of the elements that rules took."""
        self.parts: dict[tuple[int, int], set[int]] = {}
        """For elements taken by component: which components."""
        self.indexes: dict[Node, Index] = {}
        self.numbers: dict[str, dict[Node, int]] = {}
        self.reached: tuple[Node, frozenset[str]] | None = None
        self.searched_from: Node | None = None
        self.searched: dict[object, Node | None] = {}
        """What searches that look further out found from that node."""
        self.findings: dict[tuple[int, int], Finding] = {}
        self.used: list[int] | None = None
        """Set by a transform of several values that took only some of them: the indexes of those."""
        self.partly: tuple[int, str] | None = None
        """Set beside `used`: which of the several texts was unreadable, and why."""
        self.memo: dict[tuple[object, Node], Any] | None = None
        """What rules made of nodes that several events share (a heading's parties); None for a document of one event."""
        self.quiet = False
        """True while a condition is tried: nothing is noted."""
        self.noted = 0
        """How often a doubt was noted; what a rule made without one may be used again for another event."""
        self.unknown: dict[tuple[str, str], None] = {}
        self.unreadable: dict[tuple[str, str], None] = {}
        self.invalid_sscc: dict[str, None] = {}

    def spend(self, steps: int) -> None:
        """Counts work; raises MappingProblem when the document costs more than it may."""
        self.left -= steps
        if self.left < 0:
            limit = self.context.max_steps
            raise MappingProblem([f"the mapping took more than {limit:,} steps on this document; its lists look through each other too often"])

    def index(self, node: Node) -> Index:
        """The node's children by tag, each list in the order of the document."""
        found = self.indexes.get(node)
        if found is None:
            found = {}
            for child in node.children:
                same = found.get(child.tag)
                if same is None:
                    found[child.tag] = [child]
                else:
                    same.append(child)
            self.spend(len(node.children) + 1)
            if len(self.indexes) >= MAX_INDEXES:
                self.indexes.clear()
            self.indexes[node] = found
        return found

    def near(self, node: Node) -> tuple[str, ...]:
        """The tags that a path may begin with at this node: its own and its children's."""
        if not node.children:
            return (node.tag,)
        return (node.tag, *(self.indexes.get(node) or self.index(node)))

    def reach(self, node: Node) -> frozenset[str]:
        """The tags that a path may begin with if it looks further out, too."""
        if self.reached is not None and self.reached[0] is node:
            return self.reached[1]
        tags: set[str] = set()
        level: Node | None = node
        while level is not None:
            tags.update(self.near(level))
            self.left -= 1
            level = level.parent
        self.reached = (node, frozenset(tags))
        return self.reached[1]

    def number(self, node: Node) -> int:
        """The ordinal (from 1) of a node among all segments of its tag in the set."""
        numbers = self.numbers.get(node.tag)
        if numbers is None:
            same = (other for other in self.nodes if other.tag == node.tag)
            numbers = self.numbers[node.tag] = {other: number for number, other in enumerate(same, start=1)}
            self.spend(len(self.nodes))
        return numbers[node]

    def take_part(self, position: int, element: int, component: int, raw: bytes) -> bool:
        """Notes one component as taken; True if the element has no other, so that all of it is taken."""
        if self.component not in raw:
            return True
        self.parts.setdefault((position, element), set()).add(component)
        return False

    def note_unknown(self, table: str, code: str) -> None:
        """A code without a word."""
        self.noted += 1
        if not self.quiet and len(self.unknown) < MAX_NOTES:
            self.unknown[(table, code)] = None

    def note_partly(self, index: int, text: str) -> None:
        """One of several texts is not what it should be, the value stands without it; the rule that knows its place tells it."""
        self.partly = (index, text)

    def note_sscc(self, text: str) -> None:
        """An SSCC with a wrong length or check digit."""
        self.noted += 1
        if not self.quiet and len(self.invalid_sscc) < MAX_NOTES:
            self.invalid_sscc[text] = None

    def note_unreadable(self, node: Node, element: int, path: str, text: str) -> None:
        """A value that is not what it should be."""
        self.noted += 1
        if self.quiet:
            return
        if self.document.format != "x12":
            path = self.document.label(node, element)
        if len(self.unreadable) < MAX_NOTES:
            self.unreadable[(path, text)] = None
        segment = node.segment
        if len(self.findings) < MAX_FINDINGS:
            finding = Finding(
                level="element",
                code="",
                text=f"{path}: {text}; the event goes without it",
                byte_start=segment.byte_start,
                byte_end=segment.byte_end,
                segment=segment.tag,
                position=segment.position,
                element=element,
                kind="mapping",
                severity="warning",
                line=self.document.lines[segment.position] if self.document.lines else None,
            )
            self.findings.setdefault((segment.position, element), finding)

    def unmapped(self, drops: dict[str, list[Drop]]) -> list[Unmapped]:
        """Every element with a value that was neither taken nor dropped, counted by where it lies."""
        found: dict[str, Unmapped] = {}
        for node in self.nodes:
            segment = node.segment
            elements = segment.elements
            missing = ((1 << len(elements)) - 2) & ~self.seen[segment.position]
            if not missing:
                continue
            missing = self._without_drops(node, missing, drops.get(node.tag, ()))
            while missing:
                element = (missing & -missing).bit_length() - 1
                missing &= missing - 1
                raw = elements[element]
                if raw and (text := self.text(raw)):
                    for component, value in self._left_parts(segment.position, element, raw, text):
                        where = self.document.label(node, element) + component
                        known = found.get(where)
                        found[where] = (
                            Unmapped(where, known.values + 1, known.position, known.example)
                            if known
                            else Unmapped(where, 1, segment.position, value[:40])
                        )
        return sorted(found.values(), key=lambda entry: (entry.position, entry.path))

    def _without_drops(self, node: Node, missing: int, drops: "list[Drop] | tuple[()]") -> int:
        for drop in drops:
            if meets(drop.step.levels, drop.step.conditions, node) and _lies_in(node, drop.above):
                if not drop.elements:
                    return 0
                for element in drop.elements:
                    for number in range(element.number, (element.last or element.number) + 1):
                        missing &= ~(1 << number)
        return missing

    def _left_parts(self, position: int, element: int, raw: bytes, text: str) -> list[tuple[str, str]]:
        taken = self.parts.get((position, element))
        if taken is None:
            return [("", text)]
        return [
            (f"-{number}", part)
            for number, piece in enumerate(raw.split(self.component), start=1)
            if number not in taken and (part := self.text(piece))
        ]


def _lies_in(node: Node, above: tuple[Step, ...]) -> bool:
    """Whether the nodes right above it are those."""
    here = node.parent
    for step in reversed(above):
        if here is None or here.tag != step.tag or not meets(step.levels, step.conditions, here):
            return False
        here = here.parent
    return True


def meets(levels: tuple[str, ...], conditions: tuple[Condition, ...], node: Node) -> bool:
    """True if the node has one of the levels (none: any) and meets all conditions."""
    if levels and node.level not in levels:
        return False
    elements = node.segment.elements
    for element, values, negate, way in conditions:
        if way:
            texts = [one.segment.get(element).strip() for one in led_to(node, way)]
            if (any(texts) if not values else any(text in values for text in texts)) is negate:
                return False
            continue
        raw = elements[element] if element < len(elements) else b""
        if not values:
            if not raw.strip():
                return False
        elif (raw in values or raw.strip().upper() in values) is negate:
            return False
    return True
