"""CompressedData (RFC 3274): zlib, within limits that are checked for each chunk.

Knows no MIME.
"""

import zlib

from translators.as2.buffers import NewSink
from translators.as2.cms import algorithms
from translators.as2.cms.ber import INTEGER, OCTETS, BerError, Reader, Value
from translators.as2.errors import DECOMPRESSION, As2Error
from translators.as2.limits import Limits

STEP = 64 * 1024


def decompress(reader: Reader, value: Value, limits: Limits, new_sink: NewSink, *, wire: int) -> memoryview:
    """The content of the CompressedData at that value. `wire`: bytes of the whole message as it came; layers within each other count together.

    Raises BerError, As2Error.
    """
    fields = reader.listed(value, 3)
    if len(fields) != 3 or fields[0].tag != INTEGER:
        raise BerError(f"no CompressedData at byte {value.start:,}")
    if algorithms.algorithm(reader, fields[1]).oid != algorithms.ZLIB:
        raise As2Error(DECOMPRESSION, "the compression is not zlib (RFC 3274)")
    inner = reader.listed(fields[2], 2)
    if len(inner) != 2:
        raise BerError(f"no compressed content at byte {fields[2].start:,}")
    wrapped = reader.listed(inner[1], 1)
    if not wrapped or wrapped[0].tag & ~0x20 != OCTETS:
        raise BerError(f"the compressed content at byte {inner[1].start:,} is no octet string")
    most = min(limits.body, max(limits.ratio_floor, limits.ratio * wire))
    return _inflated(reader.octets(wrapped[0]), most, new_sink)


def _inflated(pieces: list[memoryview], most: int, new_sink: NewSink) -> memoryview:
    sink, state, written = new_sink(), zlib.decompressobj(), 0
    try:
        for piece in pieces:
            waiting: bytes | memoryview = piece
            while len(waiting) and not state.eof:
                data = state.decompress(waiting, STEP)
                waiting = state.unconsumed_tail
                written += len(data)
                if written > most:
                    raise As2Error(DECOMPRESSION, f"it opens to more than {most:,} bytes")
                sink.write(data)
        while not state.eof and (data := state.decompress(state.unconsumed_tail, STEP)):
            written += len(data)
            if written > most:
                raise As2Error(DECOMPRESSION, f"it opens to more than {most:,} bytes")
            sink.write(data)
    except zlib.error as fault:
        raise As2Error(DECOMPRESSION, f"the compressed content is broken: {fault}") from None
    if not state.eof:
        raise As2Error(DECOMPRESSION, "the compressed content ends in its middle")
    return sink.view()
