"""A pretend partner that speaks AS2: it sends and takes messages under a key of its own, answers with receipts, and misbehaves when told to."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import aiohttp
from aiohttp import web

from gateway.clock import new_id, now
from translators.as2.cms.keys import Certificate, OurKey
from translators.as2.errors import As2Error
from translators.as2.headers import ReceiptAsked, Request, read_request
from translators.as2.limits import DEFAULT, Limits, Policy
from translators.as2.message import Opened, open_message
from translators.as2.mime import Headers
from translators.as2.receipts import Judgment, Receipt, Report, Sent, digest_for, judge, read_report, write_receipt
from translators.as2.write import Document, Fields, ReceiptWanted, Security, Written, request_headers, write_message

Misdeed = Literal[
    "", "no-receipt", "html", "wrong-mic", "no-mic", "refuse", "unsigned", "other-message", "stranger", "error", "cut", "never-async", "late"
]
LOOSE = Policy(require_signature=False, uniform_failures=False, allow_sha1=True, allow_3des=True)


@dataclass
class Taken:
    """A message that came."""

    request: Request
    opened: Opened | None
    body: bytes

    @property
    def documents(self) -> list[bytes]:
        return [bytes(one.data) for one in self.opened.payloads] if self.opened else []


@dataclass
class Outcome:
    """What came of a message that it sent."""

    status: int
    headers: Headers
    body: bytes
    message_id: str
    judgment: Judgment | None
    written: Written


@dataclass
class PretendAs2Partner:
    name: str
    """Its AS2 name."""
    key: OurKey
    gateway: Certificate
    gateway_name: str = "CROSSDOCK"
    stranger: OurKey | None = None
    """With which it signs when it misbehaves so."""
    misdeeds: list[Misdeed] = field(default_factory=list)
    """One for each message to come; without any it behaves."""
    taken: list[Taken] = field(default_factory=list)
    receipts: list[tuple[Report, bool]] = field(default_factory=list)
    """Asynchronous receipts that came, and whether they were signed by the gateway."""
    _answering: set[asyncio.Task[None]] = field(default_factory=set)

    # ---- as a server

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/as2", self.receive)
        return app

    async def receive(self, request: web.Request) -> web.StreamResponse:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers])
        body = await request.read()
        asked = read_request(headers)
        try:
            opened: Opened | None = self._open(headers, body)
            fault = None
        except As2Error as error:
            opened, fault = None, error
        if opened is not None and opened.report is not None:
            self.receipts.append((read_report(opened.report, DEFAULT), opened.signer is not None))
            return web.Response(status=204)
        self.taken.append(Taken(asked, opened, body))
        misdeed = self.misdeeds.pop(0) if self.misdeeds else ""
        if misdeed == "error":
            return web.Response(status=500, text="down")
        if misdeed == "cut":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if misdeed == "html":
            return web.Response(text="<html>thank you</html>", content_type="text/html")
        if misdeed == "no-receipt" or asked.receipt is None:
            return web.Response(status=200)
        receipt = self._receipt(asked, opened, fault, misdeed)
        if asked.receipt.url is None:
            return web.Response(body=receipt.body, headers=list(receipt.headers))
        if misdeed != "never-async":
            task = asyncio.create_task(self._post(asked.receipt, receipt, 1.0 if misdeed == "late" else 0.0))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return web.Response(status=204)

    def _open(self, headers: Headers, body: bytes) -> Opened:
        return open_message(
            headers, memoryview(body), keys=[self.key], signers=[self.gateway], at=datetime.now(UTC), policy=LOOSE, limits=Limits(body=1 << 30)
        )

    def _receipt(self, asked: Request, opened: Opened | None, fault: As2Error | None, misdeed: str) -> Receipt:
        assert asked.receipt is not None
        algorithm = digest_for(tuple(one.name for one in asked.receipt.algorithms), opened.digest if opened else None)
        spelt = next((one.spelt for one in asked.receipt.algorithms), "sha-256")
        mic = None if opened is None or misdeed == "no-mic" else (opened.mic(algorithm), spelt)
        if misdeed == "wrong-mic":
            mic = ("AAAA", spelt)
        disposition = fault.disposition if fault else "processed"
        if misdeed == "refuse":
            disposition, mic = "processed/error: unexpected-processing-error", None
        signer = self.key if asked.receipt.signed and misdeed != "unsigned" else None
        if misdeed == "stranger":
            signer = self.stranger
        return write_receipt(
            as2_from=self.name, as2_to=asked.as2_from, original_message_id="<another@one>" if misdeed == "other-message" else asked.message_id,
            disposition=disposition, mic=mic, text=str(fault or "Received."), message_id=f"<{new_id(now())}@{self.name.replace(' ', '-').lower()}>",
            at=datetime.now(UTC), random=os.urandom, signer=signer, digest=algorithm, product="Pretend/1",
        )  # fmt: skip

    @staticmethod
    async def _post(asked: ReceiptAsked, receipt: Receipt, wait: float) -> None:
        await asyncio.sleep(wait)
        async with aiohttp.ClientSession() as session, session.post(asked.url or "", data=receipt.body, headers=list(receipt.headers)) as response:
            await response.read()

    # ---- as a client

    def write(
        self, documents: list[Document], security: Security, *, receipt: ReceiptWanted | None, message_id: str | None = None,
        signer: OurKey | None = None, recipient: Certificate | None = None,
    ) -> tuple[Fields, Written, str]:  # fmt: skip
        """(HTTP headers, the message, its id). `signer` and `recipient`: in place of its own key and the gateway's certificate."""
        at = datetime.now(UTC)
        written = write_message(
            documents, security, signer=signer or self.key, recipients=[recipient or self.gateway], at=at, random=os.urandom,
            mic_algorithm=receipt.algorithms[0] if receipt and receipt.algorithms else None,
        )  # fmt: skip
        named = message_id or f"<{new_id(now())}@{self.name.replace(' ', '-').lower()}>"
        headers = request_headers(as2_from=self.name, as2_to=self.gateway_name, message_id=named, at=at, receipt=receipt)
        return (*headers, *written.headers), written, named

    async def send(
        self,
        session: aiohttp.ClientSession,
        url: str,
        document: bytes,
        *,
        media_type: str = "application/edi-x12",
        file_name: str | None = None,
        security: Security | None = None,
        receipt: ReceiptWanted | None = ReceiptWanted(),  # noqa: B008 - a frozen value
        message_id: str | None = None,
        signer: OurKey | None = None,
        recipient: Certificate | None = None,
    ) -> Outcome:
        """Sends a document to the gateway's `/as2`, and judges the receipt in the answer. `signer` and `recipient` are those of `write`."""
        headers, written, named = self.write(
            [Document(document, media_type, file_name)], security or Security(), receipt=receipt, message_id=message_id,
            signer=signer, recipient=recipient,
        )  # fmt: skip
        return await self.post(session, url, headers, written, named, receipt)

    async def post(
        self, session: aiohttp.ClientSession, url: str, headers: Fields, written: Written, named: str, receipt: ReceiptWanted | None
    ) -> Outcome:
        async with session.post(url, data=b"".join(written.body), headers=list(headers)) as response:
            answer = await response.read()
            fields = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers])
            status = response.status
        judgment = None
        if answer and fields.content_type.value.startswith("multipart/"):
            opened = self._open(fields, answer)
            assert opened.report is not None
            sent = Sent(named, written.mic_algorithm, written.mic, bool(receipt and receipt.signed))
            judgment = judge(read_report(opened.report, DEFAULT), sent, signed=opened.signer is not None)
        return Outcome(status, fields, answer, named, judgment, written)
