"""The document while it is being written: a tree of segments, each put where its format has a place for it.

Knows a format only as a Form (X12's is placing_x12.py); knows no event, no rule and no delimiter.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

Key = int | tuple[int, int]
"""An element, or (element, component)."""
HL = "HL"
AFTER_ALL = 1 << 30
"""Lower levels of a hierarchy stand behind everything of their own level."""


class Slot(NamedTuple):
    """Where a segment may stand below another."""

    order: int
    loop: Any
    """What its form needs to find places below it (X12: the loop it opens); None where nothing stands below it."""
    maximum: int | None


class NewNode:
    """One segment that is being written, with what belongs to it."""

    __slots__ = ("assumed", "children", "fields", "level", "loop", "number", "order", "parent", "serial", "tag", "texts")

    def __init__(self, tag: str, slot: Slot, parent: "NewNode | None", serial: int) -> None:
        self.tag, self.loop, self.order, self.parent, self.serial = tag, slot.loop, slot.order, parent, serial
        self.children: list[NewNode] = []
        self.texts: dict[Key, str] = {}
        self.fields: dict[Key, str] = {}
        """Which field of the event wrote an element."""
        self.assumed: set[Key] = set()
        """Elements that stand there only because a rule's path says so: a qualifier without its value goes again."""
        self.level = ""
        self.number = 0
        """The ordinal among all of its tag, once the tree is whole."""

    def ancestors(self) -> Iterator["NewNode"]:
        """This node and all above it."""
        node: NewNode | None = self
        while node is not None:
            yield node
            node = node.parent


class Form(Protocol):
    """What one kind of document may contain: an X12 guide, a CSV dialect, an XML layout."""

    @property
    def set_id(self) -> str: ...

    @property
    def release(self) -> str: ...

    def root(self) -> tuple[str, Slot]:
        """The tag and the slot of the root."""

    def slot(self, node: NewNode, tag: str) -> Slot | None:
        """Where a segment may stand below a node; None if there is no place for it there."""

    def required(self, tag: str, element: int) -> bool:
        """Whether that element must be there wherever the segment is."""

    def paired(self, tag: str, key: Key) -> Sequence[tuple[int, ...]]:
        """Groups of elements that stand together or not at all, and that have this one among them."""

    def finish(self, ordered: list[NewNode]) -> None:
        """Fills in what follows from the whole tree: ids of levels, line numbers."""


class Tree:
    """All segments of the document; in X12 from ST to the last before SE."""

    def __init__(self, form: Form) -> None:
        self.form = form
        tag, slot = form.root()
        self.root = NewNode(tag, slot, None, 0)
        self.slot = form.slot
        self._serial = 0

    @property
    def called(self) -> str:
        """The document, as words about it name it: "856 of 004010"."""
        return f"{self.form.set_id} of {self.form.release}" if self.form.release else self.form.set_id

    def room(self, node: NewNode, tag: str) -> Slot | None:
        """As `slot`, and None if there are as many as there may be."""
        slot = self.slot(node, tag)
        if slot is None or slot.maximum is None or slot.maximum > len(node.children):
            return slot
        return slot if sum(1 for child in node.children if child.tag == tag) < slot.maximum else None

    def add(self, node: NewNode, tag: str, slot: Slot) -> NewNode:
        """A new segment below a node."""
        self._serial += 1
        child = NewNode(tag, slot, node, self._serial)
        node.children.append(child)
        return child

    def finish(self) -> list[NewNode]:
        """All segments in the order of the form, numbered; what follows from the whole is filled in."""
        self._drop_lonely_qualifiers()
        ordered: list[NewNode] = []
        waiting = [self.root]
        counts: dict[str, int] = {}
        while waiting:
            node = waiting.pop()
            ordered.append(node)
            node.number = counts[node.tag] = counts.get(node.tag, 0) + 1
            if len(node.children) > 1:
                node.children.sort(key=_place)
            waiting.extend(reversed(node.children))
        self.form.finish(ordered)
        return ordered

    def _drop_lonely_qualifiers(self) -> None:
        for node in self.walk():
            for key in node.assumed:
                if any(element not in node.texts for pair in self.form.paired(node.tag, key) for element in pair):
                    node.texts.pop(key, None)

    def walk(self) -> Iterator[NewNode]:
        """All segments, in no particular order."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children)


def _place(node: NewNode) -> tuple[int, int, int]:
    """Children in the order of the guide; levels of a hierarchy by their id where that is a number, all else as it was told."""
    if node.order != AFTER_ALL and node.tag != HL:
        return node.order, 0, node.serial
    told = node.fields.get(1, "")
    return node.order, int(told) if told.isdigit() and len(told) < 9 else 0, node.serial
