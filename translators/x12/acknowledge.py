"""Writes the 997 or 999 that answers one functional group, from stored verdicts and findings alone.

Knows nothing of the message that was read, and takes no numbers: those are slots, stamped in the commit that sends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from translators.document import Delimiters, Finding, Verdict
from translators.x12.envelope_write import FIRST_MODERN, Composed, Envelope, SegmentWriter, code_of, enclosed, is_number, stamp, way_back
from translators.x12.groups import VERSION
from translators.x12.interchange import Group, Interchange

__all__ = ["DETAILS", "FORMS", "Composed", "Counts", "SetVerdict", "count", "form_for", "functional_ack", "group_code", "group_verdict", "stamp"]

DETAILS = ("all", "errors", "none")

MAX_ELEMENTS_A_SEGMENT = 99
"""AK4 under one AK3."""

MAX_SEGMENTS_A_SET = 1_000
"""AK3 for one set; what more was found stays in the report."""

MAX_CODES = 5
"""Codes in AK5 and in AK9."""

MOST_COUNTED = 999_999
"""AK902 to AK904, and AK302 of 004010, have six digits."""

SET_CODES_004010 = {"18": "6", "19": "6"}
GROUP_CODES_004010 = {"19": "6"}
ELEMENT_CODES_004010 = {"12": "3", "13": "3"}
"""Codes that came after 004010, and what is written there instead."""

CONDITIONAL = frozenset({"2", "10"})
"""Element notes that another element of the segment calls for: the 999 names the segment as their trigger."""


class Form(NamedTuple):
    """The segments by which the two functional acknowledgments differ."""

    segment_note: str
    element_note: str
    set_verdict: str


FORMS = {"997": Form("AK3", "AK4", "AK5"), "999": Form("IK3", "IK4", "IK5")}


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


def form_for(wanted: str, version: str) -> str:
    """997 or 999: the 999 begins with release 005010, so an older group is answered by a 997 whatever was agreed."""
    return wanted if wanted == "997" or version[:6] >= FIRST_MODERN else "997"


def functional_ack(
    interchange: Interchange,
    group: Group,
    sets: Sequence[SetVerdict],
    *,
    form: str = "997",
    detail: str = "all",
    sender_qualifier: str,
    sender: str,
    sender_code: str,
    delimiters: Delimiters | None = None,
    tail: bytes = b"",
) -> Composed:
    """The 997 or 999 for one group, back to the interchange's sender, in the version of the group; ST02 is 0001.

    `sender_qualifier`, `sender` and `sender_code` are ours (ISA05, ISA06, GS02). `detail` says which sets are listed: "all", "errors" (those that
    are not plainly accepted) or "none". `delimiters` are `*`, `:` and `~` unless given; `tail` follows each terminator.
    """
    envelope = way_back(
        interchange, sender_qualifier=sender_qualifier, sender=sender, sender_code=sender_code, receiver_code=group.sender,
        group_version=group.version[:6] if VERSION.match(group.version) else "004010", delimiters=delimiters, tail=tail,
    )  # fmt: skip
    form = form_for(form, envelope.group_version)
    text = _Text(envelope, FORMS[form])
    counts = count(one.verdict for one in sets)
    verdict = group_code(group.codes, counts)
    listed = [] if detail == "none" else [one for one in sets if detail == "all" or one.verdict != Verdict.ACCEPTED]
    body = [text.writer.segment("AK1", *text.group_named(group))]
    body += [segment for one in listed for segment in text.set(one)]
    body.append(text.group(group, verdict, counts))
    whole = [text.writer.segment("ST", form, "0001"), *body, text.writer.segment("SE", str(len(body) + 2), "0001")]
    return enclosed(envelope, text.writer, [b"".join(whole).decode("latin-1")])


class _Text:
    """Writes what is said of a group and its sets; what came in unusable is replaced, for the answer itself must be right."""

    def __init__(self, envelope: Envelope, form: Form) -> None:
        self.form = form
        self.modern = envelope.group_version >= FIRST_MODERN
        self.writer = SegmentWriter(envelope.delimiters, envelope.tail)
        self.loop_id = 4 if self.modern else 6
        """Characters of AK303."""

    def group_named(self, group: Group) -> list[str]:
        """AK101 to AK103."""
        named = [code_of(group.functional, 2, "ZZ"), group.control if is_number(group.control, 9) else "0"]
        return [*named, group.version[:12]] if self.modern else named

    def set(self, one: SetVerdict) -> Iterator[bytes]:
        """AK2, the notes, AK5."""
        yield self.writer.segment(
            "AK2", code_of(one.id, 3, "000"), self.writer.control(one.control), *([one.implementation[:35]] if self.modern else [])
        )
        errors = [finding for finding in one.findings if finding.severity == "error" and finding.level in ("segment", "element")]
        at = notes = 0
        while at < len(errors) and notes < MAX_SEGMENTS_A_SET:
            first = errors[at]
            notes += 1
            if first.level == "segment":
                yield self._segment_note(first, first.code)
                at += 1
                continue
            yield self._segment_note(first, "8")
            same = 0
            while at < len(errors) and errors[at].level == "element" and errors[at].position == first.position:
                if same < MAX_ELEMENTS_A_SEGMENT:
                    yield from self._element_note(errors[at])
                same, at = same + 1, at + 1
        codes = _codes(one.codes, {} if self.modern else SET_CODES_004010)
        yield self.writer.segment(self.form.set_verdict, str(one.verdict), *([*codes[: MAX_CODES - 1], "5"] if notes else codes))

    def group(self, group: Group, verdict: str, counts: Counts) -> bytes:
        """AK9: sets as GE01 says, as found, and as accepted, which are none where the group is rejected."""
        found = str(min(group.found_sets, MOST_COUNTED))
        sent = group.claimed_sets if is_number(group.claimed_sets, 6) else found
        codes = _codes(group.codes, {} if self.modern else GROUP_CODES_004010)
        return self.writer.segment("AK9", verdict, sent, found, "0" if verdict == "R" else str(min(counts.accepted, MOST_COUNTED)), *codes)

    def _segment_note(self, finding: Finding, code: str) -> bytes:
        position = str(min(finding.position, MOST_COUNTED))
        return self.writer.segment(self.form.segment_note, _tag(finding.segment), position, (finding.loop or "")[: self.loop_id], code)

    def _element_note(self, finding: Finding) -> Iterator[bytes]:
        place = [str(min(finding.element or 1, 99))]
        if finding.component or (self.modern and finding.repetition):
            place.append(str(min(finding.component, 99)) if finding.component else "")
        if self.modern and finding.repetition:
            place.append(str(min(finding.repetition, 9_999)))
        value = (finding.value or "")[:99]
        code = finding.code if self.modern else ELEMENT_CODES_004010.get(finding.code, finding.code)
        number = str(finding.data_element) if finding.data_element else ""
        yield self.writer.segment(self.form.element_note, place, number, code, "" if self.writer.holds_delimiter(value) else value)
        if self.form is FORMS["999"] and finding.code in CONDITIONAL:
            yield self.writer.segment("CTX", "SITUATIONAL TRIGGER", _tag(finding.segment), str(min(finding.position, MOST_COUNTED)))


def _codes(codes: Sequence[str], older: dict[str, str]) -> list[str]:
    """At most five codes, each once, as the version has them."""
    return list(dict.fromkeys(older.get(code, code) for code in codes))[:MAX_CODES]


def _tag(segment: str) -> str:
    """AK301 has two or three characters: longer ids are cut, shorter ones cannot be told."""
    return segment[:3] if len(segment) >= 2 and segment[:3].isascii() and segment[:3].isalnum() else "ZZ"
