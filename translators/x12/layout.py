"""The loop machine: where in a set a segment may stand after another.

Knows nothing of bytes or elements. A place is one use of a segment in a loop; steps are found once and kept by the caller.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True, eq=False)
class Place:
    """One use of a segment: its position in a loop."""

    tag: str
    required: bool
    maximum: int | None
    """None: without bound."""
    loop: "Loop" = field(repr=False)
    index: int
    number: int
    """Counts places and loops of the layout; the number of its counter."""


@dataclass(slots=True, eq=False)
class Loop:
    """Segments and loops in order; it begins with its first segment. The root loop is the set itself."""

    tag: str
    required: bool
    maximum: int | None
    parent: "Loop | None" = field(repr=False)
    index: int
    number: int
    items: list["Place | Loop"] = field(default_factory=list, repr=False)
    bounded: bool = False
    """It lies between LS and LE, or below such a loop."""

    @property
    def first(self) -> Place:
        """The segment that opens the loop."""
        place = self.items[0]
        assert isinstance(place, Place)
        return place


class Step(NamedTuple):
    """From one place to the next. `code` is "" where the step is right, else the fault (X12 997 AK304)."""

    place: Place
    code: str = ""
    missing: tuple["Place | Loop", ...] = ()
    """Required and passed over (code 3 each)."""
    counted: "Place | Loop | None" = None
    """What is entered or repeated, if it has a bound above one."""
    again: bool = False
    """`counted` is repeated, not entered anew."""
    implicit: bool = False
    """The segment that opens the place's loop did not come."""


class Layout:
    """All places of a set. `root.first` is ST."""

    def __init__(self, root: Loop) -> None:
        self.root = root
        self.tags = frozenset(place.tag for place in places(root))
        self.size = max((place.number for place in places(root)), default=0) + 1

    def forward(self, at: Place, tag: str, full: "Collection[Place | Loop]" = ()) -> Step | None:
        """The step to the next place of `tag` after `at`, innermost loop first; None if there is none ahead.

        Items in `full` have had their maximum. If only a full item would fit, the step repeats it with code 5 or 4.
        """
        level, index, missing = at.loop, at.index, list[Place | Loop]()
        blocked: Step | None = None
        while True:
            item = level.items[index]
            if item.tag == tag:
                if item.maximum != 1 and item not in full:
                    return _step(item, missing, again=True)
                if blocked is None or blocked.place is _opening(item):
                    blocked = Step(_opening(item), "5" if isinstance(item, Place) else "4", tuple(missing), None, again=True)
            for later in range(index + 1, len(level.items)):
                if level.items[later].tag == tag:
                    return _step(level.items[later], missing, again=False)
                if level.items[later].required:
                    missing.append(level.items[later])
            if level.parent is None:
                return blocked
            level, index = level.parent, level.index

    def misplaced(self, at: Place, tag: str, *, implicit: bool) -> Step | None:
        """A place for a segment that does not fit ahead: earlier in a loop that is open (code 7), or in a loop whose first
        segment did not come (code 2): only one that opens a loop itself, unless `implicit` lets any in. None if there is no such place.
        """
        for level, index in _levels(at):
            for earlier in range(index - 1, -1, -1):
                item = level.items[earlier]
                if item.tag == tag and (earlier or level.parent is None):
                    return Step(_opening(item), "7", (), item)
        for level, index in _levels(at):
            for item in level.items[index + 1 :]:
                if isinstance(item, Loop):
                    for inner in item.items[1:]:
                        if inner.tag == tag and (implicit or isinstance(inner, Loop)):
                            return Step(_opening(inner), "2", (), None, implicit=True)
        return None


def places(loop: Loop) -> Iterator[Place]:
    """Every place of a loop and of those below, in order."""
    for item in loop.items:
        if isinstance(item, Place):
            yield item
        else:
            yield from places(item)


def _levels(at: Place) -> Iterator[tuple[Loop, int]]:
    level, index = at.loop, at.index
    while True:
        yield level, index
        if level.parent is None:
            return
        level, index = level.parent, level.index


def _opening(item: Place | Loop) -> Place:
    return item if isinstance(item, Place) else item.first


def _step(item: Place | Loop, missing: list[Place | Loop], *, again: bool) -> Step:
    counted = item if item.maximum is not None and item.maximum > 1 else None
    return Step(_opening(item), "", tuple(missing), counted, again)
