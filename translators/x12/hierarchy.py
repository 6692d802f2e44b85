"""Follows the HL segments of an 856 and notes where the tree does not fit.

X12 has no code for these faults; they are told on the element with code 7. Memory: one small entry an HL, up to the most an 856 may hold.
"""

from typing import NamedTuple

MAX_LEVELS = 200_000
"""HL loops in one 856 (X12 856); with more of them the memory stays, and new ids are not followed."""

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
    """The HL ids of one set, in order. `separator` is the length of the element separator."""

    def __init__(self, separator: int) -> None:
        self._separator = separator
        self._known: dict[bytes, tuple[bytes, int, int]] = {}
        """HL01 -> what HL04 of its latest HL still has to prove (1 a child, 0 none, empty nothing), its position and the offset of HL04."""
        self.faults: list[HlFault] = []

    def take(self, fields: list[bytes], position: int, byte_end: int) -> None:
        """One HL as its elements, fields[0] the id; `byte_end` is where it ends, before its terminator."""
        known, size = self._known, len(fields)
        if size < 4:
            fields, byte_end = [*fields, *[b""] * (4 - size)], byte_end + (4 - size) * self._separator
        identity, parent, children = fields[1], fields[2], fields[4] if size > 4 else b""
        if parent:
            owed = known.get(parent)
            if owed is None or owed[0] == b"0":
                self._tell_of_parent(fields, parent, position, byte_end)
            elif owed[0]:
                known[parent] = (b"", 0, 0)
        if identity in known or children not in (b"", b"0", b"1"):
            children = self._tell_of_itself(fields, identity, children, position, byte_end)
        if len(known) < MAX_LEVELS and identity:
            known[identity] = (children, position, byte_end - len(children) if size <= 5 else self._at(fields, 4, byte_end))

    def close(self) -> list[HlFault]:
        """All faults, those of HLs that waited for a child in vain among them."""
        for identity in self._known:
            self._settle(identity)
        return self.faults

    def _tell_of_parent(self, fields: list[bytes], parent: bytes, position: int, byte_end: int) -> None:
        owed = self._known.get(parent)
        if owed is None:
            self._tell(position, 2, self._at(fields, 2, byte_end), f"HL02 names {_said(parent)} as parent, which no earlier HL is", parent)
            return
        self._tell(owed[1], 4, owed[2], f"HL04 says that no HL follows below HL {_said(parent)}, but one does", owed[0])
        self._known[parent] = (b"", 0, 0)

    def _tell_of_itself(self, fields: list[bytes], identity: bytes, children: bytes, position: int, byte_end: int) -> bytes:
        """What is left for HL04 to prove."""
        if identity in self._known:
            text = f"HL01 {_said(identity)} stood in this set before; each HL needs its own"
            self._tell(position, 1, self._at(fields, 1, byte_end), text, identity)
            self._settle(identity)
        if children in (b"", b"0", b"1"):
            return children
        self._tell(position, 4, self._at(fields, 4, byte_end), "HL04 is 1 where children follow and 0 where none do", children)
        return b""

    def _settle(self, identity: bytes) -> None:
        owed, place, offset = self._known[identity]
        if owed == b"1":
            self._tell(place, 4, offset, f"HL04 says that an HL follows below HL {_said(identity)}, but none does", owed)

    def _at(self, fields: list[bytes], element: int, byte_end: int) -> int:
        """Offset of an element."""
        return byte_end - sum(len(value) + self._separator for value in fields[element:]) + self._separator

    def _tell(self, position: int, element: int, at: int, text: str, value: bytes) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(HlFault(position, element, at, at + len(value), text, value))


def _said(value: bytes) -> str:
    return value.decode("latin-1")
