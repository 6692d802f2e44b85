"""A mapping that remembers where each value came from: the same rules, compiled once more with a notebook around each.

Only `explain` uses it; a mapping that reads for delivery pays nothing. Knows no format and no event family.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from translators.document import Document, Node
from translators.mapping.run import Run
from translators.mapping.values import Context
from translators.mapping.written import Place

Read = Callable[[Run, Node], Any]
ITEM = "[]"
PASS = ""
"""A named block of a list: its items are the list's own."""


class Mark(NamedTuple):
    """An element that a rule looked at."""

    position: int
    element: int
    component: int | None
    condition: bool
    """It decided whether or where, and gave no value."""


@dataclass(slots=True)
class Frame:
    """One field, or one item of a list, while and after it was read."""

    name: str
    rule: str = ""
    place: Place | None = None
    marks: list[Mark] = field(default_factory=list)
    below: list["Frame"] = field(default_factory=list)
    scope: int = 0
    """Position of the segment that an item was read from."""
    count: int = 1
    """How many values it gave, where it is a list."""


class _Seen(list[int]):
    """Notes every element that is marked as taken; says that none was, so that each rule marks its own."""

    def __init__(self, run: "TracingRun", size: int) -> None:
        super().__init__([0] * size)
        self.run = run

    def __setitem__(self, position: Any, mask: Any) -> None:
        while mask:
            element = (mask & -mask).bit_length() - 1
            mask &= mask - 1
            self.run.note(position, element)


class TracingRun(Run):
    """A Run that keeps frames. One event after another: `begin` starts the next."""

    __slots__ = ("_used", "frames")
    tracing = True

    def __init__(self, document: Document, context: Context) -> None:
        super().__init__(document, context)
        self.frames = [Frame("")]
        self.seen = _Seen(self, len(self.seen))

    def begin(self) -> Frame:
        """The frame of a new event."""
        self.frames = [Frame("")]
        return self.frames[0]

    def note(self, position: int, element: int, component: int | None = None) -> None:
        """One element was looked at by the field that is being read."""
        self.frames[-1].marks.append(Mark(position, element, component, self.quiet))

    def take_part(self, position: int, element: int, component: int, raw: bytes) -> bool:
        self.note(position, element, component)
        return False

    @property
    def used(self) -> list[int] | None:
        """A transform that says "I took nothing" was told a value all the same."""
        return self._used

    @used.setter
    def used(self, value: list[int] | None) -> None:
        self._used = value or None

    @property
    def memo(self) -> None:
        """What several events share is read anew for each."""
        return None

    @memo.setter
    def memo(self, value: Any) -> None:
        pass


def traced(name: str, rule: str, place: Place | None, read: Read) -> Read:
    """`read`, with a frame of its own in a TracingRun; nothing is kept of what gave no value."""

    def inner(run: Run, node: Node) -> Any:
        assert isinstance(run, TracingRun)
        frame = Frame(name, rule, place, scope=node.segment.position)
        run.frames.append(frame)
        try:
            value = read(run, node)
        finally:
            run.frames.pop()
        if value is not None:
            frame.count = len(value) if isinstance(value, list) else 1
            run.frames[-1].below.append(frame)
        return value

    return inner


def noting(masks: dict[str, int], read: Read) -> Read:
    """`read`, noting first what choosing the segment told (the conditions of its path)."""

    def inner(run: Run, node: Node) -> Any:
        if mask := masks.get(node.tag):
            run.seen[node.segment.position] = mask
        return read(run, node)

    return inner
