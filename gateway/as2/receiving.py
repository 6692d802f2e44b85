"""An AS2 message on its way in, from its headers to its receipt: identity, duplicate, one commit, answer.

Knows no HTTP: the door brings headers and a spooled body, and takes an answer. What becomes of a message is deciding.py's.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from gateway import journal, traces
from gateway.as2.deciding import Caller, Decider
from gateway.as2.judging import Judge, answered
from gateway.as2.minutes import Minutes
from gateway.as2.opening_later import LaterOpener
from gateway.as2.records import Arrived, As2Row, Asked, Decided, Fields, StoredReceipt, as_fields, key_of
from gateway.as2.ring import KeyRing
from gateway.as2.sinks import mapped
from gateway.as2.terms import limits_of, may_receive
from gateway.clock import Clock, as_datetime, new_id, span
from gateway.errors import Refused, StoreUnavailable
from gateway.failpoints import reach
from gateway.store import as2 as rows
from gateway.store.payloads import Payload, PayloadDamaged
from gateway.store.spool import Spool
from gateway.store.store import Store, landed, promised
from gateway.ways import AS2
from partners.book import Book
from translators.as2.errors import UNKNOWN_PARTNER, As2Error, NotAs2
from translators.as2.headers import read_request
from translators.as2.message import PKCS7_MIME
from translators.as2.mime import Headers
from translators.as2.receipts import receipt_inside, write_receipt

UNKNOWN_ANSWERS = 60
"""Receipts for unknown names that one source gets in a minute."""
MOST_RECEIPT = 1 << 20
"""Bytes; what is longer is a message."""
UNDECRYPTED = 60
"""Messages of one source in a minute that may fail to decrypt: more would be somebody who asks an oracle."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back on the connection."""

    status: int
    headers: Fields = ()
    body: bytes = b""


class Receiver:
    def __init__(
        self, store: Store, ring: KeyRing, judge: Judge, *, node: str, clock: Clock, domain: str, product: str, on_documents: Callable[[], None], on_queued: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store, self._judge, self._clock, self._product = store, judge, clock, product
        self._on_documents, self._on_queued = on_documents, on_queued
        self._at_work: dict[str, asyncio.Future[None]] = {}
        self._unknown, self._undecrypted = Minutes(clock), Minutes(clock)
        self._decider = Decider(store, ring, clock=clock, domain=domain, product=product, undecrypted=self._undecrypted)
        self._later = LaterOpener(store, self._decider, node=node, clock=clock, book=lambda: self.book, on_decided=self._told)
        self.book = Book([])
        """Replaced as a whole when a profile is applied."""

    def start(self) -> None:
        self._decider.start()
        self._later.start()

    async def stop(self) -> None:
        await self._later.stop()
        self._decider.stop()

    # ---- who

    def identify(self, headers: Headers, source: str) -> Caller | Answer:
        """Whom the names mean. An answer at once for a request that is none (400), and for names that we do not know: refused before any key is used."""
        try:
            request = read_request(headers)
        except NotAs2 as error:
            journal.refused(None, AS2, 400, str(error))
            return Answer(400, body=f"{error}; this address takes AS2 messages (RFC 4130)\n".encode())
        revision = self.book.by_as2(request.as2_from, request.as2_to)
        if revision is not None:
            return Caller(request, revision)
        journal.refused(None, AS2, 200, f"unknown names {request.as2_from!r} to {request.as2_to!r}")
        if request.receipt is None or self._unknown.count(source) > UNKNOWN_ANSWERS:
            return Answer(403, body=b"these names have no agreement here\n")
        same = request.as2_from == request.as2_to
        fault = (
            As2Error("sender-equals-receiver", "AS2-From and AS2-To are the same", kind="failure")
            if same
            else As2Error(UNKNOWN_PARTNER, "these AS2 names have no agreement here; check AS2-From and AS2-To, which count capitals and spaces")
        )
        receipt = write_receipt(
            as2_from=request.as2_to, as2_to=request.as2_from, original_message_id=request.message_id, disposition=fault.disposition, mic=None,
            text=f"The message was not taken: {fault}.", message_id=self._decider.message_id(), at=as_datetime(self._clock()), random=os.urandom, signer=None,
            product=self._product,
        )  # fmt: skip
        return Answer(200, receipt.headers, receipt.body)

    # ---- in

    async def take(self, caller: Caller, headers: Headers, spool: Spool, settled: tuple[str, bytes | None], source: str) -> Answer:
        """The answer to a message whose body is whole. Raises Refused, StoreUnavailable; whatever else goes wrong is told in a receipt."""
        digest, data = settled
        body = memoryview(data) if data is not None else mapped(await asyncio.to_thread(self._store.files.local, digest))
        may_be = len(body) <= MOST_RECEIPT
        hidden = may_be and caller.request.receipt is None and headers.content_type.value in PKCS7_MIME
        if hidden or (may_be and receipt_inside(headers, body, limits_of(caller.channel)) is not None):
            answer = await self._take_receipt(caller, headers, body, digest, data, source, hidden=hidden)
            if answer is not None:
                return answer
        if self._undecrypted.of(f"{source} {caller.revision.profile.partner}") >= UNDECRYPTED:
            return Answer(429, body=b"too many messages from this address do not decrypt\n")
        request = caller.request
        key = key_of("in", request.as2_from, request.as2_to, request.message_id)
        while (busy := self._at_work.get(key)) is not None:
            await asyncio.shield(busy)
        self._at_work[key] = asyncio.get_running_loop().create_future()
        try:
            return await self._take_message(caller, headers, Body(body, digest, data, spool.size), source, key)
        finally:
            self._at_work.pop(key).set_result(None)

    async def _take_message(self, caller: Caller, headers: Headers, body: "Body", source: str, key: str) -> Answer:
        channel = caller.channel
        arrived = self._arrived(caller, headers, body, source)
        self._check_receipt(caller)
        earlier = await promised(self._store.read(lambda tx: rows.by_key(tx, key)))
        replaces = None
        if earlier is not None:
            if earlier.at + span(channel.receive.duplicate_window) < arrived.at or earlier.state == "refused":
                replaces = earlier.id
            elif earlier.state == "kept":
                return _while_kept(earlier, body.sha256)
            elif earlier.sha256 == body.sha256:
                return await self._again(earlier, source, caller)
        if arrived.receipt == "async" and earlier is None:
            await self._decider.check_key(caller)
            there = await promised(self._store.keep_as2(arrived))
            reach("as2.kept")
            if there is not None:
                return _while_kept(there, body.sha256)
            self._later.wake()
            return Answer(204)
        decided = await self._decider.decide(caller, headers, body.view, arrived, replaces=replaces, earlier=None if replaces else earlier)
        if isinstance(decided, As2Row):
            return await self._again(decided, source, caller)
        there = await promised(self._store.decide_as2(decided))
        reach("as2.decided")
        if there is not None and there.sha256 != body.sha256:
            return await self._take_message(caller, headers, body, source, key)  # another node was first, with other bytes: they are compared now
        if there is not None:
            return await self._again(there, source, caller)
        self._told(decided)
        if decided.receipt is None or decided.receipt.url is not None:
            return Answer(204)
        data = decided.receipt.payload.data
        return Answer(200, decided.receipt.headers, data if data is not None else await self._bytes(decided.receipt.payload.id))

    def _arrived(self, caller: Caller, headers: Headers, body: "Body", source: str) -> Arrived:
        asked = caller.request.receipt
        now = self._clock()
        identity = new_id(now)
        how: Asked = "none" if asked is None else "async" if asked.url else "sync"
        return Arrived(
            id=identity, partner=caller.revision.profile.partner, as2_from=caller.request.as2_from, as2_to=caller.request.as2_to,
            message_id=caller.request.message_id, headers=tuple(headers.fields),
            payload=Payload(f"as2:{identity}", caller.revision.profile.partner, body.size, body.sha256, body.data), source=source, receipt=how,
            receipt_signed=bool(asked and asked.signed), receipt_url=asked.url if asked else None, profile_revision=caller.revision.number, at=now,
        )  # fmt: skip

    def _check_receipt(self, caller: Caller) -> None:
        """A receipt that must go somewhere else is refused with the message, before anything is kept: the address comes from a stranger."""
        asked = caller.request.receipt
        if asked is not None and asked.url and not may_receive(caller.channel, asked.url):
            raise Refused(
                403,
                "receipt-address",
                "Receipt-Delivery-Option names a host that is not registered for this partner (channels.as2.receive.receipt_hosts)",
            )

    async def _again(self, row: As2Row, source: str, caller: Caller) -> Answer:
        """A duplicate gets the stored receipt, byte for byte, by the way that is asked for now."""
        asked = caller.request.receipt
        journal.received(row.id, row.partner, AS2, row.size, "duplicate")
        receipt = None
        try:
            body = await self._bytes(row.receipt_payload) if row.receipt_payload else b""
        except PayloadDamaged as error:
            await landed(self._store.raise_alarm("payload.damaged", row.partner, f"the receipt of {row.id}: {error}", self._clock(), row.id))
            raise StoreUnavailable("the receipt of this message is damaged") from error
        if asked is not None and asked.url and row.receipt_payload:
            payload = Payload.inline(row.receipt_payload, row.partner, body)
            receipt = StoredReceipt(as_fields(row.receipt_headers), payload, row.disposition or "", asked.url)
        await promised(self._store.answer_as2_again(row, source, receipt))
        self._on_queued()
        if asked is None or asked.url or not row.receipt_payload:
            return Answer(204)
        return Answer(200, as_fields(row.receipt_headers), body)

    async def _bytes(self, payload: str) -> bytes:
        found = await promised(self._store.read(lambda tx: rows.payload_of(tx, payload)))
        return await asyncio.to_thread(self._store.files.bytes_of, found)

    def _told(self, decided: Decided) -> None:
        arrived = decided.arrived
        journal.received(arrived.id, arrived.partner, AS2, arrived.payload.size, "refused" if decided.refusal else "new")
        if decided.documents:
            self._on_documents()
        for one in decided.documents:
            size = one.payload.size
            traces.tell(
                f"receive {AS2}", one.traceparent, None, arrived.at, self._clock(), kind="server", message=one.id, partner=one.partner, bytes=size
            )
        if decided.receipt is not None and decided.receipt.url is not None:
            self._on_queued()

    # ---- receipts of partners

    async def _take_receipt(
        self, caller: Caller, headers: Headers, body: memoryview, digest: str, data: bytes | None, source: str, *, hidden: bool
    ) -> Answer | None:
        """An asynchronous receipt: judged, kept, answered 204 whatever it says. Never answered by a receipt.

        `hidden`: it may be one within CMS; None where it is none.
        """
        us, them = caller.request.as2_to, caller.request.as2_from
        report, judged, by, row = await self._judge.receipt(caller.revision, headers, body, us=us, them=them)
        if report is None and hidden:
            return None
        if row is None:
            what = f"a receipt of {caller.revision.profile.partner}: {judged.text}"
            await promised(self._store.raise_alarm("as2.receipt-unmatched", caller.revision.profile.partner, what, self._clock()))
            journal.refused(caller.revision.profile.partner, AS2, 204, judged.text)
            return Answer(204)
        now = self._clock()
        payload = Payload(f"mdn:{row.id}:{now}", row.partner, len(body), digest, data)
        await promised(self._store.answer_as2(answered(row, report, judged, by, tuple(headers.fields), payload, now, source)))
        self._on_queued()
        return Answer(204)


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is whole: its bytes, and how it is kept."""

    view: memoryview
    sha256: str
    data: bytes | None
    size: int


def _while_kept(row: As2Row, sha256: str) -> Answer:
    """The answer to an id that waits to be opened: other bytes under it must not be taken for it, nor be lost. Raises StoreUnavailable."""
    if row.sha256 != sha256:
        raise StoreUnavailable("another message under the same Message-ID is being opened; send this one again in a moment")
    return Answer(204)
