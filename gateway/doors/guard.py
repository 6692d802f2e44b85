"""A time limit on request headers, which aiohttp's server does not have: half a header may not hold a connection for ever.

Knows nothing of requests; it watches a connection's bytes and whether a handler is at work on it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web


class GuardedProtocol(asyncio.Protocol):
    """Stands between the socket and aiohttp's own protocol; closes a connection whose next request head takes too long."""

    __slots__ = ("_busy", "_guards", "_inner", "_timer", "transport")

    def __init__(self, inner: Any, guards: "Guards") -> None:
        self._inner = inner
        self._guards = guards
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not self._guards.take(self):
            transport.abort()
            return
        self._arm()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy and self._timer is None:
            self._arm()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        answer: bool | None = self._inner.eof_received()
        return answer

    def connection_lost(self, error: BaseException | None) -> None:
        self._disarm()
        self._guards.give_back(self)
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def request_begins(self) -> None:
        self._busy = True
        self._disarm()

    def request_ends(self) -> None:
        self._busy = False

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._guards.header_seconds, self._too_late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if not self._busy and self.transport is not None:
            self.transport.abort()


class Guards:
    """All guarded connections of one listener: how many there may be, and which request is on which."""

    def __init__(self, header_seconds: float, connections: int) -> None:
        self.header_seconds = header_seconds
        self._most = connections
        self._open: dict[Any, GuardedProtocol] = {}

    def take(self, protocol: GuardedProtocol) -> bool:
        if len(self._open) >= self._most:
            return False
        self._open[protocol.transport] = protocol
        return True

    def give_back(self, protocol: GuardedProtocol) -> None:
        self._open.pop(protocol.transport, None)

    def factory(self, server: Callable[[], Any]) -> Callable[[], GuardedProtocol]:
        return lambda: GuardedProtocol(server(), self)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        guarded = self._open.get(request.transport)
        if guarded is not None:
            guarded.request_begins()
        try:
            answer: web.StreamResponse = await handler(request)
        finally:
            if guarded is not None:
                guarded.request_ends()
        return answer

    @property
    def open(self) -> int:
        return len(self._open)
