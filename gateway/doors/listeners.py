"""A node's HTTP listeners: opened one after another, closed together.

Knows nothing of what they serve.
"""

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from gateway.doors.guard import Guards
from gateway.doors.tls import TlsContext
from gateway.settings import Listener

STOPPING = 10.0
"""Seconds that requests under way have, once a node stops."""
CLOSING = 1.0
"""Seconds that what is still under way then has to notice it."""


class Listeners:
    def __init__(self) -> None:
        self.runners: dict[str, web.AppRunner] = {}
        """By the listener's name."""
        self._servers: list[asyncio.Server] = []
        self._guards: list[Guards] = []

    async def open(self, name: str, app: web.Application, listener: Listener, guards: Guards, tls: TlsContext | None = None) -> str:
        """Its address, with the port that it got."""
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=CLOSING, auto_decompress=False, keepalive_timeout=75, max_line_size=8190, max_field_size=8190
        )
        app.on_response_prepare.append(guards.last_answer)
        await runner.setup()
        self.runners[name] = runner
        self._guards.append(guards)
        assert runner.server is not None
        more: dict[str, Any] = {"ssl": tls.context, "ssl_handshake_timeout": guards.header_seconds} if tls else {}
        server = await asyncio.get_running_loop().create_server(guards.factory(runner.server), listener.host, listener.port, backlog=512, **more)
        self._servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"{'https' if tls else 'http'}://{listener.host}:{port}"

    def close(self) -> None:
        """From now on nobody comes in; requests under way go on."""
        for server in self._servers:
            server.close()

    async def finish(self) -> None:
        """Returns once requests under way are done, or have had their time."""
        for guards in self._guards:
            guards.is_closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet(), STOPPING)
        # Only now: from here on aiohttp throws away what still comes in, also the rest of a body.
        await asyncio.gather(*(runner.cleanup() for runner in self.runners.values()))

    async def _quiet(self) -> None:
        """Returns once none of them has a request under way."""
        while any(guards.busy for guards in self._guards):
            await asyncio.gather(*(guards.quiet() for guards in self._guards))
