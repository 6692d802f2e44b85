"""A pull reader of BER and a writer of DER (X.690): no tree of objects, no copy of content, no recursion.

Knows tags and lengths; knows no structure of CMS.
"""

from collections.abc import Iterator
from typing import NamedTuple

INTEGER, BIT_STRING, OCTETS, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
SEQUENCE, SET = 0x30, 0x31
CONSTRUCTED = 0x20
MAX_DEPTH = 32
MAX_LENGTH_BYTES = 8
MAX_CHUNKS = 1_000_000
"""Pieces of one constructed octet string."""
TRAILING = b"\r\n\0"
"""Bytes that some HTTP stacks add behind the outermost value."""


class BerError(Exception):
    """Bytes that are no BER, or not the structure that was meant; the text names the byte."""


class Value(NamedTuple):
    """One value in its bytes: identifier octet, and the offsets of value, content and ends."""

    tag: int
    start: int
    content: int
    content_end: int
    end: int


class Reader:
    """Values of one buffer by their offsets."""

    __slots__ = ("_ends", "data")

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._ends: dict[int, int] = {}
        """Content of indefinite length -> where it ends; found once for all levels."""

    def outermost(self) -> Value:
        """The one value of the buffer; line ends and zeros may follow."""
        value = self.at(0, len(self.data))
        rest = self.data[value.end :]
        if len(rest) > 64 or bytes(rest).strip(TRAILING):
            raise BerError(f"{len(rest):,} bytes follow the value that ends at byte {value.end:,}")
        return value

    def at(self, start: int, end: int) -> Value:
        """The value that begins at `start` and must not pass `end`."""
        tag, content, length = self._header(start, end)
        if length is None:
            content_end = self._end_of_contents(content, end)
            return Value(tag, start, content, content_end, content_end + 2)
        return Value(tag, start, content, content + length, content + length)

    def children(self, value: Value) -> Iterator[Value]:
        """The values within a constructed one."""
        if not value.tag & CONSTRUCTED:
            raise BerError(f"the value at byte {value.start:,} holds no others")
        at = value.content
        while at < value.content_end:
            child = self.at(at, value.content_end)
            yield child
            at = child.end

    def listed(self, value: Value, most: int) -> list[Value]:
        """The same, at most so many."""
        if not value.tag & CONSTRUCTED:
            raise BerError(f"the value at byte {value.start:,} holds no others")
        found: list[Value] = []
        data, at, end = self.data, value.content, value.content_end
        while at < end:
            if len(found) >= most:
                raise BerError(f"the value at byte {value.start:,} holds more than {most}")
            # Short values in one look; whatever is longer, or odd, goes the careful way.
            if at + 2 <= end and data[at + 1] < 0x80 and data[at] & 0x1F != 0x1F and at + 2 + data[at + 1] <= end:
                after = at + 2 + data[at + 1]
                found.append(Value(data[at], at, at + 2, after, after))
            else:
                found.append(self.at(at, end))
                after = found[-1].end
            at = after
        return found

    def bytes_of(self, value: Value) -> bytes:
        """The value with its header."""
        return bytes(self.data[value.start : value.end])

    def content_of(self, value: Value) -> bytes:
        """What is in it."""
        return bytes(self.data[value.content : value.content_end])

    def integer(self, value: Value) -> int:
        """A signed number of at most 64 bytes."""
        if value.tag != INTEGER or not 0 < value.content_end - value.content <= 64:
            raise BerError(f"no usable INTEGER at byte {value.start:,}")
        return int.from_bytes(self.content_of(value), "big", signed=True)

    def oid(self, value: Value) -> bytes:
        """The encoded identifier, as `encoded_oid` writes it."""
        if value.tag != OID or not 0 < value.content_end - value.content <= 64:
            raise BerError(f"no OBJECT IDENTIFIER at byte {value.start:,}")
        return self.content_of(value)

    def octets(self, value: Value) -> list[memoryview]:
        """The pieces of an octet string, whole or constructed, also under an implicit tag."""
        if not value.tag & CONSTRUCTED:
            return [self.data[value.content : value.content_end]]
        pieces: list[memoryview] = []
        waiting = [self.children(value)]
        while waiting:
            child = next(waiting[-1], None)
            if child is None:
                waiting.pop()
                continue
            if child.tag & ~CONSTRUCTED != OCTETS:
                raise BerError(f"an octet string holds something else at byte {child.start:,}")
            if child.tag & CONSTRUCTED:
                if len(waiting) >= MAX_DEPTH:
                    raise BerError(f"octet strings nest deeper than {MAX_DEPTH} at byte {child.start:,}")
                waiting.append(self.children(child))
                continue
            pieces.append(self.data[child.content : child.content_end])
            if len(pieces) > MAX_CHUNKS:
                raise BerError(f"an octet string of more than {MAX_CHUNKS:,} pieces")
        return pieces

    def joined(self, value: Value, most: int) -> bytes:
        """A short octet string in one piece."""
        if value.end - value.start > 2 * most + 64:
            raise BerError(f"the octet string at byte {value.start:,} is longer than {most:,} bytes")
        return b"".join(self.octets(value))

    def _header(self, start: int, end: int) -> tuple[int, int, int | None]:
        """(identifier octet, begin of the content, its length; None: indefinite). A length past `end` is an error before anything is allocated."""
        data = self.data
        if start + 2 > end:
            raise BerError(f"the data ends at byte {end:,} where a value should begin")
        tag, first = data[start], data[start + 1]
        if tag & 0x1F == 0x1F:
            raise BerError(f"a tag of several bytes at byte {start:,}")
        content = start + 2
        if first == 0x80:
            if not tag & CONSTRUCTED:
                raise BerError(f"an indefinite length on a primitive value at byte {start:,}")
            return tag, content, None
        length = first
        if first > 0x80:
            count = first & 0x7F
            if count > MAX_LENGTH_BYTES or content + count > end:
                raise BerError(f"a length that cannot be at byte {start + 1:,}")
            length = int.from_bytes(data[content : content + count], "big")
            content += count
        if length > end - content:
            raise BerError(f"the value at byte {start:,} says {length:,} bytes and {max(end - content, 0):,} are left")
        return tag, content, length

    def _end_of_contents(self, content: int, end: int) -> int:
        known = self._ends.get(content)
        if known is not None and known + 2 <= end:
            return known
        open_values, at = [content], content
        while open_values:
            if at + 2 > end:
                raise BerError(f"the value with its content at byte {open_values[-1]:,} does not end")
            if self.data[at] == 0:
                if self.data[at + 1] != 0:
                    raise BerError(f"a broken end of contents at byte {at:,}")
                self._ends[open_values.pop()] = at
                at += 2
                continue
            _, inner, length = self._header(at, end)
            if length is not None:
                at = inner + length
                continue
            known = self._ends.get(inner)
            if known is not None:
                at = known + 2
                continue
            if len(open_values) >= MAX_DEPTH:
                raise BerError(f"values nest deeper than {MAX_DEPTH} at byte {at:,}")
            open_values.append(inner)
            at = inner
        return self._ends[content]


# Writing.


def tlv(tag: int, *contents: bytes) -> bytes:
    """One value with its minimal length."""
    content = contents[0] if len(contents) == 1 else b"".join(contents)
    return header(tag, len(content)) + content


def header(tag: int, length: int) -> bytes:
    """Identifier and length of a value whose content follows."""
    if length < 0x80:
        return bytes((tag, length))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size


def sequence(*contents: bytes) -> bytes:
    return tlv(SEQUENCE, *contents)


def set_of(*contents: bytes) -> bytes:
    """DER: the members sorted by their bytes."""
    return tlv(SET, *sorted(contents))


def integer(number: int) -> bytes:
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def octets(data: bytes) -> bytes:
    return tlv(OCTETS, data)


def oid(encoded: bytes) -> bytes:
    return tlv(OID, encoded)


def encoded_oid(dotted: str) -> bytes:
    """The content of an OBJECT IDENTIFIER."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = bytearray()
    for number in (first * 40 + second, *rest):
        piece = [number & 0x7F]
        while number := number >> 7:
            piece.append(number & 0x7F | 0x80)
        out += bytes(reversed(piece))
    return bytes(out)


NULL_VALUE = tlv(NULL)
