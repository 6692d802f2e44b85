"""A line to an ERP's API that breaks at any request, before it has come through or after its answer was given. It counts what passes."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web
from yarl import URL

Cut = Literal["before", "after"]


@dataclass
class Line:
    """`breaks` is asked of every request by its number (from 0) and method."""

    upstream: str
    breaks: Callable[[int, str], Cut | None] = lambda number, method: None
    url: str = ""
    passed: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of all that were asked."""
    bodies: list[bytes] = field(default_factory=list)
    on_break: Callable[[], None] | None = None
    """Called where it breaks, when the request has come through or not, before anybody hears."""
    asking: str = ""
    """The path that `breaks` is asked about."""
    session: aiohttp.ClientSession = field(init=False)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asking = request.path
        cut = self.breaks(len(self.passed), request.method)
        self.passed.append((request.method, request.path))
        self.bodies.append(body)
        if cut == "before":
            return self._broken(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length", "connection")}
        url = URL(self.upstream.rstrip("/") + request.raw_path, encoded=True)  # as it came: what is asked is not ours to mend
        async with self.session.request(request.method, url, data=body or None, headers=headers) as answer:
            data = await answer.read()
        if cut == "after":
            return self._broken(request)
        return web.Response(status=answer.status, body=data, headers={"Content-Type": answer.headers.get("Content-Type", "text/plain")})

    def _broken(self, request: web.Request) -> web.StreamResponse:
        if self.on_break is not None:
            self.on_break()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)


@contextlib.asynccontextmanager
async def line_to(upstream: str, breaks: Callable[[int, str], Cut | None] = lambda number, method: None) -> AsyncIterator[Line]:
    line = Line(upstream, breaks)
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", line.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as line.session:
        try:
            yield line
        finally:
            await runner.cleanup()
