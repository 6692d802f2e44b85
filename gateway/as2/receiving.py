"""An AS2 message on its way in, from its headers to its receipt: identity, duplicate, opening, one commit, answer (as2.md 2).

Knows no HTTP: the door brings headers and a spooled body, and takes an answer.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway import journal, traces
from gateway.as2.judging import Judge, answered
from gateway.as2.records import Arrived, As2Claim, As2Row, AsideAs2, Asked, Decided, Fields, StoredReceipt, as_fields, key_of
from gateway.as2.ring import KeyRing
from gateway.as2.sinks import IN_MEMORY, mapped, sinks_in
from gateway.as2.terms import limits_of, may_receive, policy_of
from gateway.clock import Clock, as_datetime, new_id, span
from gateway.errors import Refused, StoreUnavailable
from gateway.failpoints import reach
from gateway.records.incoming import Incoming
from gateway.store import as2 as rows
from gateway.store.payloads import DAMAGED, Payload, PayloadDamaged, Spool
from gateway.store.store import Store, landed, promised
from gateway.ways import AS2
from partners.book import Book, Revision
from translators.as2.errors import DECRYPTION, UNEXPECTED, UNKNOWN_PARTNER, As2Error, NotAs2
from translators.as2.headers import ReceiptAsked, Request, read_request
from translators.as2.message import PKCS7_MIME, Opened, open_message
from translators.as2.mime import Headers
from translators.as2.receipts import digest_for, receipt_inside, write_receipt
from translators.as2.write import SPELT

OPENING_TOGETHER = 2
"""Messages that are opened at once: each may keep a core busy."""
LEASE = timedelta(minutes=5)
IDLE = 1.0
PATIENCE_WITH_STORE = 1.0
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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, under which terms."""

    request: Request
    revision: Revision

    @property
    def channel(self) -> Any:
        return self.revision.profile.channels.as2


class Receiver:
    def __init__(
        self, store: Store, ring: KeyRing, judge: Judge, *, node: str, clock: Clock, domain: str, product: str, on_documents: Callable[[], None], on_queued: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store, self._ring, self._judge, self._node, self._clock = store, ring, judge, node, clock
        self._domain, self._product = domain, product
        self._on_documents, self._on_queued = on_documents, on_queued
        self._pool = ThreadPoolExecutor(OPENING_TOGETHER, thread_name_prefix="as2")
        self._at_work: dict[str, asyncio.Future[None]] = {}
        self._unknown: dict[str, tuple[int, int]] = {}
        self._undecrypted: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self.book = Book([])
        """Replaced as a whole when a profile is applied."""

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="as2")

    async def stop(self) -> None:
        if self._loop:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._pool.shutdown(wait=True)

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
        if request.receipt is None or not self._may_answer(source):
            return Answer(403, body=b"these names have no agreement here\n")
        same = request.as2_from == request.as2_to
        fault = (
            As2Error("sender-equals-receiver", "AS2-From and AS2-To are the same", kind="failure")
            if same
            else As2Error(UNKNOWN_PARTNER, "these AS2 names have no agreement here; check AS2-From and AS2-To, which count capitals and spaces")
        )
        receipt = write_receipt(
            as2_from=request.as2_to, as2_to=request.as2_from, original_message_id=request.message_id, disposition=fault.disposition, mic=None,
            text=f"The message was not taken: {fault}.", message_id=self._message_id(), at=self._now(), random=os.urandom, signer=None,
            product=self._product,
        )  # fmt: skip
        return Answer(200, receipt.headers, receipt.body)

    def _may_answer(self, source: str) -> bool:
        """Strangers get their receipts at a bounded rate."""
        self._count(self._unknown, source)
        return self._minute(self._unknown, source) <= UNKNOWN_ANSWERS

    def _minute(self, counts: dict[str, tuple[int, int]], source: str) -> int:
        """How many in this minute."""
        then, count = counts.get(source, (0, 0))
        return count if then == self._clock() // 60_000_000 else 0

    def _count(self, counts: dict[str, tuple[int, int]], source: str) -> None:
        if len(counts) > 10_000:
            counts.clear()
        counts[source] = (self._clock() // 60_000_000, self._minute(counts, source) + 1)

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
        if self._minute(self._undecrypted, f"{source} {caller.revision.profile.partner}") >= UNDECRYPTED:
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
            await self._check_key(caller)
            there = await promised(self._store.keep_as2(arrived))
            reach("as2.kept")
            if there is not None:
                return _while_kept(there, body.sha256)
            self._wake.set()
            return Answer(204)
        decided = await self._decided(caller, headers, body.view, arrived, replaces=replaces, earlier=None if replaces else earlier)
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

    async def _check_key(self, caller: Caller) -> None:
        asked = caller.request.receipt
        if asked is not None and asked.signed and self._ring.signing(caller.channel.send.key) is None:
            raise StoreUnavailable("a signed receipt is asked for, and we have no signing key yet (crossdock keys generate)")

    async def _decided(
        self,
        caller: Caller,
        headers: Headers,
        body: memoryview,
        arrived: Arrived,
        *,
        replaces: str | None,
        earlier: As2Row | None = None,
        kept: bool = False,
    ) -> Decided | As2Row:
        """What becomes of it. The earlier row where its id was used before and the content proves to be the same."""
        await self._check_key(caller)
        asked = caller.request.receipt
        opened: Opened | None = None
        fault = asked.fault if asked is not None else None
        if fault is None:
            opened, fault = await self._opened(caller, headers, body, arrived)
        mic = algorithm = None
        if opened is not None:
            algorithm = digest_for(tuple(one.name for one in asked.algorithms) if asked else (), opened.digest, caller.channel.receive.mic)
            mic = await self._in_pool(len(body), opened.mic, algorithm)
        if earlier is not None:
            if opened is not None and earlier.mic_algorithm and await self._in_pool(len(body), opened.mic, earlier.mic_algorithm) == earlier.mic:
                return earlier
            fault = fault or As2Error(UNEXPECTED, "this Message-ID was used before with other content; send new content under a new id")
        documents: tuple[Incoming, ...] = ()
        if fault is None and opened is not None:
            documents = await self._in_pool(len(body), self._documents, caller, opened, arrived)
        receipt = await asyncio.to_thread(self._receipt, caller, arrived, asked, fault, mic, algorithm, opened) if asked is not None else None
        used = [opened.signer.fingerprint] if opened and opened.signer else []
        used += [opened.decrypted_with.fingerprint] if opened and opened.decrypted_with else []
        return Decided(
            arrived=replace(arrived, keyed=False) if earlier is not None else arrived, documents=documents, report=_report(opened),
            mic=mic if fault is None else None, mic_algorithm=algorithm if fault is None else None, receipt=receipt,
            refusal=f"{fault.modifier}: {_deepest(fault)}" if fault else None, used=tuple(used), at=self._clock(), kept=kept, replaces=replaces,
        )  # fmt: skip

    async def _opened(self, caller: Caller, headers: Headers, body: memoryview, arrived: Arrived) -> tuple[Opened | None, As2Error | None]:
        def work() -> Opened:
            return open_message(
                headers, body, keys=self._ring.decrypting(), signers=self._ring.signers(arrived.partner), at=as_datetime(arrived.at),
                policy=policy_of(caller.channel, as_datetime(arrived.at)), limits=limits_of(caller.channel), new_sink=sinks_in(self._store.files.spool),
            )  # fmt: skip

        try:
            opened = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except As2Error as fault:
            if fault.modifier == DECRYPTION:
                self._count(self._undecrypted, f"{arrived.source} {arrived.partner}")
            return None, fault
        except StoreUnavailable:
            raise
        except Exception as error:  # ours, whatever it is: the sender gets a receipt that says so, we get an alarm
            journal.trouble(f"as2: {arrived.message_id}", error)
            return None, As2Error(UNEXPECTED, "something went wrong on our side; it is recorded, and the message can be sent again")
        if opened.report is not None:
            return None, As2Error(UNEXPECTED, "a receipt within a message")
        return opened, None

    async def _in_pool(self, size: int, work: Callable[..., Any], *arguments: Any) -> Any:
        """At once where there is little to do, else in a thread."""
        if size <= IN_MEMORY:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _documents(self, caller: Caller, opened: Opened, arrived: Arrived) -> tuple[Incoming, ...]:
        """Each payload as a message of its own; the first has the id of the AS2 message. Large ones are on the disk before the commit names them."""
        found = []
        for number, one in enumerate(opened.payloads):
            identity = arrived.id if number == 0 else new_id(arrived.at)
            found.append(
                Incoming(
                    id=identity, partner=arrived.partner, channel=AS2, payload=self._store.files.keep_pieces(f"message:{identity}", arrived.partner, [one.data]),
                    media_type=one.media_type[:120], file_name=one.file_name, profile_revision=arrived.profile_revision, key=f"{arrived.id}.{number}",
                    window=span(caller.channel.receive.duplicate_window), at=arrived.at, who=f"{arrived.partner} by {AS2}", traceparent=traces.begin(None),
                )
            )  # fmt: skip
        return tuple(found)

    def _receipt(
        self,
        caller: Caller,
        arrived: Arrived,
        asked: ReceiptAsked,
        fault: As2Error | None,
        mic: str | None,
        algorithm: str | None,
        opened: Opened | None,
    ) -> StoredReceipt:
        spelt = next((one.spelt for one in asked.algorithms if one.name == algorithm), SPELT.get(algorithm or "", "sha-256"))
        signer = self._ring.signing(caller.channel.send.key) if asked.signed else None
        if fault is not None and fault.modifier == "unsupported format":
            signer = None
        digest = algorithm or next((one.name for one in asked.algorithms), "sha256")
        weak = digest in ("sha1", "md5") and not getattr(policy_of(caller.channel, self._now()), f"allow_{digest}")
        size = sum(len(one.data) for one in opened.payloads) if opened else 0
        good = (
            f"The message was received whole: {len(opened.payloads) if opened else 0} document(s), {size:,} bytes. This says nothing of its content."
        )
        receipt = write_receipt(
            as2_from=arrived.as2_to, as2_to=arrived.as2_from, original_message_id=arrived.message_id,
            disposition=fault.disposition if fault else "processed", mic=(mic, spelt) if mic and fault is None else None,
            text=f"The message was not taken: {fault}." if fault else good, message_id=self._message_id(), at=self._now(), random=os.urandom,
            signer=signer, digest="sha256" if weak else digest, product=self._product, version=caller.channel.send.version,
        )  # fmt: skip
        payload = Payload.inline(f"mdn:{arrived.id}", arrived.partner, receipt.body)
        return StoredReceipt(receipt.headers, payload, fault.disposition if fault else "processed", asked.url)

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

    # ---- asynchronous ones, after their 2xx

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                now = self._clock()
                claimed = await landed(self._store.claim_as2(As2Claim(self._node, now, now + span(LEASE), OPENING_TOGETHER)))
                for row in claimed:
                    await self._work(row)
            except StoreUnavailable as error:
                journal.trouble("as2", error)
                await asyncio.sleep(PATIENCE_WITH_STORE)
                continue
            except Exception as error:  # one message must not stop the others; its lease runs out, and it is tried again
                journal.trouble("as2", error)
                await asyncio.sleep(PATIENCE_WITH_STORE)
                continue
            if claimed:
                continue
            try:
                async with asyncio.timeout(IDLE):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _work(self, row: As2Row) -> None:
        headers = Headers(as_fields(row.headers))
        revision = self.book.by_as2(row.as2_from, row.as2_to)
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
        decided = await self._decided(caller, headers, view, arrived, replaces=None, kept=True)
        assert isinstance(decided, Decided)
        await landed(self._store.decide_as2(decided))
        reach("as2.decided")
        self._told(decided)

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

    # ---- small things

    def _now(self) -> datetime:
        return as_datetime(self._clock())

    def _message_id(self) -> str:
        return f"<{new_id(self._clock())}@{self._domain}>"


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


def _report(opened: Opened | None) -> dict[str, Any]:
    """What was found, for people and for evidence."""
    if opened is None:
        return {}
    return {
        "layers": opened.layers, "signer": opened.signer.fingerprint if opened.signer else None, "digest": opened.digest, "form": opened.form,
        "cipher": opened.cipher, "key_transport": opened.key_transport,
        "decrypted_with": opened.decrypted_with.fingerprint if opened.decrypted_with else None, "compressed": opened.compressed,
        "documents": [{"media_type": one.media_type, "file_name": one.file_name, "size": len(one.data)} for one in opened.payloads],
    }  # fmt: skip


def _deepest(fault: BaseException) -> str:
    """The true reason, for us; the receipt may say less."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    return str(fault)
