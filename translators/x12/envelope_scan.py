"""Finds the control segments (ISA, GS, ST, SE, GE, IEA, TA1) of an interchange without reading the others.

Knows nothing of what they mean together; binary data (BIN, BDS) is stepped over by its length.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from translators.document import Delimiters
from translators.x12.header import header_at
from translators.x12.options import Options, ReadAt

CHUNK = 1 << 20

FIRST_CHUNK = 1 << 14
"""Read first of an interchange: a message may hold thousands of small ones."""


class ControlSegment(NamedTuple):
    """One control segment; `tag` is "ISA" for the header of a next interchange, "" for the end of the message."""

    tag: str
    elements: list[bytes]
    terminator_before: int
    """Offset of the terminator before it: equal to the end of the segment before if nothing stands between."""
    byte_start: int
    byte_end: int
    """After its terminator."""
    fault: str = ""
    """A TA1 note if the scan had to stop here; 023 for an IEA whose terminator is missing."""
    needs: tuple[str, ...] = ()
    """Leniencies without which it may not be read: blanks before it, line breaks in it."""


def tail_bytes(delimiters: Delimiters, options: Options) -> bytes:
    """The bytes that may stand between a terminator and the next segment."""
    return _free(b"\r\n \t" if "mixed-tails" in options.allow else b"\r\n", delimiters)


def _free(candidates: bytes, delimiters: Delimiters) -> bytes:
    return bytes(byte for byte in candidates if bytes((byte,)) not in delimiters)


def break_bytes(delimiters: Delimiters) -> bytes:
    """The bytes of line breaks inside segments, which leniency wrapped-lines takes out; none where a line ends a segment."""
    return b"" if b"\r" in delimiters or b"\n" in delimiters else b"\r\n"


LETTERS = ((b"S", b"[TE]"), (b"G", b"[SE]"), (b"I", b"E", b"A"), (b"T", b"A", b"[13]"), (b"B", b"I", b"N"), (b"B", b"D", b"S"), (b"I", b"S", b"[BE]"))
"""The ids of ST, SE, GS, GE, IEA, TA1, TA3, BIN, BDS, ISB and ISE, letter by letter."""


@lru_cache(maxsize=256)
def _pattern(delimiters: Delimiters) -> re.Pattern[bytes]:
    """A terminator and the control segment after it: group 1 what stands between, group 2 the id, also where a line break splits it."""
    blanks, breaks = _free(b"\r\n \t", delimiters), break_bytes(delimiters)
    tail = b"[" + re.escape(blanks) + b"]*+(?=[BGIST])" if blanks else b""
    wrap = b"[" + re.escape(breaks) + b"]*" if breaks else b""
    tags = b"|".join(wrap.join(letters) for letters in LETTERS)
    return re.compile(re.escape(delimiters.segment) + b"(" + tail + b")(" + tags + b")" + wrap + re.escape(delimiters.element))


def control_segments(read: ReadAt, start: int, size: int, delimiters: Delimiters, options: Options) -> Iterator[ControlSegment]:
    """The control segments from `start`, the offset of the ISA's terminator, to the end of the message or a next provable ISA.

    The last one has tag "" (the message ended) or "ISA". Memory: one chunk and one segment.
    """
    terminator, separator = delimiters.segment, delimiters.element
    pattern, breaks = _pattern(delimiters), break_bytes(delimiters)
    base, at, data = start, 0, read(start, min(FIRST_CHUNK, CHUNK))
    isa = data.find(b"ISA")
    while True:
        found = pattern.search(data, at)
        stop = found.end() if found else len(data)
        # An ISA that can be proven ends the interchange, wherever it stands: in a segment that was cut off, too.
        if -1 < isa < stop:
            header, isa = _prove(read, base, data, isa, stop, options)
            if header:
                yield header
                return
        if found is None:
            base, at, data, grown = _next_chunk(read, base, data, at, size, terminator)
            isa = data.find(b"ISA")
            if not grown:
                yield ControlSegment("", [], size, size, size)
                return
            continue
        begin = base + found.start(2)
        tag = found[2].translate(None, breaks).decode()
        needs = ("mixed-tails",) if found[1].strip(b"\r\n") else ()
        if tag in ("BIN", "BDS"):
            after = binary_end(read, begin, delimiters)
            if note := _binary_fault(read, begin, after, size, terminator, options):
                yield ControlSegment("", [], begin, begin, size, note)
                return
            if after - base <= len(data):
                at = after - base
            else:
                base, at, data = after, 0, read(after, CHUNK)
            if -1 < isa < at:
                isa = data.find(b"ISA", at)
            continue
        end = data.find(terminator, found.end())
        while end < 0 and base + len(data) < size and len(data) - found.start() <= options.limits.segment_bytes:
            data += read(base + len(data), CHUNK)
            end, isa = data.find(terminator, found.end()), data.find(b"ISA", found.end())
        if -1 < isa < (stop := end if end >= 0 else len(data)):
            header, isa = _prove(read, base, data, isa, stop, options)
            if header:
                yield header
                return
        if end < 0:
            if base + len(data) < size:
                yield ControlSegment("", [], begin, begin, size, "024")
            elif tag == "IEA":
                elements = data[found.start(2) :].rstrip(b"\r\n\x00\x1a").translate(None, breaks).split(separator, 40)
                yield ControlSegment(tag, elements, base + found.start(), begin, size, "023", needs)
            else:
                yield ControlSegment("", [], size, size, size)
            return
        raw = data[found.start(2) : end]
        if breaks and (b"\n" in raw or b"\r" in raw):
            raw, needs = raw.translate(None, breaks), (*needs, "wrapped-lines")
        elements = [] if tag == "SE" else raw.split(separator, 40)
        yield ControlSegment(tag, elements, base + found.start(), begin, base + end + len(terminator), "", needs)
        at = end


def _prove(read: ReadAt, base: int, data: bytes, isa: int, stop: int, options: Options) -> tuple[ControlSegment | None, int]:
    """The next header that begins before `stop`, and where in `data` the next candidate stands, -1 if none is left."""
    while -1 < isa < stop:
        if header_at(read, base + isa, options) is not None:
            return ControlSegment("ISA", [], base + isa, base + isa, base + isa), isa
        isa = data.find(b"ISA", isa + 3)
    return None, isa


def _binary_fault(read: ReadAt, begin: int, after: int, size: int, terminator: bytes, options: Options) -> str:
    """The TA1 note for binary data whose length is not true or too much, "" if it is right."""
    if after - begin > options.limits.binary_bytes:
        return "023" if after > size else "024"
    if after > size:
        return "023"
    return "022" if after < 0 or (after < size and read(after, len(terminator)) != terminator) else ""


def _next_chunk(read: ReadAt, base: int, data: bytes, at: int, size: int, terminator: bytes) -> tuple[int, int, bytes, bool]:
    """The next chunk, with what is left from the last terminator on; the last value is False at the end of the message."""
    keep = max(data.rfind(terminator, at), at)
    if len(data) - keep > CHUNK:
        keep = len(data) - 2 * len(terminator)
    more = read(base + len(data), CHUNK) if base + len(data) < size else b""
    return base + keep, 0, data[keep:] + more, bool(more)


def binary_end(read: ReadAt, start: int, delimiters: Delimiters) -> int:
    """Where the binary data of the BIN or BDS at `start` ends, by its length: behind the last byte there is, if cut off; -1 if no length is given."""
    fields = 3 if read(start, 3) == b"BIN" else 4
    head = read(start, 64).split(delimiters.element, fields - 1)
    if len(head) < fields or not re.fullmatch(rb"[0-9]{1,15}", head[fields - 2]):
        return -1
    return start + sum(len(part) + len(delimiters.element) for part in head[:-1]) + int(head[fields - 2])
