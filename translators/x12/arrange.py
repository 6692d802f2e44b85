"""Arranges the segments of one set as a tree: loops below the segment that opens them, HL loops below their parent HL.

Knows nothing of faults; a segment without a place hangs in the loop that is open.
"""

from collections.abc import Iterable

from translators.document import Delimiters, Document, Node, Segment
from translators.x12.blocks import Block
from translators.x12.guide import Guide
from translators.x12.layout import Layout, Loop, Place


def arrange(stretch: Iterable[Block], guide: Guide, delimiters: Delimiters, *, encoding: str, unwrap: bool) -> Document | None:
    """The tree of a set given as its segments, ST first; None if there are none. `unwrap`: line breaks inside segments are no data."""
    arranger: _Arranger | None = None
    position = 0
    for block in stretch:
        for index, raw in enumerate(block.pieces):
            if not raw:
                continue
            position += 1
            if unwrap and not raw.startswith((b"BIN", b"BDS")):
                raw = raw.replace(b"\r", b"").replace(b"\n", b"")
            segment = _segment(raw, guide, delimiters, position, block.start_of(index), block.end_of(index))
            if arranger is None:
                arranger = _Arranger(guide.layout, segment)
            else:
                arranger.take(segment)
    return Document(guide.set_id, guide.release, arranger.root, delimiters, encoding) if arranger else None


def _segment(raw: bytes, guide: Guide, delimiters: Delimiters, position: int, start: int, end: int) -> Segment:
    tag = raw[:8].split(delimiters.element, 1)[0].decode("latin-1")
    rules = guide.dictionary.segments.get(tag)
    binary = rules is not None and rules.elements[-1].kind == "B"
    elements = raw.split(delimiters.element, len(rules.elements)) if binary and rules else raw.split(delimiters.element)
    return Segment(tag, elements, position, start, end)


class _Arranger:
    """Keeps, for each loop of the layout, the node of its present instance."""

    def __init__(self, layout: Layout, header: Segment) -> None:
        self.layout, self.place = layout, layout.root.first
        self.root = Node(header.tag, header, [])
        self.open: dict[int, Node] = {layout.root.number: self.root}
        self.levels: dict[bytes, Node] = {}
        """HL01 -> its node."""

    def take(self, segment: Segment) -> None:
        step = self.layout.forward(self.place, segment.tag)
        if step is None:
            step = self.layout.misplaced(self.place, segment.tag, implicit=True) if segment.tag in self.layout.tags else None
            if step is None:
                self._hang(segment, self._node_of(self.place.loop))
                return
        place = step.place
        if not (step.code == "7" and isinstance(step.counted, Place)):
            self.place = place
        if place is place.loop.first and place.loop.parent is not None:
            self._open(segment, place.loop)
        else:
            self._hang(segment, self._node_of(place.loop))

    def _open(self, segment: Segment, loop: Loop) -> None:
        assert loop.parent is not None
        parent = self._node_of(loop.parent)
        if segment.tag == "HL":
            parent = self.levels.get(segment.get(2), parent)
        node = self._hang(segment, parent)
        if segment.tag == "HL":
            node.level = segment.get(3).decode("latin-1")
            self.levels[segment.get(1)] = node
        self.open[loop.number] = node

    def _node_of(self, loop: Loop) -> Node:
        """The present instance of a loop, or of the nearest one around it that is open."""
        at: Loop | None = loop
        while at is not None and at.number not in self.open:
            at = at.parent
        return self.open[at.number] if at is not None else self.root

    def _hang(self, segment: Segment, parent: Node) -> Node:
        node = Node(segment.tag, segment, [], parent)
        parent.children.append(node)
        return node
