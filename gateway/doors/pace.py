"""A body on its way into a spool, within size and time: what a large or slow sender may not do.

Knows bytes only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import Refused
from gateway.settings import Limits
from gateway.store.spool import Spool


class Pace:
    """Bytes must come at the limits' rate after a grace, and be whole within their time: a slow sender may not hold a place for ever."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun = time.monotonic()
        self._taken = 0

    async def next(self, reading: Any) -> Any:
        """The next piece. Raises Refused (408) for a body that comes too slowly."""
        elapsed = time.monotonic() - self._begun
        grace, most = self._limits.body_grace.total_seconds(), self._limits.body_time.total_seconds()
        deadline = min(grace + self._taken / self._limits.body_rate, most)
        try:
            async with asyncio.timeout(max(0.0, deadline - elapsed)):
                piece = await reading
        except TimeoutError:
            raise Refused(408, "too-slow", f"{self._taken} bytes in {time.monotonic() - self._begun:.0f} s") from None
        self._taken += len(piece) if isinstance(piece, bytes | bytearray) else 0
        return piece


async def pour(reading: Callable[[], Awaitable[bytes]], spool: Spool, *, most: int, limits: Limits) -> None:
    """Everything that `reading` gives, to its end. Raises Refused: 413 past `most` bytes, 408 for a body that comes too slowly."""
    pace = Pace(limits)
    while chunk := await pace.next(reading()):
        await write(spool, chunk, most)


async def write(spool: Spool, chunk: bytes, most: int) -> None:
    if spool.size + len(chunk) > most:
        raise Refused(413, "too-large", f"more than {most} bytes")
    if spool.would_spill(len(chunk)):
        await asyncio.to_thread(spool.write, chunk)
    else:
        spool.write(chunk)
