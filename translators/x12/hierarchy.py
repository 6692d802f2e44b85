"""Follows the HL segments of an 856 and notes where the tree does not fit (knowledge 5).

X12 has no code for these faults; they are told on the element with code 7. Memory: one small entry an HL, up to the most an 856 may hold.
"""

from typing import NamedTuple

MAX_LEVELS = 200_000
"""HL loops in one 856 (X12 856); what comes after is not followed."""

MAX_FAULTS = 1_000


class HlFault(NamedTuple):
    """A fault of the HL at `position`: its element, that element's bytes, and what is wrong."""

    position: int
    element: int
    byte_start: int
    byte_end: int
    text: str
    value: bytes


class Hierarchy:
    """The HL ids of one set, in order."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, int, int]] = {}
        """HL01 -> what HL04 of its latest HL still has to prove (1 a child, 0 none, empty nothing), its position and offset."""
        self.faults: list[HlFault] = []

    def take(self, fields: list[bytes], position: int, byte_start: int, separator: int) -> None:
        """One HL as its elements, fields[0] the id; `separator` is the length of what stands between them."""
        identity, parent, level, children = [*fields[1:5], b"", b"", b"", b""][:4]
        at = byte_start + len(fields[0]) + separator
        parent_at = at + len(identity) + separator
        children_at = parent_at + len(parent) + separator + len(level) + separator
        if parent:
            self._child_of(parent, position, parent_at)
        if identity in self._known:
            self._tell(position, 1, at, f"HL01 {_said(identity)} stood in this set before; each HL needs its own", identity)
            self._settle(identity)
        if children not in (b"", b"0", b"1"):
            self._tell(position, 4, children_at, "HL04 is 1 where children follow and 0 where none do", children)
            children = b""
        if identity and (len(self._known) < MAX_LEVELS or identity in self._known):
            self._known[identity] = (children, position, children_at)

    def close(self) -> list[HlFault]:
        """All faults, those of HLs that waited for a child in vain among them."""
        for identity in self._known:
            self._settle(identity)
        return self.faults

    def _child_of(self, parent: bytes, position: int, at: int) -> None:
        if parent not in self._known:
            self._tell(position, 2, at, f"HL02 names {_said(parent)} as parent, which no earlier HL is", parent)
            return
        owed, place, offset = self._known[parent]
        if owed == b"0":
            self._tell(place, 4, offset, f"HL04 says that no HL follows below HL {_said(parent)}, but one does", owed)
        if owed:
            self._known[parent] = (b"", place, offset)

    def _settle(self, identity: bytes) -> None:
        owed, place, offset = self._known[identity]
        if owed == b"1":
            self._tell(place, 4, offset, f"HL04 says that an HL follows below HL {_said(identity)}, but none does", owed)

    def _tell(self, position: int, element: int, at: int, text: str, value: bytes) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(HlFault(position, element, at, at + len(value), text, value))


def _said(value: bytes) -> str:
    return value.decode("latin-1")
