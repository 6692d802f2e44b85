"""A node's HTTP listeners: opened one after another, closed together.

Knows nothing of what they serve.
"""

import asyncio
from typing import Any

from aiohttp import web

from gateway.doors.guard import Guards
from gateway.doors.tls import TlsContext
from gateway.settings import Listener

STOPPING = 10.0
"""Seconds that requests under way have, once a node stops."""


class Listeners:
    def __init__(self) -> None:
        self.runners: dict[str, web.AppRunner] = {}
        """By the listener's name."""
        self._servers: list[asyncio.Server] = []

    async def open(self, name: str, app: web.Application, listener: Listener, guards: Guards, tls: TlsContext | None = None) -> str:
        """Its address, with the port that it got."""
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=STOPPING, auto_decompress=False, keepalive_timeout=75, max_line_size=8190, max_field_size=8190
        )
        await runner.setup()
        self.runners[name] = runner
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
        await asyncio.gather(*(runner.cleanup() for runner in self.runners.values()))
