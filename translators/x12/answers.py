"""Reads the partner's answers to what we sent: 997 and 999, 824 and TA1, as verdicts.

Knows nothing of what we sent: which of our sets is meant is for the store to find. What cannot be read is told in `trouble`, never guessed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from translators.document import Document, Segment
from translators.x12.acknowledge import FORMS
from translators.x12.ta1 import NOTES

ANSWERS = ("997", "999", "824")
"""Sets that speak of sets."""

SEGMENT_NOTE, ELEMENT_NOTE, SET_VERDICT = (frozenset(tags) for tags in zip(*FORMS.values(), strict=True))
"""AK3 and IK3 and so on: partners write the one's segments into the other."""

MOST_ERRORS = 1_000
"""Faults kept of one set's answer."""
MOST_SETS = 100_000
MOST_TEXT = 2_000

ACCEPTED, WITH_ERRORS, PARTLY, REJECTED = "accepted", "accepted with errors", "partly accepted", "rejected"

WORDS = {"A": ACCEPTED, "E": WITH_ERRORS, "P": PARTLY, "R": REJECTED, "M": REJECTED, "W": REJECTED, "X": REJECTED}
"""AK501, AK901 and TA104 as our words; M, W and X are refusals for the sake of security."""

OTI_WORDS = {"A": ACCEPTED, "C": ACCEPTED, "E": WITH_ERRORS, "P": PARTLY, "R": REJECTED}
"""The second letter of OTI01; its first says of what: T a set, I an item, G a group, B a batch."""

LEVELS = {"T": "set", "I": "item", "G": "group", "B": "batch"}

SEGMENT_NOTES = {
    "1": "its id is not known", "2": "it was not expected there", "3": "it is mandatory and missing", "4": "its loop comes too often",
    "5": "it comes too often", "6": "it is not in this set", "7": "it is out of order", "8": "it has faults in its elements",
    "I4": "their guide does not use it", "I6": "their guide needs it there", "I7": "its loop comes too seldom for their guide",
    "I8": "it comes too seldom for their guide", "I9": "it is there against a condition of their guide",
}  # fmt: skip
ELEMENT_NOTES = {
    "1": "it is mandatory and missing", "2": "another element calls for it and it is missing", "3": "there are too many elements", "4": "it is too short",
    "5": "it is too long", "6": "it holds a character that may not be there", "7": "its code is not valid", "8": "its date is wrong",
    "9": "its time is wrong", "10": "another element excludes it", "12": "it is repeated too often", "13": "there are too many components",
    "I6": "their guide does not take the code", "I9": "their guide needs it there", "I10": "their guide does not use it",
    "I11": "it is repeated too seldom for their guide", "I12": "it breaks a pattern of their guide", "I13": "it is there against a condition of their guide",
}  # fmt: skip
SET_NOTES = {
    "1": "they do not take this set", "2": "SE is missing", "3": "SE02 is not ST02", "4": "SE01 is not the number of segments", "5": "segments are in error",
    "6": "ST01 is missing or wrong", "7": "ST02 is missing or wrong", "18": "the set does not belong in its group", "19": "the guide (ST03) is wrong",
    "23": "ST02 came twice in the group", "I6": "they do not take this guide",
}  # fmt: skip
GROUP_NOTES = {
    "1": "they do not take this kind of group", "2": "they do not take this version", "3": "GE is missing", "4": "GE02 is not GS06",
    "5": "GE01 is not the number of sets", "6": "GS06 is wrong", "19": "GS06 came twice in the interchange",
}  # fmt: skip
ADVICE_NOTES = {
    "006": "it came before", "007": "data are missing", "009": "a date is wrong", "011": "it does not match", "012": "the combination is wrong",
    "024": "another reason", "848": "data are wrong", "DTE": "a date is wrong", "MID": "an id is missing", "IID": "an id is wrong",
    "POI": "the order number is wrong", "QTY": "the quantity is wrong", "DUP": "the set came before", "ZZZ": "as agreed",
}  # fmt: skip
"""AK304, AK403, AK502, AK905 and TED01 in our words."""


@dataclass(slots=True)
class ErrorTold:
    """One fault that the partner found in what we sent."""

    level: str
    """set, segment, element."""
    code: str
    text: str
    """In our words, with the partner's where it wrote any."""
    segment: str = ""
    position: int | None = None
    element: int | None = None
    component: int | None = None
    repetition: int | None = None
    data_element: int | None = None
    loop: str = ""
    value: str = ""


@dataclass(slots=True)
class SetAnswer:
    """What is said of one of our sets, or, in an 824, of whatever OTI names."""

    set_id: str
    control: str
    verdict: str
    """accepted, accepted with errors, partly accepted, rejected; "" where it could not be read."""
    letter: str = ""
    """As it stood: AK501, OTI01."""
    codes: list[str] = field(default_factory=list)
    errors: list[ErrorTold] = field(default_factory=list)
    level: str = "set"
    """Of an 824: set, item, group, batch."""
    functional: str = ""
    group_control: str = ""
    """Of an 824: OTI08."""
    references: list[tuple[str, str]] = field(default_factory=list)
    """Of an 824: (qualifier, value) of OTI02, OTI03 and REF."""


@dataclass(slots=True)
class Answer:
    """One 997, 999, 824 or TA1."""

    form: str
    functional: str = ""
    """AK101."""
    control: str = ""
    """AK102 as sent, or TA101."""
    version: str = ""
    verdict: str = ""
    """Of the group or interchange; "" where it is missing."""
    letter: str = ""
    codes: list[str] = field(default_factory=list)
    included: int | None = None
    received: int | None = None
    accepted: int | None = None
    sets: list[SetAnswer] = field(default_factory=list)
    date: str = ""
    """TA102."""
    time: str = ""
    """TA103."""
    trouble: list[str] = field(default_factory=list)
    """What of it could not be read, in words."""


def read_acknowledgment(document: Document) -> Answer:
    """The verdicts of a 997, 999 or 824. Never raises for what the document holds; ValueError for another set."""
    if document.set_id not in ANSWERS:
        raise ValueError(f"a {document.set_id} is no acknowledgment; {', '.join(ANSWERS)} are")
    reader = _Advice(document) if document.set_id == "824" else _Functional(document)
    for segment in sorted((node.segment for node in document.root.walk()), key=lambda segment: segment.position):
        reader.take(segment)
    return reader.close()


def read_ta1(fields: Sequence[str]) -> Answer:
    """The verdict of a TA1 given as TA101 to TA105."""
    control, date, time, letter, note = (*fields[:5], *[""] * (5 - len(fields[:5])))
    answer = Answer("TA1", control=control, verdict=WORDS.get(letter, "") if letter in ("A", "E", "R") else "", letter=letter, date=date, time=time)
    answer.codes = [note] if note else []
    if not answer.verdict:
        answer.trouble.append(f"TA104 is {letter or 'missing'}; A, E and R are the verdicts of a TA1")
    return answer


def words_of(level: str, code: str) -> str:
    """A code of a group, set, segment, element, interchange or advice in our words."""
    table = {
        "group": GROUP_NOTES, "set": SET_NOTES, "segment": SEGMENT_NOTES, "element": ELEMENT_NOTES, "interchange": NOTES, "advice": ADVICE_NOTES,
    }[level]  # fmt: skip
    return table.get(code, f"code {code}")


class _Functional:
    """Follows the segments of a 997 or 999 in their order; it asks little of their arrangement, for partners take liberties."""

    def __init__(self, document: Document) -> None:
        self.answer = Answer(document.set_id)
        self.encoding = document.encoding
        self.separator = document.delimiters.component.decode(document.encoding, errors="replace")
        self.set: SetAnswer | None = None
        self.at: ErrorTold | None = None
        """The segment that AK4 speaks of."""

    def take(self, segment: Segment) -> None:
        tag = segment.tag
        value = [one.decode(self.encoding, errors="replace").strip() for one in segment.elements]
        value += [""] * (10 - len(value))
        if tag == "AK1":
            self.answer.functional, self.answer.control, self.answer.version = value[1:4]
        elif tag == "AK2":
            self._end_set()
            self.set, self.at = SetAnswer(value[1], value[2], ""), None
        elif tag in SEGMENT_NOTE and self.set:
            self.at = ErrorTold("segment", value[4], "", value[1][:3], _number(value[2]), loop=value[3][:6])
            if value[4] != "8" and len(self.set.errors) < MOST_ERRORS:
                self.at.text = f"{self.at.segment}: {words_of('segment', value[4])}"
                self.set.errors.append(self.at)
        elif tag in ELEMENT_NOTE and self.set:
            self._element(self.set, value)
        elif tag in SET_VERDICT and self.set:
            self.set.letter, self.set.verdict = value[1], WORDS.get(value[1], "") if value[1] != "P" else ""
            self.set.codes = [code for code in value[2:7] if code]
            if not self.set.verdict:
                self.answer.trouble.append(f"{tag}01 is {value[1] or 'missing'}, no verdict of a set ({self.set.set_id} {self.set.control})")
            self._end_set()
        elif tag == "AK9":
            self._end_set()
            answer = self.answer
            answer.letter, answer.verdict = value[1], WORDS.get(value[1], "")
            answer.included, answer.received, answer.accepted = (_number(one) for one in value[2:5])
            answer.codes = [code for code in value[5:10] if code]
            if not answer.verdict:
                answer.trouble.append(f"AK901 is {value[1] or 'missing'}, no verdict of a group")

    def _element(self, one: SetAnswer, value: list[str]) -> None:
        if len(one.errors) >= MOST_ERRORS:
            return
        place = [_number(part) for part in _split(value[1], self.separator)] + [None, None, None]
        at = self.at or ErrorTold("segment", "", "")
        name = f"{at.segment}{place[0]:02}" if place[0] else at.segment
        text = f"{name}: {words_of('element', value[3])}" + (f" ({value[4][:99]!r})" if value[4] else "")
        one.errors.append(
            ErrorTold(
                "element", value[3], text, at.segment, at.position, place[0], place[1], place[2], _number(value[2]), at.loop, value[4][:99]
            )
        )  # fmt: skip

    def _end_set(self) -> None:
        """A set's answer is whole: its own codes become faults of the set. One without AK5 has no verdict."""
        one, self.set = self.set, None
        if one is None:
            return
        if not one.letter:
            self.answer.trouble.append(f"the verdict (AK5) on {one.set_id} {one.control} is missing")
        one.errors += [ErrorTold("set", code, words_of("set", code)) for code in one.codes if code != "5"]
        if len(self.answer.sets) < MOST_SETS:
            self.answer.sets.append(one)

    def close(self) -> Answer:
        self._end_set()
        if not self.answer.control:
            self.answer.trouble.append("AK1 with the number of our group is missing")
        if not self.answer.letter:
            self.answer.trouble.append("AK9, the verdict on the group, is missing")
        return self.answer


class _Advice:
    """Follows the segments of an 824."""

    def __init__(self, document: Document) -> None:
        self.answer = Answer("824")
        self.encoding = document.encoding
        self.separator = document.delimiters.component.decode(document.encoding, errors="replace")
        self.error: ErrorTold | None = None

    def take(self, segment: Segment) -> None:
        value = [one.decode(self.encoding, errors="replace").strip() for one in segment.elements]
        value += [""] * (18 - len(value))
        if segment.tag == "BGN":
            self.answer.control = value[2]
        elif segment.tag == "OTI" and len(self.answer.sets) < MOST_SETS:
            self._original(value)
        elif not self.answer.sets:
            return
        elif segment.tag == "REF" and len(self.answer.sets[-1].references) < 100:
            self.answer.sets[-1].references.append((value[1], value[2]))
        elif segment.tag == "TED":
            self._error(self.answer.sets[-1], value)
        elif segment.tag in ("NTE", "RED") and self.error is not None and len(self.error.text) < MOST_TEXT:
            said = value[2] if segment.tag == "NTE" else value[1]
            self.error.text = f"{self.error.text} {said}".strip()

    def _original(self, value: list[str]) -> None:
        self.error = None
        letter = value[1]
        verdict, level = OTI_WORDS.get(letter[1:2], ""), LEVELS.get(letter[:1], "")
        if not verdict or not level:
            self.answer.trouble.append(f"OTI01 is {letter or 'missing'}, no verdict of an application")
        one = SetAnswer(value[10], value[9], verdict if level else "", letter, level=level or "set", group_control=value[8])
        if value[3]:
            one.references.append((value[2], value[3]))
        self.answer.sets.append(one)

    def _error(self, one: SetAnswer, value: list[str]) -> None:
        place = [_number(part) for part in _split(value[5], self.separator)] + [None, None, None]
        number = _number(_split(value[6], self.separator)[0])
        said = value[2] or words_of("advice", value[1])
        self.error = ErrorTold(
            "element" if place[0] else "segment" if value[3] else "set", value[1], said, value[3][:3], _number(value[4]), place[0], place[1], place[2],
            number, "", value[7][:99],
        )  # fmt: skip
        if len(one.errors) < MOST_ERRORS:
            one.errors.append(self.error)

    def close(self) -> Answer:
        if not self.answer.sets:
            self.answer.trouble.append("there is no OTI in it, so it speaks of nothing that we sent")
        return self.answer


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as JSON values, what is empty left out of its faults."""
    kept = {name: getattr(answer, name) for name in Answer.__slots__ if name != "sets"}
    return kept | {"sets": [_set_json(one) for one in answer.sets]}


def _set_json(one: SetAnswer) -> dict[str, Any]:
    kept = {name: getattr(one, name) for name in SetAnswer.__slots__ if name != "errors"}
    return kept | {"errors": list(_errors_json(one.errors))}


def _errors_json(errors: Sequence[ErrorTold]) -> Iterator[dict[str, Any]]:
    for error in errors:
        yield {name: value for name in ErrorTold.__slots__ if (value := getattr(error, name)) not in (None, "")}


def _split(value: str, separator: str) -> list[str]:
    return value.split(separator) if separator else [value]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
