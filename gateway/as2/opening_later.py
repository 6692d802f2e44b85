"""Opens asynchronous AS2 messages after their 2xx: one that is kept is claimed, decided and committed, and its receipt leaves as a delivery.

Knows no connection; what becomes of a message is deciding.py's.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from gateway.as2.deciding import OPENING_TOGETHER, Caller, Decider
from gateway.as2.records import Arrived, As2Claim, As2Row, AsideAs2, Decided, as_fields
from gateway.as2.sinks import mapped
from gateway.clock import Clock, span
from gateway.errors import StoreUnavailable
from gateway.failpoints import reach
from gateway.store import as2 as rows
from gateway.store.payloads import DAMAGED, Payload, PayloadDamaged
from gateway.store.store import Store, landed
from gateway.wakeful import Wakeful
from partners.book import Book
from translators.as2.headers import read_request
from translators.as2.mime import Headers

LEASE = timedelta(minutes=5)


class LaterOpener(Wakeful):
    name = "as2"
    idle = 1.0

    def __init__(
        self, store: Store, decider: Decider, *, node: str, clock: Clock, book: Callable[[], Book], on_decided: Callable[[Decided], None]
    ) -> None:
        super().__init__()
        self._store, self._decider, self._node, self._clock, self._book, self._on_decided = store, decider, node, clock, book, on_decided

    async def _look(self) -> bool:
        now = self._clock()
        claimed = await landed(self._store.claim_as2(As2Claim(self._node, now, now + span(LEASE), OPENING_TOGETHER)))
        for row in claimed:
            await self._work(row)
        return bool(claimed)

    async def _work(self, row: As2Row) -> None:
        headers = Headers(as_fields(row.headers))
        revision = self._book().by_as2(row.as2_from, row.as2_to)
        if revision is None:
            raise StoreUnavailable(f"{row.partner} has no AS2 channel any more, and message {row.id} waits to be opened")
        found = await landed(self._store.read(lambda tx: rows.payload_of(tx, row.payload)))
        data = bytes(found.data) if found.data is not None else None
        try:
            await asyncio.to_thread(self._store.files.verify_row, data, row.sha256)
        except PayloadDamaged as error:
            # No receipt: one that says no would forbid the partner to send it again.
            await landed(self._store.set_as2_aside(AsideAs2(row.id, row.partner, row.message_id, f"{DAMAGED}: {error}", self._clock())))
            return
        view = memoryview(data) if data is not None else mapped(await asyncio.to_thread(self._store.files.local, found.sha256))
        caller = Caller(read_request(headers), revision)
        payload = Payload(row.payload, row.partner, row.size, row.sha256, data)
        arrived = Arrived(
            row.id, row.partner, row.as2_from, row.as2_to, row.message_id, tuple(headers.fields), payload, row.source or "", "async",
            row.receipt_signed, row.receipt_url, row.profile_revision, row.at,
        )  # fmt: skip
        decided = await self._decider.decide(caller, headers, view, arrived, replaces=None, kept=True)
        assert isinstance(decided, Decided)
        await landed(self._store.decide_as2(decided))
        reach("as2.decided")
        self._on_decided(decided)
