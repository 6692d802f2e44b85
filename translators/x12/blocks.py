"""Splits a stretch of a message into segments, a chunk at a time, with their offsets.

Knows nothing of what a segment is but its end: the terminator, or the length of binary data.
"""

from collections.abc import Iterator
from itertools import accumulate

from translators.document import Delimiters
from translators.x12.envelope_scan import CHUNK, binary_end, tail_bytes
from translators.x12.options import Options, ReadAt


class Block:
    """Consecutive whole segments. `pieces` are without terminator and tail; `cut` marks a segment too long to be kept whole."""

    __slots__ = ("_ends", "base", "cut", "pieces", "raw", "size", "terminator")

    def __init__(self, base: int, raw: list[bytes], pieces: list[bytes], terminator: int, *, cut: bool = False, size: int = 0) -> None:
        self.base, self.raw, self.pieces, self.terminator, self.cut, self.size = base, raw, pieces, terminator, cut, size
        self._ends: list[int] | None = None

    def start_of(self, index: int) -> int:
        """Offset of the segment's first byte."""
        return self.end_of(index) - self.terminator - (self.size or len(self.pieces[index]))

    def end_of(self, index: int) -> int:
        """Offset after the segment's terminator."""
        if self.size:
            return self.base + self.size + self.terminator
        if self._ends is None:
            self._ends = list(accumulate(map(len, self.raw)))
        return self.base + self._ends[index] + (index + 1) * self.terminator


def blocks(read: ReadAt, start: int, end: int, delimiters: Delimiters, options: Options) -> Iterator[Block]:
    """The segments in [start, end), which ends after a terminator. Memory: one chunk, or one segment up to its limit."""
    terminator = delimiters.segment
    binary = (b"BIN" + delimiters.element, b"BDS" + delimiters.element)
    tail = tail_bytes(delimiters, options)
    limit = options.limits.segment_bytes
    base, data, at = start, b"", start
    while at < end or data:
        more = read(at, min(CHUNK, end - at)) if at < end else b""
        data, at = data + more, at + len(more)
        if binary[0] in data or binary[1] in data:
            raw, used = _split_binary(read, data, base, end, delimiters, tail)
        else:
            raw = data.split(terminator)
            used = len(data) - len(raw.pop())
        if raw:
            stripped = any(byte in data for byte in tail)
            yield Block(base, raw, [piece.lstrip(tail) for piece in raw] if stripped else raw, len(terminator))
            base, data = base + used, data[used:]
            at = max(at, base)
        elif not more:
            if data.strip(tail + b" \t\r\n\x00\x1a"):
                yield Block(base, [data], [data.strip(tail + b"\x00\x1a")], 0)
            return
        elif len(data) > limit and not data.lstrip(tail).startswith(binary):
            length = _length_of(read, base, end, terminator)
            yield Block(base, [data[:4096]], [data[:4096].lstrip(tail)], len(terminator), cut=True, size=length)
            base, data = base + length + len(terminator), b""
            at = base


def _split_binary(read: ReadAt, data: bytes, base: int, end: int, delimiters: Delimiters, tail: bytes) -> tuple[list[bytes], int]:
    """Splits data that may hold BIN or BDS: their content is stepped over by its length."""
    raw: list[bytes] = []
    at = 0
    while True:
        stop = data.find(delimiters.segment, at)
        begin = at + len(data[at : at + 256]) - len(data[at : at + 256].lstrip(tail))
        if data[begin : begin + 3] in (b"BIN", b"BDS") and data[begin + 3 : begin + 4] == delimiters.element:
            after = binary_end(read, base + begin, delimiters)
            stop = after - base if after >= 0 else stop
            if stop + len(delimiters.segment) > len(data):
                if raw or after < 0:
                    return raw, at
                whole = data + read(base + len(data), max(min(after + len(delimiters.segment), end) - base - len(data), 0))
                return [whole[:stop]], min(stop + len(delimiters.segment), len(whole))
        if stop < 0:
            return raw, at
        raw.append(data[at:stop])
        at = stop + len(delimiters.segment)


def _length_of(read: ReadAt, base: int, end: int, terminator: bytes) -> int:
    """Length of the segment at `base` without its terminator, however long."""
    at = base
    while at < end:
        data = read(at, CHUNK)
        found = data.find(terminator)
        if found >= 0:
            return at + found - base
        at += max(len(data) - len(terminator) + 1, 1)
    return end - base
