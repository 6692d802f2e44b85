"""Work of the whole installation that one node at a time does: warnings, receipts that are overdue, pruning. Whose turn it is, a leased row says.

What must be done by every node for itself (its own disk, its own keys in memory) is no chore.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gateway import journal
from gateway.clock import MINUTE, SECOND, Clock, Instant
from gateway.errors import StoreUnavailable
from gateway.store import nodes
from gateway.store.store import Store, landed

LEASE = 2 * MINUTE
AGAIN_AFTER_FAULT = 30 * SECOND
LOOK = ""


class TurnLost(Exception):
    """Another node has the chore by now; whatever is left of it is that one's."""


@dataclass(slots=True)
class Turn:
    """One node's turn at one chore. Long work asks `still_ours` before each of its steps."""

    store: Store
    clock: Clock
    name: str
    fence: int
    until: Instant
    """Nobody else has it before."""

    async def still_ours(self) -> None:
        """Raises TurnLost."""
        until = self.clock() + LEASE
        if not await landed(self.store.renew_chore(self.name, self.fence, until)):
            raise TurnLost(self.name)
        self.until = until

    def look_at_clock(self) -> None:
        """For a step that no database holds back: a node that slept since it last asked has lost it. Raises TurnLost."""
        if self.clock() >= self.until:
            raise TurnLost(self.name)


@dataclass(frozen=True, slots=True)
class Chore:
    every: Instant
    work: Callable[[Turn], Awaitable[str]]
    """Does it, and says in a few words what came of it; "" for nothing worth a word."""


class Chores:
    def __init__(self, store: Store, chores: dict[str, Chore], *, node: str, clock: Clock) -> None:
        self._store, self._chores, self._node, self._clock = store, chores, node, clock
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By the chore's name; LOOK is the look at what is due."""

    def look(self) -> None:
        """Called every few seconds: begins what is due, each chore beside the others, none beside itself. A long one holds no other up."""
        self._begin(LOOK, self._begin_due())

    async def stop(self) -> None:
        while self._under_way:
            for task in self._under_way.values():
                task.cancel()
            await self._landed()

    async def at_rest(self) -> None:
        """Returns once nothing is under way."""
        while self._under_way:
            await self._landed()

    async def _landed(self) -> None:
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if name in self._under_way:
            work.close()
            return
        task = self._under_way[name] = asyncio.create_task(self._told(work))
        task.add_done_callback(lambda done: self._under_way.pop(name, None))

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailable as error:
            journal.trouble("chores", error)

    async def _begin_due(self) -> None:
        now = self._clock()
        for name in await landed(self._store.read(lambda tx: nodes.due_chores(tx, list(self._chores), now))):
            self._begin(name, self.do(name))

    async def do(self, name: str) -> None:
        """One of them, if it is due and nobody has it."""
        chore, now = self._chores[name], self._clock()
        fence = await landed(self._store.claim_chore(nodes.ChoreClaim(name, self._node, now, now + LEASE)))
        if fence is None:
            return
        wait = chore.every
        try:
            told = await chore.work(Turn(self._store, self._clock, name, fence, now + LEASE))
        except TurnLost:
            return
        except Exception as error:  # one chore that fails must not stop the others; it comes again
            journal.trouble(f"chores: {name}", error)
            told, wait = f"failed: {type(error).__name__}: {error}", min(AGAIN_AFTER_FAULT, chore.every)
        now = self._clock()
        await landed(self._store.end_chore(nodes.ChoreEnd(name, fence, now + wait, told, now)))
        if told:
            journal.chore(name, told)
