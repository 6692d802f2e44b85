"""Writes the 997 that answers one functional group, from stored verdicts and findings alone.

Knows nothing of the message that was read, and takes no numbers: those are slots, stamped in the commit that sends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from translators.document import Delimiters, Finding, Verdict
from translators.x12.header import FIRST_WITH_REPETITION
from translators.x12.interchange import Group, Interchange

Composed = list[str | dict[str, str]]
"""An interchange with gaps for what only the commit knows: bytes as Latin-1 text, a gap as {"slot": name}. JSON as it stands."""

SLOTS = ("interchange_control", "group_control", "date6", "date8", "time4")
"""ISA13 and IEA02 (nine digits), GS06 and GE02 (no padding), and the date and time of sending."""

DETAILS = ("all", "errors", "none")

MAX_ELEMENTS_A_SEGMENT = 99
"""AK4 under one AK3."""

MAX_CODES = 5
"""Codes in AK5 and in AK9."""

SET_CODES_004010 = {"18": "6", "19": "6"}
GROUP_CODES_004010 = {"19": "6"}
ELEMENT_CODES_004010 = {"12": "3", "13": "3"}
"""Codes that came after 004010, and what is written there instead."""


@dataclass(frozen=True, slots=True)
class SetVerdict:
    """What is stored of one set: enough to answer for it."""

    id: str
    control: str
    verdict: str
    """A Verdict or its letter."""
    codes: Sequence[str] = ()
    """AK502 and following, without 5."""
    findings: Sequence[Finding] = ()
    implementation: str = ""


class Counts(NamedTuple):
    """Sets by verdict; `accepted` counts those with errors, too."""

    accepted: int
    with_errors: int
    rejected: int


def count(verdicts: Iterable[str]) -> Counts:
    """Sets by verdict, from their letters."""
    letters = [str(one) for one in verdicts]
    rejected = letters.count(Verdict.REJECTED)
    return Counts(len(letters) - rejected, letters.count(Verdict.ACCEPTED_WITH_ERRORS), rejected)


def group_code(codes: Sequence[str], counts: Counts) -> str:
    """AK901 from the group's own codes and the verdicts of its sets: A, E, P or R (X12 997)."""
    if codes or (counts.rejected and not counts.accepted):
        return "R"
    if counts.rejected:
        return "P"
    return "E" if counts.with_errors else "A"


def group_verdict(sets: Iterable[SetVerdict], codes: Sequence[str]) -> str:
    """AK901 of a group from its sets and its own codes."""
    return group_code(codes, count(one.verdict for one in sets))


def functional_ack(
    interchange: Interchange,
    group: Group,
    sets: Sequence[SetVerdict],
    *,
    detail: str = "all",
    sender_qualifier: str,
    sender: str,
    sender_code: str,
    delimiters: Delimiters | None = None,
    tail: bytes = b"",
) -> Composed:
    """The 997 for one group, back to the interchange's sender, in the version of the group; ST02 is 0001.

    `sender_qualifier`, `sender` and `sender_code` are ours (ISA05, ISA06, GS02). `detail` says which sets are listed: "all", "errors" (those that
    are not plainly accepted) or "none". `delimiters` are `*`, `:` and `~` unless given; `tail` follows each terminator.
    """
    version = interchange.version if interchange.version.isascii() and interchange.version.isdigit() else "00401"
    late = version.encode("ascii") >= FIRST_WITH_REPETITION
    chosen = delimiters or Delimiters(b"*", b":", b"^" if late else b"", b"~")
    envelope = Envelope(sender_qualifier, sender, sender_code, interchange, group, chosen, version, tail)
    text = _Text(envelope, modern=group.version[:6] >= "005010")
    counts = count(one.verdict for one in sets)
    verdict = group_code(group.codes, counts)
    listed = [] if detail == "none" else [one for one in sets if detail == "all" or one.verdict != Verdict.ACCEPTED]
    body = [text.segment("AK1", group.functional, group.control, *([group.version] if text.modern else []))]
    body += [segment for one in listed for segment in text.set(one)]
    body.append(text.group(group, verdict, counts))
    whole = [text.segment("ST", "997", "0001"), *body, text.segment("SE", str(len(body) + 2), "0001")]
    return [*_opening(envelope, text), b"".join(whole).decode("latin-1"), *_closing(text)]


def stamp(composed: Composed, *, interchange_control: int, group_control: int, date6: str, date8: str, time4: str) -> bytes:
    """The interchange as bytes, its slots filled: `date6` is YYMMDD, `date8` CCYYMMDD, `time4` HHMM.

    Raises ValueError for control numbers beyond nine digits and KeyError for a slot there is not.
    """
    for number in (interchange_control, group_control):
        if not 0 < number <= 999_999_999:
            raise ValueError(f"a control number has one to nine digits and is not zero; {number} does not fit")
    values = {
        "interchange_control": f"{interchange_control:09}",
        "group_control": str(group_control),
        "date6": date6,
        "date8": date8,
        "time4": time4,
    }
    return "".join(part if isinstance(part, str) else values[part["slot"]] for part in composed).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who answers whom, and how."""

    sender_qualifier: str
    sender: str
    sender_code: str
    interchange: Interchange
    group: Group
    delimiters: Delimiters
    version: str
    """ISA12."""
    tail: bytes


class _Text:
    """Writes segments: trims empty ends, and never writes a delimiter as data."""

    def __init__(self, envelope: Envelope, *, modern: bool) -> None:
        self.envelope, self.modern = envelope, modern
        delimiters = envelope.delimiters
        self.unwritable = {ord(one.decode("latin-1")): " " for one in delimiters if len(one) == 1}
        self.end = delimiters.segment + envelope.tail
        self.loop_id = 4 if modern else 6
        """Characters of AK303."""

    def segment(self, *elements: str) -> bytes:
        values = [self.clean(element) for element in elements]
        while values and not values[-1]:
            values.pop()
        return self.envelope.delimiters.element.join(values) + self.end

    def clean(self, value: str) -> bytes:
        """A value without delimiters and control characters."""
        text = "".join(character if character.isprintable() else " " for character in value.translate(self.unwritable))
        return text.encode("utf-8").strip() if not text.isascii() else text.rstrip().encode("ascii")

    def set(self, one: SetVerdict) -> Iterator[bytes]:
        """AK2, the notes, AK5."""
        yield self.segment("AK2", one.id or "000", one.control or "0000", *([one.implementation] if self.modern else []))
        noted = False
        errors = [finding for finding in one.findings if finding.severity == "error" and finding.level in ("segment", "element")]
        at = 0
        while at < len(errors):
            first = errors[at]
            noted = True
            if first.level == "segment":
                yield self.segment("AK3", _tag(first.segment), str(first.position), (first.loop or "")[: self.loop_id], first.code)
                at += 1
                continue
            yield self.segment("AK3", _tag(first.segment), str(first.position), (first.loop or "")[: self.loop_id], "8")
            same = 0
            while at < len(errors) and errors[at].level == "element" and errors[at].position == first.position:
                if same < MAX_ELEMENTS_A_SEGMENT:
                    yield self._element(errors[at])
                same, at = same + 1, at + 1
        codes = _codes(one.codes, {} if self.modern else SET_CODES_004010)
        yield self.segment("AK5", str(one.verdict), *([*codes[: MAX_CODES - 1], "5"] if noted else codes))

    def group(self, group: Group, verdict: str, counts: Counts) -> bytes:
        """AK9: sets as GE01 says, as found, and as accepted, which are none where the group is rejected."""
        claimed = group.claimed_sets
        sent = claimed if claimed.isascii() and claimed.isdigit() and len(claimed) <= 6 else str(group.found_sets)
        codes = _codes(group.codes, {} if self.modern else GROUP_CODES_004010)
        return self.segment("AK9", verdict, sent, str(group.found_sets), "0" if verdict == "R" else str(counts.accepted), *codes)

    def _element(self, finding: Finding) -> bytes:
        place = [str(finding.element or 1)]
        if finding.component or (self.modern and finding.repetition):
            place.append(str(finding.component or ""))
        if self.modern and finding.repetition:
            place.append(str(finding.repetition))
        delimiters = self.envelope.delimiters
        value = finding.value or ""
        if any(one.decode("latin-1") in value for one in delimiters if one):
            value = ""
        code = finding.code if self.modern else ELEMENT_CODES_004010.get(finding.code, finding.code)
        number = str(finding.data_element) if finding.data_element else ""
        values = [delimiters.component.join(part.encode("ascii") for part in place), *map(self.clean, (number, code, value))]
        while not values[-1]:
            values.pop()
        return delimiters.element.join([b"AK4", *values]) + self.end


def _codes(codes: Sequence[str], older: dict[str, str]) -> list[str]:
    """At most five codes, each once, as the version has them."""
    return list(dict.fromkeys(older.get(code, code) for code in codes))[:MAX_CODES]


def _tag(segment: str) -> str:
    """AK301 has two or three characters: longer ids are cut, shorter ones cannot be told."""
    return segment[:3] if len(segment) >= 2 and segment.isascii() and segment.isalnum() else "ZZ"


def _opening(envelope: Envelope, text: _Text) -> Composed:
    inbound, group, separator = envelope.interchange, envelope.group, envelope.delimiters.element
    header = [b"ISA", b"00", b" " * 10, b"00", b" " * 10, _fixed(envelope.sender_qualifier, 2), _fixed(envelope.sender, 15)]
    header += [_fixed(inbound.sender_qualifier, 2), _fixed(inbound.sender, 15), b""]
    middle = [b"", envelope.delimiters.repetition or b"U", envelope.version.encode("ascii"), b""]
    usage = [b"", b"0", inbound.usage.encode("ascii", errors="replace"), envelope.delimiters.component + text.end]
    begin = [b"GS", b"FA", text.clean(envelope.sender_code), text.clean(group.sender), b""]
    end = [b"", b"X", text.clean(group.version[:6]) + text.end]

    def joined(values: list[bytes]) -> str:
        return separator.join(values).decode("latin-1")

    return [
        joined(header),
        {"slot": "date6"},
        joined([b"", b""]),
        {"slot": "time4"},
        joined(middle),
        {"slot": "interchange_control"},
        joined(usage) + joined(begin),
        {"slot": "date8"},
        joined([b"", b""]),
        {"slot": "time4"},
        joined([b"", b""]),
        {"slot": "group_control"},
        joined(end),
    ]


def _closing(text: _Text) -> Composed:
    one = text.envelope.delimiters.element.join((b"", b"1", b"")).decode("latin-1")
    end = text.end.decode("latin-1")
    return ["GE" + one, {"slot": "group_control"}, end + "IEA" + one, {"slot": "interchange_control"}, end]


def _fixed(value: str, size: int) -> bytes:
    return value.encode("latin-1", errors="replace").ljust(size)[:size]
