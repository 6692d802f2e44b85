"""What each node does for itself, now and then: it tells the others that it is there, keeps its clock in step, looks after its own disk.

What one node does for all of them is shared_work.py's.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import timedelta

from gateway import journal
from gateway.clock import SECOND, Clock, wall
from gateway.errors import StoreUnavailable
from gateway.records.alarms import AlarmClosed, DiskLook
from gateway.settings import Settings
from gateway.sftp import leftovers
from gateway.steady import JUMP, SteadyClock
from gateway.store import nodes
from gateway.store.store import Store, landed

COPY_IN_USE = 3600
"""Seconds for which a copy of a payload stays after its last use, however full the disk."""
SPOOL_KEPT = timedelta(hours=24)


class OwnWork:
    def __init__(
        self, store: Store, settings: Settings, *, node: str, version: str, clock: Clock, addresses: dict[str, str], state: Callable[[], str]
    ) -> None:
        """With a SteadyClock it keeps that in step with the other nodes' and the database's; any other is taken as it is."""
        self._store, self._settings, self._node, self._version, self._clock = store, settings, node, version, clock
        self._addresses, self._state = addresses, state
        self._steady = clock if isinstance(clock, SteadyClock) else None
        self._clock_told = False

    async def begin(self) -> None:
        """Takes the time that the nodes share, before anything is dated by it."""
        if self._steady is not None and not self._store.database.is_sqlite:
            self._steady.set(await landed(self._store.read(nodes.shared_now)))
        self._started_at = self._clock()

    async def beat(self) -> None:
        """Tells the other nodes that this one is there, and keeps its clock in step with theirs."""
        try:
            await landed(self._store.beat(nodes.Beat(self._node, self._state(), self._version, self._addresses, self._started_at, self._clock())))
            if self._steady is not None:
                await self._keep_in_step(self._steady)
        except StoreUnavailable as error:
            journal.trouble("beat", error)

    async def _keep_in_step(self, steady: SteadyClock) -> None:
        before = steady()
        reference = wall() if self._store.database.is_sqlite else await landed(self._store.read(nodes.database_now))
        asked_for = steady() - before
        if asked_for > SECOND:
            return  # an answer that took so long says too little of when it was made
        behind = steady.agree(reference + asked_for // 2)
        if abs(behind) > JUMP and not self._clock_told:
            which = "this machine's clock" if self._store.database.is_sqlite else "the clock of the database's machine"
            way = "ahead of" if behind > 0 else "behind"
            what = f"{which} is {abs(behind) / SECOND:.0f} s {way} node {self._node}'s, which follows it slowly, so that nothing runs out at once"
            await landed(self._store.raise_alarm("clock.jumped", "-", what, self._clock(), self._node))
        elif abs(behind) <= JUMP and self._clock_told:
            await landed(self._store.close_alarm(AlarmClosed(f"clock.jumped:{self._node}", self._clock(), "crossdock", "the clocks agree again")))
        self._clock_told = abs(behind) > JUMP

    async def look_at_disk(self) -> None:
        free = shutil.disk_usage(self._store.files.folder).free
        what = f"{free:,} bytes are free where node {self._node} keeps its data; below {self._settings.limits.disk_free:,} it takes nothing"
        try:
            await landed(self._store.warn_of_disk(DiskLook(self._node, what, free < 2 * self._settings.limits.disk_free, self._clock())))
        except StoreUnavailable as error:
            journal.trouble("disk", error)

    async def sweep(self) -> None:
        """What lies about on this node's own disk."""
        files = self._store.files
        journal.swept("spool files of uploads that never ended", await asyncio.to_thread(files.sweep, SPOOL_KEPT.total_seconds(), time.time()))
        try:
            left = await asyncio.to_thread(leftovers.sweep_here, self._store, time.time() - SPOOL_KEPT.total_seconds())
            journal.swept("parts of files by SFTP that are needed no more", left)
        except StoreUnavailable as error:
            journal.trouble("sweep", error)
        if self._settings.payloads is not None:
            journal.swept("copies of payloads", await asyncio.to_thread(files.shed, self._settings.payloads.cache, time.time() - COPY_IN_USE))
