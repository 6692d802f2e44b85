"""Receive: what a door has taken becomes a message, durably, before anyone is told yes (COMMIT 1)."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta

from gateway import journal, traces
from gateway.clock import Clock, new_id, span
from gateway.errors import Refused, StoreBroken, StoreUnavailable
from gateway.failpoints import reach
from gateway.records.incoming import Incoming, Kept, Outcome
from gateway.settings import Limits
from gateway.store.payloads import Payload
from gateway.store.spool import Spool
from gateway.store.store import Store, promised
from partners.book import Revision

DISK_LOOK = 1_000_000
"""Microseconds between looks at the free disk."""

MOST_WAITING = 2_000
"""Writes that may wait for the store. Each may hold a body of 64 KiB, and while the store stands still partners come again and again."""


class ReceiveStage:
    def __init__(self, store: Store, limits: Limits, clock: Clock, on_kept: Callable[[str, str], None] = lambda partner, channel: None) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._on_kept = on_kept
        self._in_flight: set[tuple[str, str, str]] = set()
        self._disk_seen = 0
        self._disk_free = 0

    def spool(self) -> Spool:
        """A place for a body. Raises StoreUnavailable while there is no room to keep one."""
        now = self._clock()
        if now - self._disk_seen > DISK_LOOK:
            self._disk_free = shutil.disk_usage(self._store.files.folder).free
            self._disk_seen = now
        if self._disk_free < self._limits.disk_free:
            raise StoreUnavailable("the disk is nearly full; nothing is taken until there is room")
        return Spool(self._store.files)

    async def finish(self, spool: Spool) -> tuple[str, bytes | None]:
        """(SHA-256, the bytes if they are small) of a body that is whole; a large one is then durable under that name. Raises StoreBroken."""
        try:
            settled = await asyncio.to_thread(spool.finish) if spool.is_file else spool.finish()
        except StoreBroken as error:
            self._store.on_broken(error)
            raise
        reach("receive.spooled")
        return settled

    async def keep(self, items: list[Incoming]) -> list[Kept]:
        """COMMIT 1, for all or none. Raises Refused for a key that is at work (409) or was used with other bytes (422); StoreUnavailable."""
        claims = {(item.partner, item.channel, item.key or f"sha256:{item.payload.sha256}") for item in items}
        if claims & self._in_flight:
            raise Refused(409, "in-flight", "the same document is being taken right now", retry_after=timedelta(seconds=1))
        if self._store.writer.waiting > MOST_WAITING:
            raise StoreUnavailable(f"{self._store.writer.waiting} writes wait for the store; nothing more is taken until it has caught up")
        self._in_flight |= claims
        try:
            all_kept = [await promised(self._store.keep_message(items[0]))] if len(items) == 1 else await promised(self._store.keep_together(items))
        finally:
            self._in_flight -= claims
        for item, kept in zip(items, all_kept, strict=True):
            self.kept(item, kept.id, kept.outcome)
        conflict = next((kept for kept in all_kept if kept.outcome == "conflict"), None)
        if conflict is not None:
            raise Refused(422, "key-reused", f"the key came with message {conflict.id} and other bytes")
        for partner, channel in {(item.partner, item.channel) for item, kept in zip(items, all_kept, strict=True) if kept.outcome == "new"}:
            self.wake(partner, channel)
        return all_kept

    def incoming(
        self, revision: Revision, settled: tuple[str, bytes | None], size: int, *, channel: str, window: timedelta, media_type: str,
        file_name: str | None, who: str, key: str | None = None, traceparent: str | None = None,
    ) -> Incoming:  # fmt: skip
        """What COMMIT 1 keeps of a body that is whole."""
        now = self._clock()
        message, partner = new_id(now), revision.profile.partner
        digest, data = settled
        return Incoming(
            id=message, partner=partner, channel=channel, payload=Payload(f"message:{message}", partner, size, digest, data), media_type=media_type[:120],
            file_name=file_name[:255] if file_name else None, profile_revision=revision.number, key=key, window=span(window), at=now, who=who,
            traceparent=traces.begin(traceparent), above=traceparent,
        )  # fmt: skip

    def kept(self, item: Incoming, message: str, outcome: Outcome) -> None:
        """COMMIT 1 is done, under this id."""
        reach("receive.committed")
        journal.received(message, item.partner, item.channel, item.payload.size, outcome)
        traces.tell(
            f"receive {item.channel}", item.traceparent, item.above, item.at, self._clock(), kind="server", message=message, partner=item.partner,
            bytes=item.payload.size, outcome=outcome,
        )  # fmt: skip

    def wake(self, partner: str, channel: str) -> None:
        """There is something to translate in this lane."""
        self._on_kept(partner, channel)
