"""The partner listener over HTTP: documents in (`/v1/inbox`), what became of them (`/v1/messages`), documents back (`/v1/outbox`).

Thin: who is it, take the bytes within limits, hand over to receive, answer after the commit.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

from aiohttp import BodyPartReader, web

from gateway import journal
from gateway.clock import Clock, as_text, span
from gateway.doors.as2 import As2Door
from gateway.doors.keys import traceparent_of, usable_key
from gateway.doors.pace import Pace, pour, write
from gateway.doors.problems import explain, problem, problems
from gateway.errors import Refused
from gateway.failpoints import reach
from gateway.receive.stage import ReceiveStage
from gateway.records import LaneClaim, Settled
from gateway.settings import Limits
from gateway.store import search
from gateway.store.payloads import Spool
from gateway.store.store import Store, landed
from gateway.ways import content_text
from partners.book import Book, Revision

CHANNEL = "http"
MOST_OFFERED = 100
LONGEST_LEASE = 3600
OUTBOX_LEASE = 60


class HttpDoor:
    def __init__(self, store: Store, receive: ReceiveStage, limits: Limits, clock: Clock, book: Book, node: str, as2: As2Door | None = None) -> None:
        self._store = store
        self._receive = receive
        self._limits = limits
        self._clock = clock
        self._node = node
        self.as2 = as2
        self.book = book
        """Replaced as a whole when a profile is applied."""

    def app(self, *middlewares: Any) -> web.Application:
        app = web.Application(middlewares=[*middlewares, problems])
        app.router.add_post("/v1/inbox", self.inbox)
        app.router.add_get("/v1/messages/{id}", self.message)
        app.router.add_get("/v1/outbox", self.outbox)
        app.router.add_get("/v1/outbox/{id}", self.outbox_document)
        app.router.add_post("/v1/outbox/{id}/ack", self.outbox_ack)
        app.router.add_get("/problems/{kind}", explain)
        if self.as2 is not None:
            self.as2.routes(app)
        return app

    def _who(self, request: web.Request) -> Revision:
        """The partner whose token this is. The answer is the same for no token, an unknown one and a misspelt header."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        revision = self.book.by_token(token.strip()) if scheme.lower() == "bearer" and token else None
        if revision is None:
            journal.refused(None, CHANNEL, 401, "not-authenticated")
            raise Refused(401, "not-authenticated", "no partner has this token")
        return revision

    # ---- in

    async def inbox(self, request: web.Request) -> web.StreamResponse:
        revision = self._who(request)
        channel = revision.profile.channels.http
        key = usable_key(request.headers.get("Idempotency-Key"))
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            raise Refused(415, "unsupported-encoding", f"Content-Encoding {encoding[:40]}")
        if request.content_length is not None and request.content_length > channel.max_body:
            raise Refused(413, "too-large", f"{request.content_length} bytes; this channel takes {channel.max_body}")
        spool = self._receive.spool()
        try:
            media_type, file_name = await self._take(request, spool, channel.max_body)
            if spool.size == 0:
                raise Refused(422, "empty-body", "0 bytes came")
            settled = await self._receive.finish(spool)
            kept = await self._receive.keep(
                revision,
                spool,
                channel=CHANNEL,
                key=key,
                window=channel.duplicate_window,
                media_type=media_type,
                file_name=file_name,
                who=f"{revision.profile.partner} by {CHANNEL}",
                traceparent=traceparent_of(request.headers.get("traceparent")),
                settled=settled,
            )
        finally:
            spool.discard()
        answer: dict[str, Any] = {"id": kept.id, "status": "received", "received_at": as_text(kept.at), "status_url": f"/v1/messages/{kept.id}"}
        headers = {"Location": answer["status_url"]}
        if kept.outcome == "duplicate":
            # With a key the stored answer goes out again, byte for byte; without one the body says why nothing new was made.
            headers["Idempotent-Replayed"] = "true"
            if key is None:
                answer["duplicate"] = True
                answer["detail"] = f"the same bytes came at {answer['received_at']}; nothing is done twice"
        response = web.Response(status=202, body=json.dumps(answer).encode(), content_type="application/json", headers=headers)
        await response.prepare(request)
        await response.write_eof()
        reach("receive.answered")
        return response

    async def _take(self, request: web.Request, spool: Spool, most: int) -> tuple[str, str | None]:
        """The body into the spool, within size and time; (media type, file name as the partner said them: metadata, never a path)."""
        if request.content_type.startswith("multipart/"):
            return await self._take_part(request, spool, most)
        if request.content.is_eof():
            # All of it came with its head: nothing is waited for, so nothing needs a clock.
            await write(spool, request.content.read_nowait(), most)
            return request.content_type, request.headers.get("X-File-Name")
        await pour(request.content.readany, spool, most=most, limits=self._limits)
        return request.content_type, request.headers.get("X-File-Name")

    async def _take_part(self, request: web.Request, spool: Spool, most: int) -> tuple[str, str | None]:
        pace = Pace(self._limits)
        media_type, file_name, files = "application/octet-stream", None, 0
        try:
            reader = await request.multipart()
            while (part := await pace.next(reader.next())) is not None:
                if not isinstance(part, BodyPartReader):
                    raise Refused(422, "multipart", "a part is itself multipart")
                if part.filename is None and part.name not in (None, "file", "document"):
                    await part.release()
                    continue
                files += 1
                if files > 1:
                    raise Refused(422, "multipart", "there is a second file")
                media_type, file_name = part.headers.get("Content-Type", media_type), part.filename
                while chunk := await pace.next(part.read_chunk(64 * 1024)):
                    await write(spool, bytes(chunk), most)
        except (ValueError, AssertionError) as error:
            raise Refused(422, "multipart", f"it cannot be read: {error}") from None
        if files == 0:
            raise Refused(422, "multipart", "there is no file in it")
        return media_type, file_name

    async def message(self, request: web.Request) -> web.Response:
        """The life of one message, its verdicts, and the 997s that answer it."""
        revision = self._who(request)
        message, partner = request.match_info["id"], revision.profile.partner
        value = await landed(self._store.read(lambda tx: search.message_for_partner(tx, message, partner)))
        if value is None:
            raise Refused(404, "not-found", f"no message {message[:40]} of yours")
        return web.json_response(value)

    # ---- the way back

    async def outbox(self, request: web.Request) -> web.Response:
        """What waits for this partner, leased to it; what is not acknowledged in time is offered again."""
        revision = self._who(request)
        partner = revision.profile.partner
        limit = _number(request.query.get("limit"), 20, 1, MOST_OFFERED, "limit")
        lease = _number(request.query.get("lease"), OUTBOX_LEASE, 1, LONGEST_LEASE, "lease")
        now = self._clock()
        until = now + span(timedelta(seconds=lease))
        claim = LaneClaim(destination=f"outbox:{partner}", node=f"{partner} by {CHANNEL}"[:40], now=now, until=until, limit=limit)
        claimed = await landed(self._store.claim_lanes(claim))
        if claimed:
            reach("outbox.leased")
        documents = []
        for one in claimed:
            attributes = json.loads(one.attributes)
            documents.append(
                {
                    "id": one.id, "set": attributes.get("set"), "answers": attributes.get("answers"), "media_type": attributes["media_type"],
                    "file_name": attributes["file_name"], "sha256": one.sha256, "lease": f"{one.fence}", "leased_until": as_text(until),
                    "content": content_text(one.data) if one.data is not None else None,
                    "content_url": f"/v1/outbox/{one.id}", "ack_url": f"/v1/outbox/{one.id}/ack",
                }
            )  # fmt: skip
        return web.json_response({"documents": documents})

    async def outbox_document(self, request: web.Request) -> web.Response:
        """The document's own bytes."""
        revision = self._who(request)
        row = await self._waiting(request, revision)
        data = row.data if row.data is not None else await asyncio.to_thread(self._store.files.read, row.sha256)
        attributes = json.loads(row.attributes)
        headers = {"Content-Disposition": f'attachment; filename="{attributes["file_name"]}"', "X-Content-Type-Options": "nosniff"}
        return web.Response(body=data, headers=headers | {"Content-Type": attributes["media_type"]})

    async def outbox_ack(self, request: web.Request) -> web.Response:
        """The partner has it: the delivery is delivered. Saying so twice is harmless."""
        revision = self._who(request)
        row = await self._waiting(request, revision)
        if row.state == "delivered":
            return web.json_response({"id": row.id, "state": "delivered"})
        try:
            given = json.loads(await request.content.read(10_000) or b"{}")
            fence = int(given["lease"])
        except (ValueError, KeyError, TypeError):
            raise Refused(400, "bad-request", 'the body must be {"lease": "…"} with the lease that the outbox gave') from None
        now = self._clock()
        settled = Settled(
            delivery=row.id, lane=row.lane, fence=fence, partner=row.partner, destination=row.destination, message=row.message,
            node=f"{row.partner} by {CHANNEL}"[:40], on_dead=row.on_dead, started_at=now, duration=0, outcome="delivered", at=now, status=200,
            text="picked up", answer=b"picked up",
        )  # fmt: skip
        ours = await landed(self._store.settle(settled))
        reach("outbox.acknowledged")
        if not ours:
            return problem("lease-lost", "another pick-up holds it now")
        return web.json_response({"id": row.id, "state": "delivered"})

    async def _waiting(self, request: web.Request, revision: Revision) -> Any:
        delivery, destination = request.match_info["id"], f"outbox:{revision.profile.partner}"
        row = await landed(self._store.read(lambda tx: search.outbox_delivery(tx, delivery, destination)))
        if row is None:
            raise Refused(404, "not-found", f"no document {delivery[:60]} waits for you")
        return row


def _number(text: str | None, default: int, least: int, most: int, name: str) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise Refused(400, "bad-request", f"{name} must be a whole number from {least} to {most}")
    return int(text)
