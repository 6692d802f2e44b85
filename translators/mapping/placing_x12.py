"""An X12 guide as the form of a document that is being written: which segment stands where, and what the hierarchy says of itself.

Knows the guide; knows no event and no rule.
"""

from collections.abc import Sequence
from functools import lru_cache

from translators.mapping.placing import AFTER_ALL, HL, Key, NewNode, Slot
from translators.x12.guide import Guide
from translators.x12.layout import Loop

LX = "LX"


@lru_cache(maxsize=4096)
def _slots(loop: Loop) -> dict[str, Slot]:
    """tag -> its first place in a loop."""
    found: dict[str, Slot] = {}
    for index, item in enumerate(loop.items):
        if index or loop.parent is None:
            found.setdefault(item.tag, Slot(index, item if isinstance(item, Loop) else None, item.maximum))
    return found


class X12Form:
    """A guide, from ST to the last segment before SE (placing.Form)."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self.set_id, self.release = guide.set_id, guide.release
        self._levels = _slots(guide.layout.root).get(HL)

    def root(self) -> tuple[str, Slot]:
        return "ST", Slot(0, self.guide.layout.root, 1)

    def slot(self, node: NewNode, tag: str) -> Slot | None:
        if node.tag == HL and tag == HL:
            return Slot(AFTER_ALL, self._levels.loop, None) if self._levels else None
        return _slots(node.loop).get(tag) if node.loop is not None else None

    def required(self, tag: str, element: int) -> bool:
        rules = self.guide.dictionary.segments.get(tag)
        return rules is not None and rules.elements[element - 1].required == "M"

    def paired(self, tag: str, key: Key) -> Sequence[tuple[int, ...]]:
        """The paired conditions (X12 relational condition P)."""
        rules = self.guide.dictionary.segments.get(tag)
        return [condition.elements for condition in rules.conditions if condition.letter == "P" and key in condition.elements] if rules else []

    def finish(self, ordered: list[NewNode]) -> None:
        """HL01 to HL04, and LX01 where no field gives it."""
        for node in ordered:
            if node.tag == HL:
                _hierarchy(node)
            elif node.tag == LX and 1 not in node.texts:
                node.texts[1] = str(node.number)


def _hierarchy(node: NewNode) -> None:
    node.texts[1] = str(node.number)
    if node.parent is not None and node.parent.tag == HL:
        node.texts[2] = str(node.parent.number)
    node.texts[3] = node.level
    node.texts[4] = "1" if any(child.tag == HL for child in node.children) else "0"
