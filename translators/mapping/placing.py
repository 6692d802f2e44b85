"""The document while it is being written: a tree of segments, each put where the guide has a place for it.

Knows the guide's layout; knows no event, no rule and no delimiter.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from translators.x12.guide import Guide
from translators.x12.layout import Loop

Key = int | tuple[int, int]
"""An element, or (element, component)."""
HL = "HL"
LX = "LX"
AFTER_ALL = 1 << 30
"""Lower levels of a hierarchy stand behind everything of their own level."""


class Slot(NamedTuple):
    """Where a segment may stand in a loop."""

    order: int
    loop: Loop | None
    """The loop it opens, None for a single segment."""
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


@lru_cache(maxsize=4096)
def _slots(loop: Loop) -> dict[str, Slot]:
    """tag -> its first place in a loop."""
    found: dict[str, Slot] = {}
    for index, item in enumerate(loop.items):
        if index or loop.parent is None:
            found.setdefault(item.tag, Slot(index, item if isinstance(item, Loop) else None, item.maximum))
    return found


class Tree:
    """All segments from ST to the last before SE."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self.root = NewNode("ST", Slot(0, guide.layout.root, 1), None, 0)
        self._serial = 0
        self._levels = _slots(guide.layout.root).get(HL)

    def slot(self, node: NewNode, tag: str) -> Slot | None:
        """Where a segment may stand below a node; None if the guide has no place for it there."""
        if node.tag == HL and tag == HL:
            return Slot(AFTER_ALL, self._levels.loop, None) if self._levels else None
        return _slots(node.loop).get(tag) if node.loop is not None else None

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
        """All segments in the order of the guide, numbered; hierarchies and line numbers filled in."""
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
        for node in ordered:
            if node.tag == HL:
                self._hierarchy(node)
            elif node.tag == LX and 1 not in node.texts:
                node.texts[1] = str(node.number)
        return ordered

    def _hierarchy(self, node: NewNode) -> None:
        node.texts[1] = str(node.number)
        if node.parent is not None and node.parent.tag == HL:
            node.texts[2] = str(node.parent.number)
        node.texts[3] = node.level
        node.texts[4] = "1" if any(child.tag == HL for child in node.children) else "0"

    def _drop_lonely_qualifiers(self) -> None:
        segments = self.guide.dictionary.segments
        for node in self.walk():
            for key in node.assumed:
                rules = segments.get(node.tag)
                pairs = (
                    [condition.elements for condition in rules.conditions if condition.letter == "P" and key in condition.elements] if rules else []
                )
                if any(element not in node.texts for pair in pairs for element in pair):
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
