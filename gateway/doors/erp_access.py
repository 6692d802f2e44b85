"""Who may do what on the ERP's listener: token, quota, version of the contract, scope; and what the audit log gets to know of it.

Knows the table of routes and no handler. Everything is denied that is not allowed here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway import journal
from gateway.clock import Clock, Instant, as_text, new_id
from gateway.consumers.book import ConsumerBook
from gateway.consumers.quotas import Limit, RequestQuotas
from gateway.consumers.records import NOBODY, Consumer, Noted, chain_of
from gateway.contract.versions import VERSIONS
from gateway.doors.deprecations import headers_of
from gateway.doors.erp_routes import BY_PLACE, OPEN, Route
from gateway.doors.problems import problem
from gateway.errors import Refused, StoreUnavailable
from gateway.store.store import Store, promised

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTRACT = "Crossdock-Contract"
DENIED = frozenset({401, 403, 404, 406})
MOST_PATH = 300
TOGETHER = timedelta(seconds=60).total_seconds()
"""So long refusals without a consumer, and those for its quota, are gathered into one record; the first is written at once."""


@dataclass(slots=True)
class Call:
    """One request on its way."""

    id: str
    at: Instant
    consumer: Consumer | None = None
    route: Route | None = None
    limit: Limit | None = None
    contract: str | None = None


CALL = web.RequestKey("call", Call)


def consumer_of(request: web.Request) -> Consumer:
    consumer = request[CALL].consumer
    assert consumer is not None, "no handler is reached without one"
    return consumer


@dataclass(slots=True)
class _Gathered:
    """Refusals of one kind since the last record of them."""

    number: int = 0
    sources: set[str] = field(default_factory=set)
    timer: asyncio.Task[None] | None = None


class Access:
    """Two middlewares around the one that words problems: `answered` outside it, `entered` within."""

    def __init__(self, store: Store, book: ConsumerBook, clock: Clock) -> None:
        self._store, self._book, self._clock = store, book, clock
        self._quotas = RequestQuotas(store, clock)
        self._gathered: dict[tuple[str, int], _Gathered] = {}

    @web.middleware
    async def answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every answer with the headers that it owes, and after the record that it owes: what could not be written down is not answered."""
        now = self._clock()
        call = request[CALL] = Call(new_id(now), now)
        try:
            answer = await handler(request)
        except Exception:
            with contextlib.suppress(StoreUnavailable):
                await self._note(request, call, 500)
            raise
        try:
            await self._note(request, call, answer.status)
        except StoreUnavailable as error:
            answer = problem("not-now", str(error), retry_after=timedelta(seconds=5))
        if call.limit is not None:
            answer.headers.update(call.limit.headers)
        if call.contract is not None:
            answer.headers[CONTRACT] = call.contract
        if call.route is not None:
            for name, value in headers_of(call.route):
                answer.headers.add(name, value)
        if call.consumer is not None:
            answer.headers.setdefault("Cache-Control", "private, no-cache" if answer.status in (200, 304) else "no-store")
            answer.headers["Vary"] = f"Authorization, {CONTRACT}"
        return answer

    @web.middleware
    async def entered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody sees anything but the pages of problems without a token, a request left in this minute, and the scope. Raises Refused."""
        if request.path.startswith(OPEN):
            return await handler(request)
        call = request[CALL]
        call.consumer = consumer = self._who(request)
        call.limit = await self._quotas.take(consumer)
        if call.limit is not None and not call.limit.passes:
            detail = f"{consumer.name} has made its {call.limit.rate:,} requests of this minute"
            more = {"violated-policies": ["default"]}
            raise Refused(429, "quota-exceeded", detail, retry_after=timedelta(seconds=call.limit.seconds), more=more)
        call.contract = _contract(request, consumer)
        resource = request.match_info.route.resource
        method = "GET" if request.method == "HEAD" else request.method
        call.route = route = BY_PLACE.get((method, resource.canonical)) if resource is not None else None
        if route is None:
            if resource is None or request.match_info.http_exception is not None:
                return await handler(request)  # there is no such address, or method: the answer says so, and does nothing
            raise Refused(403, "missing-scope", "this address is open to no scope")
        if route.scope not in consumer.scopes:
            raise Refused(403, "missing-scope", f"{consumer.name} has not the scope {route.scope}", more={"scope": route.scope})
        if route.noted == "around":
            await promised(self._store.consumers.note(self._record(request, call, "asked")))
        return await handler(request)

    async def close(self, _: web.Application) -> None:
        """Writes what was gathered."""
        for key, gathered in list(self._gathered.items()):
            if gathered.timer is not None:
                gathered.timer.cancel()
            try:
                await self._write(key)
            except StoreUnavailable as error:
                journal.trouble("audit", error)

    def _who(self, request: web.Request) -> Consumer:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        consumer = self._book.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if consumer is None:
            journal.refused(None, "erp", 401, "not-authenticated")
            raise Refused(401, "not-authenticated", "this listener wants a consumer's token")
        return consumer

    # ---- the audit log

    async def _note(self, request: web.Request, call: Call, status: int) -> None:
        """Each denial; each call that changes something; each read of a consumer whose terms ask for that. Raises StoreUnavailable."""
        if request.path.startswith(OPEN):
            return
        if call.consumer is None or status == 429:
            await self._gather(chain_of(call.consumer.name) if call.consumer else NOBODY, status, request.remote or "")
        elif status in DENIED:
            await promised(self._store.consumers.note(self._record(request, call, "denied", status=status)))
        elif call.route is not None and call.route.noted == "around":
            await promised(self._store.consumers.note(self._record(request, call, "answered", status=status)))
        elif call.consumer.audit_reads and request.method in ("GET", "HEAD"):
            await promised(self._store.consumers.note(self._record(request, call, "read", status=status)))

    def _record(self, request: web.Request, call: Call, act: str, **more: Any) -> Noted:
        assert call.consumer is not None
        what = {"act": act, "method": request.method, "path": request.path_qs[:MOST_PATH], "from": request.remote} | more
        if act == "asked" and (key := request.headers.get("Idempotency-Key")):
            what["key"] = key[:MOST_PATH]
        if act == "denied" and call.route is not None:
            what["scope"] = call.route.scope
        return Noted(chain_of(call.consumer.name), call.id, self._clock(), what)

    async def _gather(self, chain: str, status: int, source: str) -> None:
        """The first refusal of its kind is written at once, those after it together: a flood is one record a minute, with its number, and is no flood of rows."""
        key = (chain, status)
        gathered = self._gathered.setdefault(key, _Gathered())
        gathered.number += 1
        if len(gathered.sources) < 20:
            gathered.sources.add(source)
        if gathered.timer is None:
            gathered.timer = asyncio.get_running_loop().create_task(self._later(key))
            await self._write(key)

    async def _later(self, key: tuple[str, int]) -> None:
        while True:
            await asyncio.sleep(TOGETHER)
            if not self._gathered[key].number:
                del self._gathered[key]
                return
            try:
                await self._write(key)
            except StoreUnavailable as error:
                journal.trouble("audit", error)

    async def _write(self, key: tuple[str, int]) -> None:
        gathered, now = self._gathered[key], self._clock()
        if not gathered.number:
            return
        number, sources = gathered.number, sorted(gathered.sources)
        gathered.number, gathered.sources = 0, set()
        what = {"act": "denied", "status": key[1], "number": number, "from": sources, "until": as_text(now)}
        try:
            await promised(self._store.consumers.note(Noted(key[0], new_id(now), now, what)))
        except StoreUnavailable:
            gathered.number, gathered.sources = gathered.number + number, gathered.sources | set(sources)
            raise


def _contract(request: web.Request, consumer: Consumer) -> str:
    """The version of the contract that the answer keeps: what the request names, else what the consumer was written for. Raises Refused (406)."""
    wanted = request.headers.get(CONTRACT, consumer.contract)
    if wanted not in VERSIONS:
        raise Refused(406, "unknown-contract", f"version {wanted[:40]} of the contract is not kept here; there are: {', '.join(VERSIONS)}")
    return wanted
