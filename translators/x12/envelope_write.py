"""Writes segments and the envelope around them, with slots where only the commit knows what stands there.

Knows nothing of what is said inside; acknowledge.py, ta1.py and application_advice.py do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from translators.document import Delimiters
from translators.x12.header import FIRST_WITH_REPETITION, ID_QUALIFIER, VERSION
from translators.x12.interchange import Interchange

Composed = list[str | dict[str, str]]
"""An interchange with gaps for what only the commit knows: bytes as Latin-1 text, a gap as {"slot": name}. JSON as it stands.

The names: interchange_control (ISA13 and IEA02, nine digits), group_control (GS06 and GE02, no padding), and of the time of sending, in UTC, date6, date8,
time4 and timestamp (one ISO 8601 text).
"""

HIGHEST_CONTROL = 999_999_999
OLDEST_ENVELOPE = "00401"
"""ISA12 where the other side's cannot be used."""
FIRST_MODERN = "005010"
"""From this release on acknowledgments name versions, repetitions and guides."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who writes to whom, and how: what ISA and GS say but for control numbers, date and time."""

    sender_qualifier: str
    sender: str
    sender_code: str
    """GS02."""
    receiver_qualifier: str
    receiver: str
    receiver_code: str
    """GS03."""
    version: str
    """ISA12."""
    usage: str
    """ISA15."""
    delimiters: Delimiters
    tail: bytes = b""
    functional: str = "FA"
    group_version: str = "004010"
    """GS08."""
    acknowledgment_requested: bool = False
    """ISA14: whether a TA1 is asked for."""


def way_back(
    interchange: Interchange,
    *,
    sender_qualifier: str,
    sender: str,
    sender_code: str,
    receiver_code: str = "",
    functional: str = "FA",
    group_version: str = "004010",
    delimiters: Delimiters | None = None,
    tail: bytes = b"",
) -> Envelope:
    """The envelope of an answer: sender and receiver swapped, version and usage as they came (or what stands in for the unusable)."""
    version = usable_version(interchange.version)
    usage = interchange.usage if interchange.usage in ("P", "T", "I") else "P"
    qualifier = interchange.sender_qualifier if ID_QUALIFIER.fullmatch(interchange.sender_qualifier.encode("latin-1")) else "ZZ"
    return Envelope(
        sender_qualifier, sender, sender_code, qualifier, interchange.sender, receiver_code, version, usage, delimiters or usual_delimiters(version),
        tail, functional, group_version,
    )  # fmt: skip


def usable_version(version: str) -> str:
    """An ISA12 to repeat, or what stands in for one that is none."""
    return version if version.isascii() and VERSION.fullmatch(version.encode("ascii")) else OLDEST_ENVELOPE


def usual_delimiters(version: str) -> Delimiters:
    """`*`, `:`, `~`, and `^` where the envelope's version has a repetition separator."""
    late = version.encode("latin-1") >= FIRST_WITH_REPETITION
    return Delimiters(b"*", b":", b"^" if late else b"", b"~")


class SegmentWriter:
    """Writes segments: trims empty ends, and never writes a delimiter or a control character as data."""

    def __init__(self, delimiters: Delimiters, tail: bytes = b"") -> None:
        self.delimiters = delimiters
        self._unwritable = {ord(one.decode("latin-1")): " " for one in delimiters if len(one) == 1}
        self.end = delimiters.segment + tail

    def segment(self, *elements: str | Sequence[str]) -> bytes:
        """One segment; an element that is a list is a composite."""
        values = [self.clean(element) if isinstance(element, str) else self._composite(element) for element in elements]
        while values and not values[-1]:
            values.pop()
        return self.delimiters.element.join(values) + self.end

    def _composite(self, parts: Sequence[str]) -> bytes:
        values = [self.clean(part) for part in parts]
        while values and not values[-1]:
            values.pop()
        return self.delimiters.component.join(values)

    def clean(self, value: str) -> bytes:
        """A value without delimiters and control characters."""
        text = value.translate(self._unwritable)
        if not text.isprintable():
            text = "".join(character if character.isprintable() else " " for character in text)
        return text.encode("utf-8").strip() if not text.isascii() else text.rstrip().encode("ascii")

    def fixed(self, value: str, size: int) -> bytes:
        """An ISA element, padded with spaces: one byte a character."""
        return value.translate(self._unwritable).encode("latin-1", errors="replace").ljust(size)[:size]

    def control(self, value: str) -> str:
        """A set control number to repeat, four to nine characters: a shorter one is padded with zeros, which is the same number, a longer one cut."""
        kept = "".join(character for character in value.translate(self._unwritable) if character.isascii() and character.isprintable())
        return kept.strip()[:9].rstrip().rjust(4, "0")

    def reference(self, value: str, size: int) -> str:
        """A reference to repeat; "" for one that does not fit or holds nothing that can be written."""
        kept = self.clean(value).decode("utf-8").strip()
        return kept if len(kept) <= size else ""

    def holds_delimiter(self, value: str) -> bool:
        return any(one.decode("latin-1") in value for one in self.delimiters if one)


def enclosed(envelope: Envelope, writer: SegmentWriter, body: Composed, *, group: bool = True) -> Composed:
    """ISA, GS, `body`, GE, IEA with their slots; without `group` the body (TA1) stands alone between ISA and IEA."""
    separator = envelope.delimiters.element
    header = [b"ISA", b"00", b" " * 10, b"00", b" " * 10, writer.fixed(envelope.sender_qualifier, 2), writer.fixed(envelope.sender, 15)]
    header += [writer.fixed(envelope.receiver_qualifier, 2), writer.fixed(envelope.receiver, 15), b""]
    middle = [b"", envelope.delimiters.repetition or b"U", envelope.version.encode("ascii"), b""]
    usage = [b"", b"1" if envelope.acknowledgment_requested else b"0", envelope.usage.encode("ascii"), envelope.delimiters.component + writer.end]

    def joined(*values: bytes) -> str:
        return separator.join(values).decode("latin-1")

    whole: Composed = [
        joined(*header), {"slot": "date6"}, joined(b"", b""), {"slot": "time4"}, joined(*middle), {"slot": "interchange_control"}, joined(*usage),
    ]  # fmt: skip
    end = writer.end.decode("latin-1")
    if group:
        whole += [
            joined(b"GS", envelope.functional.encode("ascii"), writer.clean(envelope.sender_code), writer.clean(envelope.receiver_code), b""),
            {"slot": "date8"}, joined(b"", b""), {"slot": "time4"}, joined(b"", b""), {"slot": "group_control"},
            joined(b"", b"X", writer.clean(envelope.group_version)) + end,
        ]  # fmt: skip
    whole += body
    if group:
        whole += [joined(b"GE", b"1", b""), {"slot": "group_control"}, end]
    return [*whole, joined(b"IEA", b"1" if group else b"0", b""), {"slot": "interchange_control"}, end]


def stamp(composed: Composed, *, interchange_control: int, group_control: int, date6: str, date8: str, time4: str) -> bytes:
    """The interchange as bytes, its slots filled: `date6` is YYMMDD, `date8` CCYYMMDD, `time4` HHMM.

    Raises ValueError for control numbers beyond nine digits and KeyError for a slot there is not.
    """
    for number in (interchange_control, group_control):
        if not 0 < number <= HIGHEST_CONTROL:
            raise ValueError(f"a control number has one to nine digits and is not zero; {number} does not fit")
    values = {
        "interchange_control": f"{interchange_control:09}",
        "group_control": str(group_control),
        "date6": date6,
        "date8": date8,
        "time4": time4,
        "timestamp": f"{date8[:4]}-{date8[4:6]}-{date8[6:]}T{time4[:2]}:{time4[2:4]}:00Z",
    }
    return "".join(part if isinstance(part, str) else values[part["slot"]] for part in composed).encode("latin-1")


def code_of(value: str, size: int, instead: str) -> str:
    """A code of exactly `size` letters and digits; `instead` where there is none to repeat."""
    return value if len(value) == size and value.isascii() and value.isalnum() else instead


def is_number(value: str, digits: int) -> bool:
    """Whether it is an unsigned number of at most so many digits."""
    return value.isascii() and value.isdigit() and len(value) <= digits
