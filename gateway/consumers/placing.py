"""Gives events their positions in the feed, as they are committed, and wakes those who wait for them.

Every node runs one; the feed's head, a row, is held by one of them at a time.
"""

import asyncio

from gateway.clock import Clock
from gateway.store import feed
from gateway.store.store import Store, landed
from gateway.wakeful import Wakeful


class Placer(Wakeful):
    name = "feed"

    def __init__(self, store: Store, *, clock: Clock) -> None:
        super().__init__()
        self._store, self._clock = store, clock
        self._moved = asyncio.Event()

    @property
    def moved(self) -> asyncio.Event:
        """Set once when the feed moves on from here by this node's hand. Taken before a look, it misses nothing."""
        return self._moved

    def rouse(self) -> None:
        """Whoever waits looks again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _look(self) -> bool:
        """One commit's worth; True if there may be more."""
        if not await landed(self._store.read(feed.some_wait)):
            return False
        placed = await landed(self._store.consumers.place(self._clock()))
        if placed:
            self.rouse()
        return placed == feed.MOST_PLACED
