"""A clock that all nodes of a database share, and that no jump of a machine's clock moves by more than a little.

It goes by the kernel's steady time, and follows a reference (the database's clock, or this machine's own) by at most a twentieth of the time that passes. So leases, retries and
deadlines live through a clock that is set an hour on: nothing runs out at once, nothing comes twenty times.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import SECOND, Instant, wall

PACE = 0.05
"""How much faster or slower than time it goes at most, to meet its reference."""
WITHIN = 10 * SECOND
"""A small difference is gone after this."""
JUMP = 2 * SECOND
"""A reference that is off by more has jumped: nothing else moves a clock so far between two looks."""


def _steady() -> int:
    """Nanoseconds of the kernel that nobody sets; those of a machine's sleep count, where it can tell them."""
    return time.clock_gettime_ns(_KIND) if _KIND is not None else time.monotonic_ns()


_KIND: int | None = getattr(time, "CLOCK_BOOTTIME", None)


@dataclass(frozen=True, slots=True)
class _Anchor:
    steady: int
    at: Instant
    behind: Instant
    """What is to be made up for, in microseconds; below zero, to be waited for."""
    pace: float


class SteadyClock:
    """Instants. Called from any thread."""

    def __init__(self, reference: Callable[[], Instant] = wall, steady: Callable[[], int] = _steady) -> None:
        """`reference` is only asked here; afterwards somebody calls `agree`."""
        self._steady = steady
        self._anchor = _Anchor(steady(), reference(), 0, 0.0)

    def __call__(self) -> Instant:
        anchor = self._anchor
        passed = (self._steady() - anchor.steady) // 1000
        if not anchor.behind:
            return anchor.at + passed
        made_up = int(passed * anchor.pace)
        return anchor.at + passed + (min(made_up, anchor.behind) if anchor.behind > 0 else max(made_up, anchor.behind))

    def set(self, at: Instant) -> None:
        """At once. Only before anything has been done by it."""
        self._anchor = _Anchor(self._steady(), at, 0, 0.0)

    def agree(self, reference: Instant) -> Instant:
        """Begins to follow the reference as it is now; how far off it is, in microseconds: above zero where this clock is behind."""
        at = self()
        behind = reference - at
        pace = max(-PACE, min(PACE, behind / WITHIN))
        self._anchor = _Anchor(self._steady(), at, behind, pace)
        return behind
