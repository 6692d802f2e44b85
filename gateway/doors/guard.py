"""What aiohttp's server does not have: a time limit on request headers, because half a header may not hold a connection for ever, and unfolding.

Knows nothing of requests; it watches a connection's bytes and whether a handler is at work on it.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

POST = b"POST "
FOLD = re.compile(rb"\r\n[ \t]")
MOST_HEAD = 64 * 1024
"""Bytes of a head that are waited for; past them the parser judges what there is."""


class GuardedProtocol(asyncio.Protocol):
    """Stands between the socket and aiohttp's own protocol; closes a connection whose next request head takes too long."""

    __slots__ = ("_busy", "_guards", "_head", "_inner", "_timer", "transport")

    def __init__(self, inner: Any, guards: "Guards") -> None:
        self._inner = inner
        self._guards = guards
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._head = b""
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
        if self._head or (not self._busy and data.startswith(POST)):
            data = self._unfolded(self._head + data)
        if data:
            self._inner.data_received(data)

    def _unfolded(self, data: bytes) -> bytes:
        """What may go on, with folds of the head replaced by as many spaces; nothing while a head that has one is not whole.

        RFC 9112 5.2 lets a server do so, and some AS2 products fold; the length stays, so that nothing behind the head moves.
        """
        end = data.find(b"\r\n\r\n")
        head = data if end < 0 else data[: end + 2]
        if end < 0 and len(data) < MOST_HEAD:
            self._head = data
            return b""
        self._head = b""
        if b"\r\n " not in head and b"\r\n\t" not in head:
            return data
        return FOLD.sub(b"   ", head) + data[len(head) :]

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
        self.is_closing = False
        """The node stops: each answer is its connection's last one."""
        self.busy = 0
        """Requests under way, those included whose bodies are still coming in."""
        self._quiet = asyncio.Event()
        self._quiet.set()

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
        self._under_way(1)
        guarded = self._open.get(request.transport)
        if guarded is not None:
            guarded.request_begins()
        try:
            answer: web.StreamResponse = await handler(request)
        finally:
            if guarded is not None:
                guarded.request_ends()
            self._under_way(-1)
        return answer

    def _under_way(self, more: int) -> None:
        self.busy += more
        if self.busy:
            self._quiet.clear()
        else:
            self._quiet.set()

    async def quiet(self) -> None:
        """Returns once no request is under way."""
        await self._quiet.wait()

    async def last_answer(self, request: web.Request, answer: web.StreamResponse) -> None:
        """To be called before an answer's head goes out: while the node stops, it says that its connection ends."""
        if self.is_closing:
            answer.headers["Connection"] = "close"
            answer.force_close()

    @property
    def open(self) -> int:
        return len(self._open)
