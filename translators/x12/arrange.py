"""Arranges the segments of one set as a tree: loops below the segment that opens them, HL loops below their parent HL.

Knows nothing of faults; a segment without a place hangs in the loop that is open.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from translators.document import Delimiters, Document, Node, Segment
from translators.x12.blocks import Block
from translators.x12.guide import Guide
from translators.x12.layout import Layout, Loop, Place

MAX_HOMES = 20_000


def arrange(stretch: Iterable[Block], guide: Guide, delimiters: Delimiters, *, encoding: str, unwrap: bool) -> Document | None:
    """The tree of a set given as its segments, ST first; None if there are none. `unwrap`: line breaks inside segments are no data."""
    arranger: _Arranger | None = None
    position = 0
    separator = delimiters.element
    tags = _Tags(guide)
    for block in stretch:
        for index, raw in enumerate(block.pieces):
            if not raw:
                continue
            position += 1
            if unwrap and not raw.startswith((b"BIN", b"BDS")):
                raw = raw.replace(b"\r", b"").replace(b"\n", b"")
            elements = raw.split(separator)
            tag, limit = tags[elements[0]]
            if limit:
                elements = raw.split(separator, limit)
            segment = Segment(tag, elements, position, block.start_of(index), block.end_of(index))
            if arranger is None:
                arranger = _Arranger(guide.layout, segment)
            else:
                arranger.take(segment)
    return Document(guide.set_id, guide.release, arranger.root, delimiters, encoding) if arranger else None


class _Tags(dict[bytes, tuple[str, int]]):
    """A segment id as bytes -> as text, and how many elements come before binary data (0: there is none)."""

    def __init__(self, guide: Guide) -> None:
        self.segments = guide.dictionary.segments

    def __missing__(self, raw: bytes) -> tuple[str, int]:
        tag = raw[:8].decode("latin-1")
        rules = self.segments.get(tag)
        self[raw] = found = tag, len(rules.elements) if rules is not None and rules.elements[-1].kind == "B" else 0
        return found


class _Home(NamedTuple):
    """Where a segment hangs after a place."""

    place: Place
    """The place we stand at then."""
    loop: Loop
    """The loop whose present instance it belongs to, or that it opens."""
    opens: bool


@lru_cache(maxsize=64)
def _homes(layout: Layout) -> dict[tuple[int, str], _Home]:
    """Filled as segments come: (number of the place before, tag) -> home; real documents repeat few of them."""
    return {}


class _Arranger:
    """Keeps, for each loop of the layout, the node of its present instance."""

    def __init__(self, layout: Layout, header: Segment) -> None:
        self.layout, self.place = layout, layout.root.first
        self.homes = _homes(layout)
        self.root = Node(header.tag, header, [])
        self.open: dict[int, Node] = {layout.root.number: self.root}
        self.levels: dict[bytes, Node] = {}
        """HL01 -> its node."""

    def take(self, segment: Segment) -> None:
        tag = segment.tag
        key = (self.place.number, tag)
        home = self.homes.get(key)
        if home is None:
            home = self._home(tag)
            if len(self.homes) < MAX_HOMES:
                self.homes[key] = home
        self.place, loop = home.place, home.loop
        if home.opens:
            self._open(segment, loop)
            return
        parent = self.open.get(loop.number) or self._node_of(loop)
        parent.children.append(Node(tag, segment, [], parent))

    def _home(self, tag: str) -> _Home:
        step = self.layout.forward(self.place, tag)
        if step is None:
            step = self.layout.misplaced(self.place, tag, implicit=True) if tag in self.layout.tags else None
            if step is None:
                return _Home(self.place, self.place.loop, False)
        place = step.place
        stays = step.code == "7" and isinstance(step.counted, Place)
        return _Home(self.place if stays else place, place.loop, place is place.loop.first and place.loop.parent is not None)

    def _open(self, segment: Segment, loop: Loop) -> None:
        assert loop.parent is not None
        parent = self.open.get(loop.parent.number) or self._node_of(loop.parent)
        if segment.tag == "HL":
            parent = self.levels.get(segment.get(2), parent)
        node = Node(segment.tag, segment, [], parent)
        parent.children.append(node)
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
