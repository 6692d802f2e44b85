"""The ERP's own listener: events out to partners (`/v1/documents`), what became of them, and what consumers read.

Thin: who it is and what it may, `erp_access.py` says; here the bytes are taken within limits and handed over to compose, and answered after the commit.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from gateway.clock import Clock
from gateway.compose.request import read_request
from gateway.compose.stage import ComposeStage
from gateway.consumers.book import ConsumerBook
from gateway.consumers.cursors import Cursors
from gateway.consumers.placing import Placer
from gateway.consumers.records import BUILT_IN, Consumer
from gateway.doors.erp_access import Access, consumer_of
from gateway.doors.erp_events import Events
from gateway.doors.erp_reads import Reads
from gateway.doors.erp_routes import ROUTES
from gateway.doors.keys import traceparent_of, usable_key
from gateway.doors.problems import explain, problems
from gateway.errors import Refused
from gateway.store.store import Store

MOST_BODY = 8 * 2**20
LARGE = 64 * 1024
"""Bytes of a body that is read beside the loop."""
PATIENCE = 60
"""Seconds for a whole body."""


class ErpDoor:
    def __init__(self, store: Store, compose: ComposeStage, book: ConsumerBook, placer: Placer, clock: Clock) -> None:
        self._store = store
        self._compose = compose
        self._access = Access(store, book, clock)
        assert store.vault is not None
        cursors = Cursors(store.vault)
        self._events = Events(store, cursors, placer, clock)
        self._rooms = (self, Reads(store, cursors, clock), self._events)

    def app(self, *middlewares: Any) -> web.Application:
        around = [*middlewares, self._access.answered, problems, self._access.entered]
        app = web.Application(middlewares=around, client_max_size=MOST_BODY)
        for route in ROUTES:
            handler = next(getattr(room, route.name) for room in self._rooms if hasattr(room, route.name))
            if route.method == "GET":
                app.router.add_get(route.path, handler)
            else:
                app.router.add_route(route.method, route.path, handler)
        app.router.add_get("/problems/{kind}", explain)
        app.on_shutdown.append(self._events.close)
        app.on_cleanup.append(self._access.close)
        return app

    async def release(self, request: web.Request) -> web.Response:
        """202 once the document is kept, numbered and queued."""
        consumer = consumer_of(request)
        key = usable_key(request.headers.get("Idempotency-Key"))
        try:
            async with asyncio.timeout(PATIENCE):
                body = await request.read()
        except TimeoutError:
            raise Refused(408, "too-slow", f"it was not whole after {PATIENCE} s") from None
        if not body:
            raise Refused(422, "empty-body", "0 bytes came")
        asked = read_request(body) if len(body) < LARGE else await asyncio.to_thread(read_request, body)
        _within(consumer, asked.partner, asked.stream)
        owner = consumer.name if consumer.name != BUILT_IN else None  # one consumer's keys are not another's
        traceparent = traceparent_of(request.headers.get("traceparent"))
        answer, before = await self._compose.release(asked, body, key=key, traceparent=traceparent, owner=owner)
        headers = {"Location": answer["status_url"]} | ({"Idempotent-Replayed": "true"} if before else {})
        return web.Response(status=202, body=json.dumps(answer, ensure_ascii=False).encode(), content_type="application/json", headers=headers)


def _within(consumer: Consumer, partner: str, stream: str) -> None:
    """Raises Refused (403) for what is outside the consumer's filter, whether or not there is such a partner."""
    if not consumer.sees(partner):
        raise Refused(403, "outside-filter", f"{consumer.name} has nothing to do with partner {partner[:64]}")
    if consumer.stream not in (None, stream):
        raise Refused(403, "outside-filter", f"{consumer.name} has nothing to do with the stream {stream}")
