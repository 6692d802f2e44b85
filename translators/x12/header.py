"""The interchange header: finds an ISA, proves its delimiters by position, judges its elements.

Knows nothing of what follows the header, but for the one segment id that proves the terminator.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from translators.document import Delimiters
from translators.x12.options import Options, ReadAt

SEPARATORS_AT = (6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
"""Offsets from the I of ISA where the byte at offset 3 must recur (X12.5: ISA is the one segment of fixed length)."""

LENGTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1)
"""Of ISA01 to ISA15."""

NOTES = ("010", "011", "012", "013", "005", "006", "007", "008", "014", "015", "016", "017", "018", "019", "020")
"""The TA1 note for a fault in ISA01 to ISA15."""

TITLES = (
    "authorization qualifier",
    "authorization",
    "security qualifier",
    "security",
    "sender qualifier",
    "sender id",
    "receiver qualifier",
    "receiver id",
    "date",
    "time",
    "standards id or repetition separator",
    "envelope version",
    "control number",
    "acknowledgment requested",
    "usage",
)

ID_QUALIFIER = re.compile(rb"0[1-4]|0[7-9]|[12][0-9]|3[0-8]|AM|NR|SA|SN|ZZ")
VERSION = re.compile(rb"00[2-8]0[0-9]")
TIME = re.compile(rb"([01][0-9]|2[0-3])[0-5][0-9]")
PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]*")

WINDOW = 400
"""Bytes read to prove a header: an unpadded ISA, a long tail and the next segment's id fit in."""

FIRST_WITH_REPETITION = b"00402"

AFTER_HEADER = (b"GS", b"TA1", b"IEA", b"ISB", b"ISE", b"TA3")
"""The segments that may follow the header."""

PADDED = (2, 4, 6, 8, 13)
"""Elements that leniency unpadded-isa takes without their padding."""


class HeaderFault(NamedTuple):
    """What is wrong with a header: TA1 note, element or 0 for a delimiter, words, and the leniency that would let it pass."""

    note: str
    element: int
    text: str
    leniency: str = ""


@dataclass(slots=True)
class Header:
    """One proven ISA. The first of its faults decides."""

    byte_start: int
    byte_end: int
    """After the terminator."""
    elements: list[bytes]
    """ISA01 to ISA15 as sent, padding kept; elements[0] is b"ISA". Line breaks that are no data are taken out."""
    delimiters: Delimiters
    widths: list[int]
    """Bytes of each element as it stood."""
    faults: list[HeaderFault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    scannable: bool = True
    """The terminator can be trusted, so that the segments after it can be told apart."""

    def text(self, element: int) -> str:
        """An element without its padding."""
        return self.elements[element].decode("latin-1").strip()

    def range_of(self, element: int) -> tuple[int, int]:
        """The bytes of an element, or for 0 those of ISA16 and the terminator."""
        start = self.byte_start + sum(width + 1 for width in self.widths[: element or 16])
        return (start, start + self.widths[element]) if element else (min(start, self.byte_end), self.byte_end)

    def tell(self, note: str, element: int, text: str, leniency: str = "") -> None:
        """Adds a fault."""
        self.faults.append(HeaderFault(note, element, text, leniency))

    def use(self, leniency: str) -> None:
        """Notes a leniency that was used."""
        if leniency not in self.warnings:
            self.warnings.append(leniency)


def header_at(read: ReadAt, offset: int, options: Options) -> Header | None:
    """The header that begins at `offset`, its faults told; None if no ISA can be proven there."""
    window = read(offset, WINDOW)
    if len(window) < 106 and window.count(window[3:4]) < 15:
        return None
    separator = window[3:4]
    if all(window[at : at + 1] == separator for at in SEPARATORS_AT[:-1]):
        if window[103:104] == separator and len(window) >= 106:
            return _judged(_positioned(window, offset, separator, options), options)
        if _ends_segment(window[103:104], window[104:], separator):
            return _judged(_without_component(window, offset, 103, separator, options), options)
    if separator.isalnum() or separator in (b" ", b"") or not any(tag + separator in window for tag in AFTER_HEADER):
        return None
    return _counted(window, offset, separator, options)


def _positioned(window: bytes, offset: int, separator: bytes, options: Options) -> Header:
    """An ISA of the standard's lengths."""
    found = next(_ends(window, 104, separator), None)
    if found is None and _ends_segment(window[104:105], window[105:], separator):
        if window[104:105] in window[105:]:
            return _without_component(window, offset, 104, separator, options)
        found = window[104:105], b""
    component, terminator = found or (window[104:105], window[105:106])
    header = _header(offset, 104, _parts(window), Delimiters(separator, component, b"", terminator))
    if separator.isalnum() or separator == b" ":
        header.scannable = False
        header.tell("026", 0, f"the element separator is {_said(separator)}; take a character that no data holds, such as *")
    if terminator.isalnum() or terminator in (b"", separator, component):
        header.scannable = header.scannable and terminator not in (b"", separator) and not terminator.isalnum()
        header.tell("004", 0, f"the segment terminator is {_said(terminator)}; take one that no data holds, such as ~")
    if component.isalnum() or component in (b" ", b"", separator):
        header.tell("027", 0, f"the component separator (ISA16) is {_said(component)}; take one that no data holds, such as :")
    return header


def _without_component(window: bytes, offset: int, end: int, separator: bytes, options: Options) -> Header:
    """An ISA whose terminator stands at `end`, where ISA16 or the separator before it is due."""
    header = _header(offset, end, _parts(window), Delimiters(separator, b"", b"", window[end : end + 1]))
    _tell_of_missing_component(header, options)
    return header


def _tell_of_missing_component(header: Header, options: Options) -> None:
    if "unpadded-isa" in options.allow:
        header.use("unpadded-isa")
    else:
        text = "the component separator (ISA16) is missing; take one that no data holds, such as :"
        header.tell("027", 0, text, "unpadded-isa")


def _counted(window: bytes, offset: int, separator: bytes, options: Options) -> Header | None:
    """An ISA whose elements are not padded, or broken by line ends: the sixteenth separator stands before ISA16."""
    parts = window.split(separator, 16)
    if len(parts) < 17 or any(len(part) > 40 for part in parts[:16]):
        return None
    start = len(window) - len(parts[16])
    found = next(_ends(window, start, separator), None)
    if found is None:
        terminator = window[start : start + 1]
        if not _ends_segment(terminator, window[start + 1 :], separator) or terminator not in window[start + 1 :]:
            return None
        header = _header(offset, start, parts[:16], Delimiters(separator, b"", b"", terminator))
        _tell_of_missing_component(header, options)
        return _judged(_unwrapped(header, options), options)
    component, terminator = found
    if terminator.isalnum() or terminator in (separator, component) or component.isalnum() or component == separator:
        return None
    return _judged(_unwrapped(_header(offset, start, parts[:16], Delimiters(separator, component, b"", terminator)), options), options)


def _header(offset: int, end: int, parts: list[bytes], delimiters: Delimiters) -> Header:
    """`end` is where ISA16 begins, from the I of ISA."""
    byte_end = offset + end + len(delimiters.component) + len(delimiters.segment)
    return Header(offset, byte_end, parts, delimiters, [len(part) for part in parts])


def _parts(window: bytes) -> list[bytes]:
    """ISA and its first fifteen elements, by their places."""
    return [window[:3], *(window[at - size : at] for at, size in zip(SEPARATORS_AT, LENGTHS, strict=True))]


def _unwrapped(header: Header, options: Options) -> Header:
    """The header without the line breaks inside its elements: files are wrapped at 80 columns by mailers and mainframes."""
    broken = [number for number, value in enumerate(header.elements) if b"\r" in value or b"\n" in value]
    if not broken or header.delimiters.segment in (b"\r", b"\n"):
        return header
    header.elements = [value.replace(b"\r", b"").replace(b"\n", b"") for value in header.elements]
    if "wrapped-lines" in options.allow:
        header.use("wrapped-lines")
    else:
        for number in broken:
            text = f"ISA{number:02} ({TITLES[number - 1]}) holds a line break; send the interchange without line breaks inside segments"
            header.tell(NOTES[number - 1], number, text, "wrapped-lines")
    return header


def _ends(window: bytes, start: int, separator: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The component separator and terminator that stand at `start`, proven by the GS, TA1 or IEA after them.

    Each may be a UTF-8 character of several bytes; that is tried first.
    """
    for component_length in (_utf8_length(window[start : start + 4]), 1):
        at = start + component_length
        for terminator_length in (_utf8_length(window[at : at + 4]), 1):
            terminator = window[at : at + terminator_length]
            rest = window[at + terminator_length :]
            # A line end after the character that ends the next line, too, is no terminator but the tail of one: ISA16 is missing.
            misread = terminator in (b"\r", b"\n") and window[start:at] + terminator in rest[:120]
            if _begins_group(rest, separator) and not misread:
                yield window[start:at], terminator


def _ends_segment(terminator: bytes, rest: bytes, separator: bytes) -> bool:
    """Whether a byte can be the terminator: a group begins right after it."""
    return bool(terminator) and not terminator.isalnum() and terminator != separator and _begins_group(rest, separator)


def _begins_group(window: bytes, separator: bytes) -> bool:
    return window.lstrip(b"\r\n \t").startswith(tuple(tag + separator for tag in AFTER_HEADER))


def _utf8_length(window: bytes) -> int:
    """Bytes of the first UTF-8 character, 1 if there is none."""
    text = window.decode("utf-8", errors="replace")
    return 1 if text[:1] in ("", "\ufffd") else len(text[0].encode("utf-8"))


def _judged(header: Header, options: Options) -> Header:
    """Checks ISA01 to ISA15 from left to right and settles the repetition separator."""
    _settle_repetition(header, options)
    lenient = "unpadded-isa" in options.allow
    for number, (size, note, title) in enumerate(zip(LENGTHS, NOTES, TITLES, strict=True), start=1):
        value = header.elements[number]
        unpadded = number in PADDED and (number != 13 or len(value) < size)
        if len(value) != size and not (unpadded and lenient):
            broken = b"\r" in value or b"\n" in value
            why = " and holds a line break, though a line end ends the segments here" if broken else ""
            text = f"ISA{number:02} ({title}) has {len(value)} characters, not {size}{why}"
            header.tell(note, number, text, "unpadded-isa" if unpadded else "")
            continue
        if len(value) != size:
            header.use("unpadded-isa")
        if reason := _fault(number, value):
            header.tell(note, number, f"ISA{number:02} ({title}) {reason}")
    header.faults.sort(key=lambda fault: fault.element)
    return header


def _settle_repetition(header: Header, options: Options) -> None:
    value, version = header.elements[11], header.elements[12]
    separates = len(value) == 1 and not value.isalnum() and value != b" "
    late = version >= FIRST_WITH_REPETITION
    if not VERSION.fullmatch(version):
        return
    if separates and late:
        header.delimiters = header.delimiters._replace(repetition=value)
        if value in (header.delimiters.element, header.delimiters.component, header.delimiters.segment):
            header.tell("016", 11, f"ISA11 ({TITLES[10]}) is {_said(value)}, which is another delimiter, too")
        return
    if value == b"U" and not late:
        return
    if "isa11-not-a-separator" in options.allow:
        header.use("isa11-not-a-separator")
    else:
        wanted = "a repetition separator such as ^" if late else "U"
        text = f"ISA11 ({TITLES[10]}) is {_said(value)}; with version {_said(version)} it must be {wanted}"
        header.tell("016", 11, text, "isa11-not-a-separator")


def _fault(number: int, value: bytes) -> str | None:
    """What is wrong with one ISA element of the right length, in words; None if nothing is."""
    if number == 1 and not re.fullmatch(rb"0[0-6]", value):
        return f"is {_said(value)}; 00 says that there is none"
    if number == 3 and value not in (b"00", b"01"):
        return f"is {_said(value)}; 00 says that there is none"
    if number in (5, 7) and not ID_QUALIFIER.fullmatch(value):
        return f"is {_said(value)}, which is no known qualifier; ZZ stands for one that was agreed"
    if number in (6, 8) and not PRINTABLE.fullmatch(value):
        return "is empty" if not value.strip() else f"is {_said(value)}, which holds control characters"
    if number in (2, 4) and value.strip() and not PRINTABLE.fullmatch(value):
        return "holds control characters"
    if number == 9 and not _is_date(value):
        return f"is {_said(value)}, which is no day (YYMMDD)"
    if number == 10 and not TIME.fullmatch(value):
        return f"is {_said(value)}, which is no time (HHMM)"
    if number == 12 and not VERSION.fullmatch(value):
        return f"is {_said(value)}, which is no version of the envelope, such as 00401"
    if number == 13 and not value.isdigit():
        return f"is {_said(value)}; nine digits are due"
    if number == 14 and value not in (b"0", b"1"):
        return f"is {_said(value)}; 1 asks for a TA1, 0 does not"
    if number == 15 and value not in (b"P", b"T", b"I"):
        return f"is {_said(value)}; P is production, T test, I information"
    return None


def _is_date(value: bytes) -> bool:
    if not re.fullmatch(rb"[0-9]{6}", value):
        return False
    return is_day(int(value[:2]) + 2000, int(value[2:4]), int(value[4:]))


def is_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has this day."""
    if not (1 <= month <= 12 and 1 <= day <= 31 and year > 0):
        return False
    if month == 2:
        return day <= (29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28)
    return day <= 30 or month not in (4, 6, 9, 11)


def _said(value: bytes) -> str:
    """Bytes for a person: as text where they are printable, else in hexadecimal."""
    if not value:
        return "missing"
    text = value.decode("latin-1")
    return repr(text) if text.isprintable() else "0x" + value.hex()
