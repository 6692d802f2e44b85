"""The way out by AS2: a document becomes a message once, in its final bytes; every attempt sends those, and the receipt decides.

Also brings our asynchronous receipts to their senders.
"""

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import IO, Any

from gateway.as2.judging import Judge, answered
from gateway.as2.records import Answered, As2Row, Asked, Fields, Frozen, as_fields
from gateway.as2.ring import KeyRing
from gateway.as2.sinks import sinks_in
from gateway.as2.terms import excepted, may_receive, security_of
from gateway.clock import Clock, as_datetime, new_id, span
from gateway.errors import DestinationFault, PermanentFailure, UnknownOutcome
from gateway.failpoints import reach
from gateway.records.deliveries import ToDeliver
from gateway.store import as2 as rows
from gateway.store.payloads import Payload, checked
from gateway.store.store import Store, landed
from gateway.targets.base import Confirmation
from gateway.targets.http import Answer, open_session, send
from gateway.transports.outward import Secrets, basic_header, tls_context
from partners.book import Book, Revision
from partners.channels import As2Channel
from translators.as2.mime import Headers
from translators.as2.receipts import DELIVERED, DISPUTED
from translators.as2.write import Document, ReceiptWanted, Written, request_headers, write_message

CHUNK = 64 * 1024
CONCURRENCY = 8
MAX_ANSWER = 1 << 20
"""Bytes of a receipt, or of what comes in its place."""
MOST_DOUBLINGS = 3
MOST_KEPT_OF_NONSENSE = 64 * 1024
BookNow = Callable[[], Book]


class As2Send:
    """Documents to one partner."""

    marks_sending = False
    concurrency = CONCURRENCY

    def __init__(
        self, partner: str, *, store: Store, ring: KeyRing, judge: Judge, clock: Clock, book: BookNow, domain: str, product: str, public_url: str | None,
        secrets: Secrets = lambda name: None,
    ) -> None:  # fmt: skip
        self.name = f"as2:{partner}"
        self._partner = partner
        self._store, self._ring, self._receipts, self._clock, self._book = store, ring, judge, clock, book
        self._domain, self._product, self._public_url, self._secrets = domain, product, public_url, secrets
        self._session = open_session(CONCURRENCY, timedelta(minutes=30))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"as2-{partner}")

    async def close(self) -> None:
        await self._session.close()
        self._pool.shutdown(wait=True)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        revision, channel = self._terms()
        row = await landed(self._store.read(lambda tx: rows.by_delivery(tx, delivery.id)))
        if row is None:
            row = await self._freeze(delivery, data, revision, channel)
        reach("as2.frozen")
        if row.state in ("delivered", "awaiting", "unproven") and delivery.attempts == 0:
            # It was answered in an earlier life of this node, and only COMMIT 3 is missing.
            return Confirmation(200, (row.disposition or "").encode(), looked_up=True)
        answer = await self._send(row, channel)
        reach("as2.answered")
        return await self._judge(delivery, row, answer, revision, channel)

    def _terms(self) -> tuple[Revision, As2Channel]:
        revision = self._book().by_name(self._partner)
        channel = revision.profile.channels.as2 if revision else None
        if revision is None or channel is None or not channel.url:
            raise DestinationFault(f"{self._partner} has no AS2 address in its profile any more (channels.as2.url)")
        return revision, channel

    # ---- once

    async def _freeze(self, delivery: ToDeliver, data: bytes, revision: Revision, channel: As2Channel) -> As2Row:
        written, identity = await asyncio.get_running_loop().run_in_executor(self._pool, self._write, delivery, data, channel)
        now = self._clock()
        # Of the delivery alone: a node restored from a backup sends under the same id what it cannot know it has sent.
        message_id = f"<{hashlib.sha256(delivery.id.encode()).hexdigest()[:32]}@{self._domain}>"
        us = revision.profile.us.as2
        wanted = self._wanted(channel)
        headers = (
            *request_headers(
                as2_from=us, as2_to=channel.id, message_id=message_id, at=as_datetime(now), receipt=wanted, version=channel.send.version,
                subject=channel.send.subject,
            ),
            ("AS2-Product", self._product), ("User-Agent", self._product), *written.headers,
        )  # fmt: skip
        how: Asked = channel.send.receipt
        payload, signed, mic, others = await asyncio.get_running_loop().run_in_executor(self._pool, self._kept, identity, written)
        return await landed(
            self._store.freeze_as2(
                Frozen(
                    id=identity, partner=self._partner, delivery=delivery.id, message_id=message_id, as2_from=us, as2_to=channel.id, headers=headers,
                    payload=payload, signed=signed, report=_report(channel, self._ring, self._partner) | {"mics": others}, mic=mic, mic_algorithm=written.mic_algorithm,
                    receipt=how, receipt_signed=channel.send.receipt_signed and how != "none", receipt_span=span(channel.send.receipt_within),
                    resends=channel.send.resends if how == "async" else 0, profile_revision=revision.number, at=now,
                )
            )
        )  # fmt: skip

    def _write(self, delivery: ToDeliver, data: bytes, channel: As2Channel) -> tuple[Written, str]:
        attributes = json.loads(delivery.attributes)
        security = security_of(channel, len(data))
        recipient = self._ring.encrypting_to(self._partner)
        now = self._clock()
        today = as_datetime(now)
        for weak in ("sha1", "3des"):
            if weak in (channel.send.sign, channel.send.encrypt) and not excepted(channel, weak, today):
                raise DestinationFault(f"the exception for {weak} has ended; take SHA-256 and AES, or give it another day in the profile")
        if recipient is not None and security.encrypt and not recipient.valid(today) and not excepted(channel, "expired", today):
            raise DestinationFault(f"the certificate of {self._partner} to encrypt to is not valid today; add the next one (crossdock keys add)")
        name = attributes.get("file_name") if channel.send.file_name else None
        try:
            written = write_message(
                [Document(data, attributes.get("media_type") or "application/octet-stream", name)], security, signer=self._ring.signing(channel.send.key),
                recipients=[recipient] if recipient else [], at=as_datetime(now), random=os.urandom, new_sink=sinks_in(self._store.files.spool),
            )  # fmt: skip
        except ValueError as error:
            raise DestinationFault(f"{error} (crossdock keys list)") from None
        return written, new_id(now)

    def _kept(self, identity: str, written: Written) -> tuple[Payload, Payload | None, str, dict[str, str]]:
        """The body durable, the signed entity within it, and the MICs: the one that counts, and others for partners who answer by another algorithm."""
        others = {name: written.mic_by(name) for name in ("sha1", "sha256") if name != written.mic_algorithm}
        keep = self._store.files.keep_pieces
        signed = keep(f"signed:{identity}", self._partner, written.signed) if written.signed else None
        return keep(f"as2:{identity}", self._partner, written.body), signed, written.mic, others

    def _wanted(self, channel: As2Channel) -> ReceiptWanted | None:
        if channel.send.receipt == "none":
            return None
        digest = "sha256" if channel.send.sign == "none" else channel.send.sign
        url = None
        if channel.send.receipt == "async":
            if not self._public_url:
                raise DestinationFault("asynchronous receipts need the setting public_url, our own address for partners")
            url = f"{self._public_url.rstrip('/')}/as2"
        return ReceiptWanted(signed=channel.send.receipt_signed, algorithms=(digest,), url=url)

    # ---- each time

    async def _send(self, row: As2Row, channel: As2Channel) -> Answer:
        found = await landed(self._store.read(lambda tx: rows.payload_of(tx, row.payload)))
        with self._body(found) as body:
            return await send(
                self._session, channel.url or "", _chunks(body) if channel.send.chunked else body,
                [*as_fields(row.headers), *self._authorization(channel), *(() if channel.send.chunked else [("Content-Length", str(row.size))])], max_answer=MAX_ANSWER,
                patience=channel.send.timeout, context=tls_context(self._ring, self._partner, channel.send.certificate),
            )  # fmt: skip

    def _authorization(self, channel: As2Channel) -> list[tuple[str, str]]:
        """HTTP Basic, where the partner wants it. It is no part of the message, and is not kept with it."""
        return [basic_header(channel.send.basic, self._secrets)] if channel.send.basic is not None else []

    @contextlib.contextmanager
    def _body(self, found: Any) -> "Iterator[bytes | IO[bytes]]":
        if found.data is not None:
            yield checked(bytes(found.data), found.sha256)
            return
        self._store.files.verify(found.sha256)
        with self._store.files.local(found.sha256).open("rb") as file:
            yield file

    async def _judge(self, delivery: ToDeliver, row: As2Row, answer: Answer, revision: Revision, channel: As2Channel) -> Confirmation:
        headers, now = Headers(answer.headers), self._clock()
        has_receipt = bool(answer.body) and headers.content_type.value.startswith("multipart/") and row.receipt != "none"
        if not has_receipt and row.receipt != "sync":
            state, text = (
                ("awaiting", "taken; its receipt comes by itself") if row.receipt == "async" else ("unproven", "taken; no receipt was asked for")
            )
            await landed(self._store.answer_as2(Answered(row.id, row.partner, state, "sent", f"{answer.status}: {text}", "", (), None, now, "")))
            return Confirmation(answer.status, text.encode())
        report, judged, by, _ = await self._receipts.receipt(revision, headers, memoryview(answer.body), us=row.as2_from, them=row.as2_to, about=row)
        kept = answer.body[:MOST_KEPT_OF_NONSENSE] if report is None else answer.body
        payload = await asyncio.to_thread(self._store.files.keep, Payload.inline(f"mdn:{row.id}:{now}", row.partner, kept))
        await landed(self._store.answer_as2(answered(row, report, judged, by, answer.headers, payload, now)))
        told = f"{judged.state}: {judged.text}"
        if judged.state in DELIVERED:
            return Confirmation(answer.status, (report.disposition if report else "").encode())
        if judged.state == "failed" or judged.state in DISPUTED:
            # The receipt itself is kept with the message; a person at a dead letter wants its words.
            raise PermanentFailure(told, status=answer.status, answer=report.text.encode() if report else kept)
        wait = channel.send.retry * 2 ** min(delivery.attempts, MOST_DOUBLINGS)
        raise UnknownOutcome(f"{told}; the receipt is missing", status=answer.status, answer=kept, retry_after=wait)


async def _chunks(body: "bytes | IO[bytes]") -> AsyncIterator[bytes]:
    """What aiohttp sends in HTTP chunks: pieces without a length."""
    if isinstance(body, bytes):
        for start in range(0, len(body), CHUNK):
            yield body[start : start + CHUNK]
        return
    while piece := await asyncio.to_thread(body.read, CHUNK):
        yield piece


def _report(channel: As2Channel, ring: KeyRing, partner: str) -> dict[str, Any]:
    """With which certificates and algorithms it was written."""
    signer, recipient = ring.signing(channel.send.key), ring.encrypting_to(partner)
    given = channel.send
    return {
        "signer": signer.certificate.fingerprint if signer and given.sign != "none" else None, "digest": None if given.sign == "none" else given.sign,
        "cipher": None if given.encrypt == "none" else given.encrypt, "recipient": recipient.fingerprint if recipient and given.encrypt != "none" else None,
        "compressed": given.compress,
    }  # fmt: skip


class As2Receipts:
    """Our asynchronous receipts to one partner: stored bytes, on a new connection."""

    marks_sending = False
    concurrency = CONCURRENCY

    def __init__(self, partner: str, *, ring: KeyRing, book: BookNow) -> None:
        self.name = f"as2-receipts:{partner}"
        self._partner, self._ring, self._book = partner, ring, book
        self._session = open_session(CONCURRENCY, timedelta(minutes=5))

    async def close(self) -> None:
        await self._session.close()

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        attributes = json.loads(delivery.attributes)
        revision = self._book().by_name(self._partner)
        channel = revision.profile.channels.as2 if revision else None
        if channel is None or not may_receive(channel, attributes["url"]):
            raise PermanentFailure(f"{attributes['url']} is on no host that is registered for {self._partner}'s receipts")
        headers: Fields = tuple((name, value) for name, value in attributes["headers"])
        answer = await send(
            self._session,
            attributes["url"],
            data,
            headers,
            max_answer=MAX_ANSWER,
            patience=timedelta(minutes=2),
            context=tls_context(self._ring, self._partner, channel.send.certificate),
        )
        return Confirmation(answer.status, answer.body)
