"""The ERP's own listener: events out to partners (`/v1/documents`), and what became of them. One bearer token; without one it is not opened.

Thin: who is it, take the bytes within limits, hand over to compose, answer after the commit.
"""

import asyncio
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web

from gateway import journal
from gateway.compose.request import read_request
from gateway.compose.stage import ComposeStage
from gateway.doors.keys import traceparent_of, usable_key
from gateway.doors.problems import explain, problems
from gateway.errors import Refused
from gateway.store import outgoing
from gateway.store.store import Store, promised

MOST_BODY = 8 * 2**20
PATIENCE = 60
"""Seconds for a whole body."""


class ErpDoor:
    def __init__(self, store: Store, compose: ComposeStage, token: str) -> None:
        self._store = store
        self._compose = compose
        self._token = hashlib.sha256(token.encode()).digest()

    def app(self, *middlewares: Any) -> web.Application:
        app = web.Application(middlewares=[*middlewares, problems, self.known], client_max_size=MOST_BODY)
        app.router.add_post("/v1/documents", self.release)
        app.router.add_get("/v1/documents/{id}", self.document)
        app.router.add_get("/problems/{kind}", explain)
        return app

    @web.middleware
    async def known(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Nobody without the token sees anything but the pages of problems."""
        if not request.path.startswith("/problems/"):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
            if scheme.lower() != "bearer" or not hmac.compare_digest(digest, self._token):
                journal.refused(None, "erp", 401, "not-authenticated")
                raise Refused(401, "not-authenticated", "this listener wants the ERP's token")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def release(self, request: web.Request) -> web.Response:
        """202 once the document is kept, numbered and queued."""
        key = usable_key(request.headers.get("Idempotency-Key"))
        try:
            async with asyncio.timeout(PATIENCE):
                body = await request.read()
        except TimeoutError:
            raise Refused(408, "too-slow", f"it was not whole after {PATIENCE} s") from None
        if not body:
            raise Refused(422, "empty-body", "0 bytes came")
        asked = read_request(body)
        answer, before = await self._compose.release(asked, body, key=key, traceparent=traceparent_of(request.headers.get("traceparent")))
        headers = {"Location": answer["status_url"]} | ({"Idempotent-Replayed": "true"} if before else {})
        return web.Response(status=202, body=json.dumps(answer, ensure_ascii=False).encode(), content_type="application/json", headers=headers)

    async def document(self, request: web.Request) -> web.Response:
        """How it stands: sent or not, and what the partner said of it."""
        wanted = request.match_info["id"]
        value = await promised(self._store.read(lambda tx: outgoing.sent(tx, wanted)))
        if value is None:
            raise Refused(404, "not-found", f"no document {wanted[:60]} of ours")
        return web.json_response(value)
