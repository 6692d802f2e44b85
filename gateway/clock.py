"""Time and ids for the gateway, in one place so that tests can bring their own.

Instants are integers: microseconds since 1970 in UTC. They sort, they subtract, and both databases keep them whole.
"""

import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND: Instant = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Clock = Callable[[], Instant]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def wall() -> Instant:
    """What this machine's own clock says."""
    return time.time_ns() // 1000


_kept_by: Clock = wall


def now() -> Instant:
    return _kept_by()


def keep_time_by(clock: Clock) -> None:
    """For this process: everybody's `now`."""
    global _kept_by
    _kept_by = clock


def as_datetime(instant: Instant) -> datetime:
    return datetime.fromtimestamp(instant / SECOND, UTC)


def as_text(instant: Instant) -> str:
    """RFC 3339 in UTC, to the millisecond: 2026-11-16T08:00:00.000Z."""
    seconds, rest = divmod(instant, SECOND)
    return f"{_second_text(seconds)}.{rest // 1000:03}Z"


@lru_cache(maxsize=64)
def _second_text(seconds: int) -> str:
    """2026-11-16T08:00:00: what is told within one second shares it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


_AGO = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def instant_of(text: str, at: Instant) -> Instant:
    """An instant as people write it: 30d, 12h, 90m (so long before `at`), a day (2026-11-01), or RFC 3339; without a zone it is UTC.

    Raises ValueError with the mend.
    """
    if match := _AGO.fullmatch(text):
        return max(0, at - int(match[1]) * _SECONDS[match[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 30d or 12h (ago), a day such as 2026-11-01, or 2026-11-01T08:00:00Z") from None
    return max(0, round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * SECOND))


def span(value: timedelta) -> Instant:
    return round(value.total_seconds() * SECOND)


_chance: list[bytes] = []
"""What the kernel gave by chance and no id has used yet: one call for many ids, for each lets go of the interpreter that another thread waits for."""


def _ten_bytes() -> bytes:
    while True:
        try:
            return _chance.pop()
        except IndexError:
            block = os.urandom(10 * 256)
            _chance.extend(block[start : start + 10] for start in range(0, len(block), 10))


def new_id(instant: Instant) -> str:
    """A ULID: 48 bits of milliseconds, 80 bits of chance, 26 letters that sort by time."""
    number = (instant // 1000) << 80 | int.from_bytes(_ten_bytes(), "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


class Ticks:
    """Instants that never repeat and never go back in this process, whatever the wall clock does: the order of COMMIT 1."""

    def __init__(self, clock: Clock = now) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> Instant:
        with self._lock:
            self._last = max(self._last + 1, self._clock())
            return self._last
