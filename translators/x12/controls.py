"""Notices a set control number (ST02) that comes twice in a group, in memory that does not grow with a million good sets.

Knows nothing of groups; numbers that count up are kept as ranges.
"""

from bisect import bisect_right, insort

MAX_RANGES = 100_000
"""Ranges and texts kept; a group whose numbers jump more often is judged as far as this reaches."""


class Controls:
    """The ST02 of one group, in order. `duplicates` holds the ordinals of those that had stood before."""

    def __init__(self) -> None:
        self.duplicates: list[int] = []
        self._ranges: dict[int, list[tuple[int, int]]] = {}
        self._texts: set[bytes] = set()

    def take(self, ordinal: int, control: bytes) -> None:
        """Text counts: 1 and 0001 are two numbers."""
        if control.isdigit() and len(control) <= 18:
            if not self._take_number(len(control), int(control)):
                self.duplicates.append(ordinal)
        elif control in self._texts:
            self.duplicates.append(ordinal)
        elif control and len(self._texts) < MAX_RANGES:
            self._texts.add(control)

    def _take_number(self, width: int, number: int) -> bool:
        """False if the number stood before. Ranges are (first, last), sorted and apart."""
        ranges = self._ranges.setdefault(width, [])
        at = bisect_right(ranges, (number, 1 << 62)) - 1
        if at >= 0 and number <= ranges[at][1]:
            return False
        if at >= 0 and number == ranges[at][1] + 1:
            ranges[at] = (ranges[at][0], number)
        elif len(ranges) < MAX_RANGES:
            insort(ranges, (number, number))
        return True
