"""An ERP of the tests' own, over loopback: a token server beside its API, TLS where asked, and every request kept."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.clock import SECOND, Instant, now
from gateway.records.deliveries import ToDeliver
from gateway.settings import read_settings
from gateway.targets.rest import RestTarget
from gateway.targets.terms import Target

Answering = Callable[[web.Request, bytes], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    certificate: str | None


@dataclass
class TheirErp:
    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    """What the token server was asked."""
    proofs: list[str | None] = field(default_factory=list)
    """The Authorization that it was asked with."""
    good: set[str] = field(default_factory=set)
    """Tokens that are taken."""
    life: int = 3600
    takes: Callable[[Asked], bool] = lambda asked: True
    answer: Answering = lambda request, body: web.json_response({"confirmation": "1"})
    token_answer: Callable[[], web.Response] | None = None
    slow_tokens: float = 0.0

    def events(self) -> list[Asked]:
        return [one for one in self.requests if one.method == "POST"]

    async def token(self, request: web.Request) -> web.Response:
        self.forms.append(dict(parse_qsl((await request.read()).decode(), keep_blank_values=True)))
        self.proofs.append(request.headers.get("Authorization"))
        await asyncio.sleep(self.slow_tokens)
        if self.token_answer is not None:
            return self.token_answer()
        token = f"token-{len(self.forms)}"
        self.good = {token}
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": self.life})

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        inside = request.transport.get_extra_info("ssl_object") if request.transport else None
        der = inside.getpeercert(binary_form=True) if inside is not None else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path_qs, headers, body, hashlib.sha256(der).hexdigest() if der else None)
        self.requests.append(asked)
        if not self.takes(asked):
            return web.json_response({"error": "who are you"}, status=401)
        answer = self.answer(request, body)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    def by_token(self, asked: Asked) -> bool:
        return asked.headers.get("authorization", "").removeprefix("Bearer ") in self.good


@contextlib.asynccontextmanager
async def their_erp(context: ssl.SSLContext | None = None) -> AsyncIterator[TheirErp]:
    one = TheirErp()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/token", one.token)
    app.router.add_route("*", "/{path:.*}", one.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    one.url = f"{'https://localhost' if context else 'http://127.0.0.1'}:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


@dataclass
class Time:
    """A clock that the test moves."""

    at: Instant = field(default_factory=now)

    def __call__(self) -> Instant:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


@contextlib.asynccontextmanager
async def target_of(there: TheirErp, *, clock: Callable[[], Instant] = now, keys: Any = lambda name: None, **terms: Any) -> AsyncIterator[RestTarget]:
    given = {"url": f"{there.url}/events", "timeout": "5s"} | terms
    settings = read_settings(None, {"targets": {"erp": given}}, environment={}).targets["erp"]
    assert isinstance(settings, Target)
    target = RestTarget("target:erp", settings, keys=keys, clock=clock)
    try:
        yield target
    finally:
        await target.close()


def event(name: str = "e-r1", *, attempts: int = 0, unknown: bool = False, **more: Any) -> ToDeliver:
    attributes = f'{{"id":"{name}","type":"t.v1","source":"/partners/p","subject":"order/{name}"}}'
    return ToDeliver(
        f"d-{name}",
        f"l-{name}",
        1,
        "p",
        "target:erp",
        "event",
        "m",
        None,
        name,
        "x",
        attributes,
        attempts,
        unknown,
        "block",
        0,
        None,
        None,
        "",
        0,
        **more,
    )
