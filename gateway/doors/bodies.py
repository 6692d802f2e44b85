"""Bodies on their way in over HTTP: as they are, compressed, or several files in one; each within its bounds.

Knows no partner.
"""

import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from gateway.doors.pace import Pace, write
from gateway.errors import Refused
from gateway.settings import Limits
from gateway.store.spool import Spool
from gateway.texts import keepable

MOST_FILES = 20
MOST_RATIO = 200
"""How much more than its compressed bytes a body may open to, beyond the first megabyte."""
FREE = 1 << 20
STEP = 256 * 1024
GZIP = 16 + zlib.MAX_WBITS


@dataclass(slots=True)
class File:
    """One file of a request; media type and name are what the partner says, metadata and never a path."""

    spool: Spool
    media_type: str
    name: str | None


class Taking:
    """Takes the body of one request. `told` hears all bytes as they came, before anything is opened."""

    def __init__(self, request: web.Request, limits: Limits, new_spool: Callable[[], Spool], most: int, told: Callable[[bytes], None]) -> None:
        self._request, self._limits, self._new_spool, self._most, self._told = request, limits, new_spool, most, told
        self.files: list[File] = []

    def discard(self) -> None:
        for file in self.files:
            file.spool.discard()

    async def take(self) -> list[File]:
        """Every file. Raises Refused: 408, 413, 415, 422."""
        encoding = self._request.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip"):
            raise Refused(415, "unsupported-encoding", f"Content-Encoding {encoding[:40]}")
        if self._request.content_length is not None and self._request.content_length > self._most:
            raise Refused(413, "too-large", f"{self._request.content_length} bytes; this channel takes {self._most}")
        if self._request.content_type.startswith("multipart/"):
            if encoding != "identity":
                raise Refused(415, "unsupported-encoding", "a multipart body that is compressed as a whole")
            await self._parts()
        else:
            file = self._begin(self._request.content_type, self._request.headers.get("X-File-Name"))
            pieces = self._pieces()
            async for piece in _opened(pieces) if encoding == "gzip" else pieces:
                await write(file.spool, piece, self._most)
        if any(file.spool.size == 0 for file in self.files):
            raise Refused(422, "empty-body", "0 bytes came" if len(self.files) == 1 else "one of the files has 0 bytes")
        return self.files

    def _begin(self, media_type: str, name: str | None) -> File:
        self.files.append(File(self._new_spool(), keepable(media_type), None if name is None else keepable(name)))
        return self.files[-1]

    async def _pieces(self) -> AsyncIterator[bytes]:
        content = self._request.content
        if content.is_eof():
            # All of it came with its head: nothing is waited for, so nothing needs a clock.
            piece = content.read_nowait()
            self._told(piece)
            yield piece
            return
        pace = Pace(self._limits)
        while piece := await pace.next(content.readany()):
            self._told(piece)
            yield piece

    async def _parts(self) -> None:
        pace, left = Pace(self._limits), self._most
        try:
            reader = await self._request.multipart()
            while (part := await pace.next(reader.next())) is not None:
                if not isinstance(part, BodyPartReader):
                    raise Refused(422, "multipart", "a part is itself multipart")
                if part.filename is None and part.name not in (None, "file", "document"):
                    await part.release()
                    continue
                if len(self.files) >= MOST_FILES:
                    raise Refused(422, "multipart", f"there are more than {MOST_FILES} files")
                file = self._begin(part.headers.get("Content-Type", "application/octet-stream"), part.filename)
                while chunk := await pace.next(part.read_chunk(64 * 1024)):
                    await write(file.spool, bytes(chunk), left)
                left -= file.spool.size
        except (ValueError, AssertionError) as error:
            raise Refused(422, "multipart", f"it cannot be read: {error}") from None
        if not self.files:
            raise Refused(422, "multipart", "there is no file in it")


async def _opened(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What gzip (RFC 1952) has in it, members one after another. Raises Refused for what is none, is cut, or opens to far more than it is."""
    opener = zlib.decompressobj(GZIP)
    taken = given = 0
    begun = False
    async for piece in pieces:
        taken += len(piece)
        begun = begun or bool(piece)
        while piece:
            try:
                out = opener.decompress(piece, STEP)
            except zlib.error:
                raise Refused(422, "bad-encoding", f"the bytes from about {taken - len(piece)} on are no gzip") from None
            given += len(out)
            if given > FREE and given > taken * MOST_RATIO:
                raise Refused(413, "too-large", f"{taken} compressed bytes open to more than {MOST_RATIO} times as many")
            if out:
                yield out
            piece = opener.unconsumed_tail
            if opener.eof:
                piece = opener.unused_data
                if piece:
                    opener = zlib.decompressobj(GZIP)
    if not begun or not opener.eof:
        raise Refused(422, "bad-encoding", "the gzip body is cut: its end is missing")


def expected(check: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    """Expect: 100-continue (RFC 9110, 10.1.1): who would be refused for the head alone is refused before it sends a body."""

    async def handler(request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Expect", "").lower() != "100-continue":
            return _problem(Refused(417, "bad-request", "the only expectation that we meet is 100-continue"))
        try:
            check(request)
        except Refused as refused:
            return _problem(refused)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is no part of the answer that follows.
        request.writer.output_size = 0
        return None

    return handler


def _problem(refused: Refused) -> web.StreamResponse:
    from gateway.doors.problems import problem

    answer = problem(refused.kind, refused.detail, status=refused.status)
    answer.force_close()
    return answer
