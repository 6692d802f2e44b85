"""An ERP that answers as no ERP should, over a plain socket: what no HTTP library would let it say. Its ledger counts every effect."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from urllib.parse import unquote

BODY = b'{"confirmation": "ERP"}'
HUGE = 100 * 2**20
PIECE = bytes(64 * 1024)
BOMB = gzip.compress(bytes(8 * 2**20))


def answer(status: int, body: bytes = BODY, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Call:
    """One request that was read whole."""

    mood: str
    key: str
    subject: str
    writer: asyncio.StreamWriter
    written: int = 0
    """Bytes of an answer that has no end, as far as the other side took them."""

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.written += len(data)

    async def for_ever(self, data: bytes, pause: float = 0.0) -> None:
        """Until the other side has had enough. Never by itself: who waits for its end waits for ever."""
        while True:
            await self.write(data)
            await asyncio.sleep(pause)


Answering = Callable[["RoughErp", Call], Awaitable[None]]


@dataclass(frozen=True)
class Mood:
    """How the ERP treats the first request for an event."""

    answer: Answering
    effect: float = 0.0
    """How likely a badly answered request has its effect all the same."""
    ends: str = "delivered"
    """What becomes of the event without a person: delivered, or dead."""


@dataclass
class RoughErp:
    moods: dict[str, Mood]
    chance: Callable[[], float]
    effects: Counter[str] = field(default_factory=Counter)
    """By subject: how often it took effect."""
    requests: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    not_before: dict[str, float] = field(default_factory=dict)
    """Event -> the moment before which it asked not to be asked again."""
    early: list[str] = field(default_factory=list)
    followed: int = 0
    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Mood -> the most that anybody took of one of its endless answers."""
    relented: bool = False
    """Everything is answered well from now on."""

    @contextlib.asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Its port."""
        calls: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            calls.add(task)
            task.add_done_callback(calls.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in list(calls):
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # One request a connection: what a bad answer leaves behind on it is nobody's next answer.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            await reader.readexactly(int(fields.get("content-length", 0)))
            mood = head[0].split()[1].strip("/")
            call = Call(mood, fields.get("idempotency-key", ""), unquote(fields.get("ce-subject", "")), writer)
            try:
                await self._answer(call)
            finally:
                self.taken[mood] = max(self.taken[mood], call.written)
        writer.close()

    async def _answer(self, call: Call) -> None:
        if call.mood not in self.moods:
            self.followed += 1
            await call.write(answer(200))
            return
        mood = self.moods[call.mood]
        if time.time() < self.not_before.get(call.key, 0):
            self.early.append(call.subject)
        self.requests[call.subject] += 1
        is_bad = not self.relented and (self.requests[call.subject] == 1 or mood.ends == "dead")
        if not is_bad or self.chance() < mood.effect:
            self._take_effect(call)
        if is_bad:
            await mood.answer(self, call)
        else:
            await call.write(answer(200, Connection="close"))

    def _take_effect(self, call: Call) -> None:
        """An honest ledger: what its key says was done is not done again."""
        if call.key not in self.known:
            self.known.add(call.key)
            self.effects[call.subject] += 1


# ---- how it answers


def plain(status: int, body: bytes = b'{"error": "told to fail"}', **headers: str) -> Answering:
    async def say(erp: RoughErp, call: Call) -> None:
        await call.write(answer(status, body, Connection="close", **headers))

    return say


def not_before(status: int, seconds: int, *, dated: bool) -> Answering:
    async def say(erp: RoughErp, call: Call) -> None:
        moment = float(ceil(time.time() + seconds)) if dated else time.time() + seconds
        after = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True) if dated else str(seconds)
        erp.not_before[call.key] = moment
        await call.write(answer(status, Retry_After=after, Connection="close"))

    return say


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Answering:
    async def say(erp: RoughErp, call: Call) -> None:
        call.writer.write(head)
        await call.for_ever(piece, pause)

    return say


async def reset(erp: RoughErp, call: Call) -> None:
    """RST instead of an answer."""
    line = call.writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.writer.transport.abort()


async def huge(erp: RoughErp, call: Call) -> None:
    call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE)
    while call.written < HUGE:
        await call.write(PIECE)


async def half(erp: RoughErp, call: Call) -> None:
    """Less body than it has told."""
    await call.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + BODY)


OK = b"HTTP/1.1 200 OK\r\n"
MOODS = {
    **{f"s{status}": Mood(plain(status), effect=0.5) for status in (408, 500, 502, 503, 504)},
    "s409": Mood(plain(409)),
    "s429-seconds": Mood(not_before(429, 1, dated=False)),
    "s429-date": Mood(not_before(429, 1, dated=True)),
    "s503-date": Mood(not_before(503, 1, dated=True), effect=0.5),
    **{f"s{status}": Mood(plain(status), ends="dead") for status in (400, 413, 422)},
    **{f"s{status}": Mood(plain(status, Location="/elsewhere")) for status in (301, 302, 307)},
    "s401": Mood(plain(401, WWW_Authenticate="Bearer")),
    "garbage": Mood(plain(200, bytes(range(256))), effect=1),
    "bomb": Mood(plain(200, BOMB, Content_Encoding="gzip"), effect=1),
    "huge": Mood(huge, effect=1),
    "no-http": Mood(endless(b"", b"+OK POP3 ready\r\n", 0.05), effect=1),
    "half": Mood(half, effect=1),
    "reset": Mood(reset, effect=1),
    "silent": Mood(endless(b"", b"", 0.05), effect=1),
    "drip": Mood(endless(OK + b"Content-Length: 1000000\r\n\r\n", b"x", 0.05), effect=1),
    "long-line": Mood(endless(OK + b"X-Long: ", PIECE), effect=1),
    "many-lines": Mood(endless(OK, b"X-Line: 1\r\n" * 1000), effect=1),
    "continue": Mood(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), effect=1),
    "trailers": Mood(endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Line: 1\r\n" * 1000), effect=1),
}
