"""The partner listener over HTTP: documents in (`/v1/inbox`), what became of them (`/v1/messages`), documents back (`/v1/outbox`).

Thin: who is it, take the bytes within limits, hand over to receive, answer after the commit.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from gateway.clock import Clock, as_text, span
from gateway.doors.as2 import As2Door
from gateway.doors.bodies import File, Taking, expected
from gateway.doors.callers import Caller, Callers
from gateway.doors.keys import basic_of, usable_key
from gateway.doors.numbers import whole_number
from gateway.doors.problems import explain, problem, problems
from gateway.errors import Refused
from gateway.failpoints import reach
from gateway.receive.stage import ReceiveStage
from gateway.records.deliveries import Settled, ToDeliver
from gateway.records.incoming import Kept
from gateway.scheduling import LaneClaim
from gateway.settings import Limits
from gateway.store import search
from gateway.store.payloads import DAMAGED, PayloadDamaged
from gateway.store.store import Store, landed, promised
from gateway.texts import check_text
from gateway.ways import content_text
from partners.book import Revision

CHANNEL = "http"
MOST_OFFERED = 100
LONGEST_LEASE = 3600
OUTBOX_LEASE = 60


class HttpDoor:
    def __init__(self, store: Store, receive: ReceiveStage, limits: Limits, clock: Clock, callers: Callers, as2: As2Door | None = None) -> None:
        self._store = store
        self._receive = receive
        self._limits = limits
        self._clock = clock
        self._callers = callers
        self.as2 = as2
        self._in_flight: Counter[str] = Counter()

    def app(self, *middlewares: Any) -> web.Application:
        app = web.Application(middlewares=[*middlewares, problems])
        welcome = expected(self._expected)
        app.router.add_post("/v1/inbox", self.inbox, expect_handler=welcome)
        app.router.add_post("/v1/inbox/{partner}", self.inbox, expect_handler=welcome)
        app.router.add_post("/v1/token", self.token)
        app.router.add_get("/v1/messages/{id}", self.message)
        app.router.add_get("/v1/outbox", self.outbox)
        app.router.add_get("/v1/outbox/{id}", self.outbox_document)
        app.router.add_post("/v1/outbox/{id}/ack", self.outbox_ack)
        app.router.add_get("/problems/{kind}", explain)
        if self.as2 is not None:
            self.as2.routes(app)
        return app

    def _who(self, request: web.Request) -> Revision:
        return self._callers.who(request).revision

    # ---- in

    async def token(self, request: web.Request) -> web.Response:
        """An OAuth2 client gets a bearer token (RFC 6749, 4.4)."""
        form = parse_qs((await request.content.read(10_000)).decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return web.json_response({"error": "unsupported_grant_type", "error_description": "grant_type must be client_credentials"}, status=400)
        client, secret = basic_of(request.headers.get("Authorization", "")) or (form.get("client_id", [""])[0], form.get("client_secret", [""])[0])
        try:
            value = self._callers.token(client, secret)
        except Refused:
            return web.json_response({"error": "invalid_client"}, status=401, headers={"WWW-Authenticate": "Basic"})
        return web.json_response(value, headers={"Cache-Control": "no-store"})

    def _expected(self, request: web.Request) -> None:
        """What a head alone tells. Raises Refused."""
        caller = self._callers.who(request, request.match_info.get("partner"), signed=True)
        most = caller.revision.profile.channels.http.max_body
        if request.content_length is not None and request.content_length > most:
            raise Refused(413, "too-large", f"{request.content_length} bytes; this channel takes {most}")

    async def inbox(self, request: web.Request) -> web.StreamResponse:
        caller = self._callers.who(request, request.match_info.get("partner"), signed=True)
        with self._room(caller.revision):
            return await self._take(request, caller)

    @contextmanager
    def _room(self, revision: Revision) -> Iterator[None]:
        """One of the requests that a partner may have under way, so that no partner holds all connections. Raises Refused."""
        partner, most = revision.profile.partner, revision.profile.channels.http.in_flight
        if self._in_flight[partner] >= most:
            raise Refused(429, "too-many", f"{most} of your documents are being taken at this moment", retry_after=timedelta(seconds=1))
        self._in_flight[partner] += 1
        try:
            yield
        finally:
            self._in_flight[partner] -= 1
            if not self._in_flight[partner]:
                del self._in_flight[partner]

    async def _take(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        channel = caller.revision.profile.channels.http
        key = usable_key(request.headers.get("Idempotency-Key")) or usable_key(caller.message)
        if caller.signing is not None and request.content_type.startswith("multipart/"):
            raise Refused(422, "multipart", "a signed request holds one file, as its body")
        told = caller.signing.update if caller.signing is not None else _nobody
        taking = Taking(request, self._limits, self._receive.spool, channel.max_body, told)
        try:
            files = await taking.take()
            caller.finish()
            answer, headers = await self._kept(caller, files, key)
        finally:
            taking.discard()
        response = web.Response(status=202, body=json.dumps(answer).encode(), content_type="application/json", headers=headers)
        await response.prepare(request)
        await response.write_eof()
        reach("receive.answered")
        return response

    async def _kept(self, caller: Caller, files: list[File], key: str | None) -> tuple[dict[str, Any], dict[str, str]]:
        """The answer, and its headers, once every file of the request is kept, all in one commit."""
        revision = caller.revision
        items = []
        for number, file in enumerate(files, start=1):
            settled = await self._receive.finish(file.spool)
            items.append(
                self._receive.incoming(
                    revision, settled, file.spool.size, channel=CHANNEL, window=revision.profile.channels.http.duplicate_window,
                    media_type=file.media_type, file_name=file.name, who=f"{revision.profile.partner} by {CHANNEL}",
                    key=key if key is None or len(files) == 1 else f"{key}#{number}", traceparent=caller.traceparent,
                )
            )  # fmt: skip
        kept = await self._receive.keep(items)
        told = [_told(one, keyed=key is not None) for one in kept]
        again = {"Idempotent-Replayed": "true"} if all(one.outcome == "duplicate" for one in kept) else {}
        if len(told) == 1:
            return told[0], {"Location": told[0]["status_url"]} | again
        for one, file in zip(told, files, strict=True):
            one["file_name"] = file.name
        return {"status": "received", "messages": told}, again

    async def message(self, request: web.Request) -> web.Response:
        """The life of one message, its verdicts, and the 997s that answer it."""
        revision = self._who(request)
        message, partner = check_text(request.match_info["id"], "the id"), revision.profile.partner
        value = await promised(self._store.read(lambda tx: search.message_for_partner(tx, message, partner)))
        if value is None:
            raise Refused(404, "not-found", f"no message {message[:40]} of yours")
        return web.json_response(value)

    # ---- the way back

    async def outbox(self, request: web.Request) -> web.Response:
        """What waits for this partner, leased to it; what is not acknowledged in time is offered again."""
        revision = self._who(request)
        partner = revision.profile.partner
        limit = whole_number(request.query.get("limit"), "limit", 20, most=MOST_OFFERED)
        lease = whole_number(request.query.get("lease"), "lease", OUTBOX_LEASE, most=LONGEST_LEASE)
        now = self._clock()
        until = now + span(timedelta(seconds=lease))
        claim = LaneClaim(destination=f"outbox:{partner}", node=f"{partner} by {CHANNEL}"[:40], now=now, until=until, limit=limit)
        whole: list[ToDeliver] = []
        while not whole and (claimed := (await promised(self._store.claim_lanes(claim))).deliveries):
            reach("outbox.leased")
            whole = [one for one in claimed if await self._whole(one)]
        documents = []
        for one in whole:
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

    async def _whole(self, one: ToDeliver) -> bool:
        """Whether its bytes are those that we wrote. Others are offered to nobody: a dead letter, under the lease that we have."""
        try:
            await asyncio.to_thread(self._store.files.verify_row, one.data, one.sha256)
        except PayloadDamaged as error:
            now = self._clock()
            settled = Settled(
                delivery=one.id, lane=one.lane, fence=one.fence, partner=one.partner, destination=one.destination, message=one.message,
                node=f"{one.partner} by {CHANNEL}"[:40], on_dead=one.on_dead, started_at=now, duration=0, outcome="permanent", at=now, status=None,
                text=f"{DAMAGED}: {error}", answer=b"",
            )  # fmt: skip
            await landed(self._store.settle(settled))
            return False
        return True

    async def outbox_document(self, request: web.Request) -> web.Response:
        """The document's own bytes."""
        revision = self._who(request)
        row = await self._waiting(request, revision)
        try:
            data = await asyncio.to_thread(self._store.files.bytes_of, row)
        except PayloadDamaged as error:
            await landed(self._store.raise_alarm("payload.damaged", row.partner, f"{row.id} in the outbox: {error}", self._clock(), row.id))
            raise
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
        ours = await promised(self._store.settle(settled))
        reach("outbox.acknowledged")
        if not ours and (await self._waiting(request, revision)).state != "delivered":
            return problem("lease-lost", "another pick-up holds it now")
        return web.json_response({"id": row.id, "state": "delivered"})

    async def _waiting(self, request: web.Request, revision: Revision) -> Any:
        delivery, destination = check_text(request.match_info["id"], "the id"), f"outbox:{revision.profile.partner}"
        row = await promised(self._store.read(lambda tx: search.outbox_delivery(tx, delivery, destination)))
        if row is None:
            raise Refused(404, "not-found", f"no document {delivery[:60]} waits for you")
        return row


def _told(kept: Kept, *, keyed: bool) -> dict[str, Any]:
    """With a key the stored answer goes out again, byte for byte; without one the body says why nothing new was made."""
    answer: dict[str, Any] = {"id": kept.id, "status": "received", "received_at": as_text(kept.at), "status_url": f"/v1/messages/{kept.id}"}
    if kept.outcome == "duplicate" and not keyed:
        answer["duplicate"] = True
        answer["detail"] = f"the same bytes came at {answer['received_at']}; nothing is done twice"
    return answer


def _nobody(data: bytes) -> None:
    """Nobody wants to hear the bytes."""
