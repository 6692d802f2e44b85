"""Links that can be cut: a port of ours before a server, and what passes is held, dropped or slowed, either way, for as long as somebody says."""

import asyncio
import contextlib
from typing import Literal

Kind = Literal["whole", "refused", "hole", "deaf", "mute", "slow"]
"""whole; no connection, and those there are reset; nothing passes; nothing comes back; nothing gets there; everything is late."""
LATE = 0.15


class Link:
    """A port before a server at `there`: (host, port), or the path of a socket."""

    def __init__(self, there: tuple[str, int] | str) -> None:
        self._there = there
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._kind: Kind = "whole"
        self._changed = asyncio.Event()
        self.port = 0

    async def start(self, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._carry, host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.reset()
        if self._server is not None:
            self._server.close()

    def be(self, kind: Kind) -> None:
        """From now on. What was held goes on when the link is whole again."""
        self._kind = kind
        if kind == "refused":
            self.reset()
        self._changed.set()
        self._changed = asyncio.Event()

    def reset(self) -> None:
        """Every connection that there is."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._kind == "refused":
            writer.transport.abort()
            return
        try:
            if isinstance(self._there, str):
                there, back = await asyncio.open_unix_connection(self._there)
            else:
                there, back = await asyncio.open_connection(*self._there)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back, "mute"), self._pass(there, writer, "deaf"))
        finally:
            self._open -= {writer, back}
            for one in (writer, back):
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held_by: Kind) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                while self._kind in ("hole", held_by):
                    await self._changed.wait()
                if self._kind == "slow":
                    await asyncio.sleep(LATE)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
