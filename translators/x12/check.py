"""The exact checker of one segment: every fault of its elements, with code, place and words.

Runs only for segments whose pattern did not match. Knows nothing of loops, positions or offsets.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from translators.document import Delimiters
from translators.x12.guide import Condition, Dictionary, Element, Rules
from translators.x12.header import is_day
from translators.x12.options import Options

INTEGER = re.compile(r"-?([0-9]+)")
DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:E-?[0-9]+)?")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CODE = re.compile(r"[A-Za-z0-9]+")
SPACED_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]*")
SPACED = frozenset({"116"})
"""ID elements whose codes hold spaces and hyphens. The lists for postal codes (116) are the postal services', and theirs are
`K1A 0B6` and `12345-6789`; everyone in the trade sends and takes them so."""
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9][0-9]{0,2})?")

LONG_TEXTS = frozenset({"93", "127", "352"})
"""Elements that leniency long-text lets grow."""

NO_DATES = ("00000000", "99999999", "000000", "999999")


class Fault(NamedTuple):
    """One element's fault. `element` is 0 if it concerns the segment."""

    code: str
    text: str
    element: int
    component: int | None = None
    repetition: int | None = None
    data_element: str = ""
    value: bytes = b""
    leniency: str = ""
    """The leniency that lets it pass, if it is allowed, or would."""
    sure: bool = True


class Checker:
    """Checks segments of one interchange. `warnings` collects the leniencies used."""

    def __init__(self, dictionary: Dictionary, delimiters: Delimiters, options: Options) -> None:
        self.dictionary, self.delimiters, self.options = dictionary, delimiters, options
        self.warnings: list[str] = []
        self.short_years = False
        """The version is older than 004010, in which dates have six digits by right."""

    def warn(self, name: str) -> None:
        """Notes that a leniency was used."""
        if name not in self.warnings:
            self.warnings.append(name)

    def allows(self, name: str) -> bool:
        """Whether a leniency is on; if so its use is noted."""
        if name not in self.options.allow:
            return False
        self.warn(name)
        return True

    def segment(self, rules: Rules | None, fields: list[bytes]) -> list[Fault]:
        """All faults of a segment given as its elements, fields[0] the id. Without rules only characters are checked."""
        trailing = len(fields) > 1 and not fields[-1]
        if trailing:
            self.warn("trailing-separators")
        if rules is None:
            faults = [fault for number, value in enumerate(fields[1:], start=1) for fault in self._characters(value, number)]
        else:
            faults = [*self._elements(rules, fields), *self._surplus(rules, fields)]
            told = {fault.element for fault in faults}
            faults += [fault for fault in _broken(rules.conditions, rules.elements, fields, rules.tag) if fault.element not in told]
        first: dict[int, Fault] = {}
        for fault in sorted(faults, key=lambda fault: (fault.element, fault.component or 0, not fault.sure)):
            if fault.component is not None or fault.element not in first:
                first.setdefault(fault.element * 1000 + (fault.component or 0) if fault.component else fault.element, fault)
        return [first[key] for key in sorted(first, key=lambda key: (first[key].element, first[key].component or 0))]

    def _elements(self, rules: Rules, fields: list[bytes]) -> Iterator[Fault]:
        for number, element in enumerate(rules.elements, start=1):
            value = fields[number] if number < len(fields) else b""
            if value:
                yield from self._element(element, value, number, rules.tag)
            elif element.required == "M":
                yield Fault("1", f"{rules.tag}{number:02} ({element.title}) is mandatory and missing", number, data_element=element.number)

    def _surplus(self, rules: Rules, fields: list[bytes]) -> Iterator[Fault]:
        """One fault for all elements after the last one defined, if any has data."""
        first = len(rules.elements) + 1
        if any(fields[first:]):
            more = len(fields) - first
            text = f"{rules.tag} ends with its element {first - 1}; {more} more {'stands' if more == 1 else 'stand'} after it"
            yield Fault("3", text, first, value=fields[first], leniency="extra-elements")

    def _element(self, element: Element, value: bytes, number: int, tag: str) -> Iterator[Fault]:
        name = f"{tag}{number:02} ({element.title})"
        repetition = self.delimiters.repetition
        if repetition and repetition in value and element.kind != "B":
            parts = value.split(repetition)
            yield Fault("12", f"{name} is repeated; it may come once", number, None, 2, element.number, value)
            value = parts[0]
        if not element.parts:
            yield from self._simple(element, value, name, number, None)
            return
        parts = value.split(self.delimiters.component) if self.delimiters.component else [value]
        if any(parts[len(element.parts) :]):
            text = f"{name} has {len(parts)} components; {len(element.parts)} are defined"
            yield Fault("13", text, number, len(element.parts) + 1, None, element.number, parts[len(element.parts)])
        for component, part in enumerate(element.parts, start=1):
            piece = parts[component - 1] if component <= len(parts) else b""
            where = f"{name} component {component} ({part.title})"
            if piece:
                yield from self._simple(part, piece, where, number, component)
            elif part.required == "M":
                yield Fault("1", f"{where} is mandatory and missing", number, component, None, part.number)
        for fault in _broken(element.conditions, element.parts, [b"", *parts], name):
            yield fault._replace(element=number, component=fault.element)

    def _simple(self, element: Element, value: bytes, name: str, number: int, component: int | None) -> Iterator[Fault]:
        if element.kind == "B":
            return
        text, unreadable = self._decode(value)
        if unreadable:
            yield Fault("6", f"{name} holds bytes that are no UTF-8", number, component, None, element.number, value, "latin-1-fallback")
            return
        found = KINDS[element.kind[:1] if element.kind[0] == "N" else element.kind](self, element, text)
        if found:
            code, reason, leniency = found
            yield Fault(code, f"{name} {reason}", number, component, None, element.number, value, leniency)

    def _decode(self, value: bytes) -> tuple[str, bool]:
        if value.isascii():
            return value.decode("ascii"), False
        try:
            return value.decode("utf-8"), False
        except UnicodeDecodeError:
            allowed = "latin-1-fallback" in self.options.allow
            if allowed:
                self.warn("not-utf-8")
            return value.decode("latin-1"), not allowed

    def _characters(self, value: bytes, number: int) -> Iterator[Fault]:
        text, unreadable = self._decode(value)
        if unreadable:
            yield Fault("6", f"element {number} holds bytes that are no UTF-8", number, value=value, leniency="latin-1-fallback")
        elif CONTROL.search(text):
            yield Fault("6", f"element {number} holds a control character", number, value=value)
        elif len(value) > self.options.limits.element_bytes:
            yield Fault("5", f"element {number} has {len(value)} bytes; at most {self.options.limits.element_bytes} are read", number)

    # Each kind: (code, words, leniency) of the first fault, None if it is right.

    def _text(self, element: Element, text: str) -> tuple[str, str, str] | None:
        if fault := _length(element, len(text)):
            return (*fault, "long-text" if fault[0] == "5" and element.number in LONG_TEXTS else "")
        return _control_character(text)

    def _code(self, element: Element, text: str) -> tuple[str, str, str] | None:
        if fault := _length(element, len(text)):
            return (*fault, "")
        if unprintable := _control_character(text):
            return unprintable
        if not (SPACED_CODE if element.number in SPACED else CODE).fullmatch(text):
            return "7", f"is {text!r}; a code has letters and digits only", "unknown-code"
        codes = self.dictionary.codes.get(element.number) if element.number in self.options.closed_lists else None
        if codes is None or text in codes:
            return None
        if text.upper() in codes:
            return "7", f"is {text!r}; the code is {text.upper()}", "lower-case"
        return "7", f"is {text!r}, not one of {', '.join(sorted(codes))}", "unknown-code"

    def _date(self, element: Element, text: str) -> tuple[str, str, str] | None:
        if text in NO_DATES:
            return "8", f"is {text}; leave the element out where there is no date", "date-six"
        digits = text.isascii() and text.isdigit()
        if len(text) == 6 and digits and element.minimum > 6:
            year = int(text[:2]) + (1900 if int(text[:2]) >= self.options.century_from else 2000)
            leniency = "date-six" if is_day(year, int(text[2:4]), int(text[4:])) else ""
            if leniency and self.short_years:
                return None
            return "4", f"is {text}; write the year with four digits, {year}{text[2:]}", leniency
        if fault := _length(element, len(text)):
            return (*fault, "")
        if not digits:
            return "8", f"is {text!r}; a date has digits only, CCYYMMDD", ""
        if len(text) == 8 and not is_day(int(text[:4]), int(text[4:6]), int(text[6:])):
            return "8", f"is {text}, a day the calendar does not have", ""
        return None

    def _time(self, element: Element, text: str) -> tuple[str, str, str] | None:
        if fault := _length(element, len(text)):
            return (*fault, "")
        return None if CLOCK.fullmatch(text) else ("9", f"is {text!r}; a time is HHMM, HHMMSS or with decimals, up to 2359", "")

    def _integer(self, element: Element, text: str) -> tuple[str, str, str] | None:
        found = INTEGER.fullmatch(text)
        if not found:
            implied = int(element.kind[1:])
            mend = f"digits only, the last {implied} are decimals" if implied else "digits only, without a decimal point"
            return "6", f"is {text!r}; write {mend}", ""
        fault = _length(element, len(found[1]), "digits")
        return (*fault, "") if fault else None

    def _decimal(self, element: Element, text: str) -> tuple[str, str, str] | None:
        if not DECIMAL.fullmatch(text):
            comma = text.count(",") == 1 and DECIMAL.fullmatch(text.replace(",", "."))
            return "6", f"is {text!r}; write digits with at most one decimal point and no other sign", "comma-decimal" if comma else ""
        fault = _length(element, sum(character.isdigit() for character in text), "digits")
        return (*fault, "") if fault else None


KINDS = {
    "AN": Checker._text,
    "ID": Checker._code,
    "DT": Checker._date,
    "TM": Checker._time,
    "N": Checker._integer,
    "R": Checker._decimal,
}


def _control_character(text: str) -> tuple[str, str, str] | None:
    if not CONTROL.search(text):
        return None
    if CONTROL.search(text.replace("\r", "").replace("\n", "")):
        return "6", "holds a control character", ""
    return "6", "holds a line break", "wrapped-lines"


def _length(element: Element, length: int, unit: str = "characters") -> tuple[str, str] | None:
    if length < element.minimum:
        return "4", f"has {length} {unit}; at least {element.minimum} are due"
    if length > element.maximum:
        return "5", f"has {length} {unit}; at most {element.maximum} fit"
    return None


WORDS = {
    "P": "is missing: {all} come together or not at all",
    "R": "is missing: at least one of {all} must come",
    "E": "is surplus: at most one of {all} may come",
    "C": "is missing: where {first} comes, {rest} must come, too",
    "L": "is missing: where {first} comes, at least one of {rest} must come, too",
}
"""What is told of the element that is reported, by the letter of the condition."""


def _broken(conditions: tuple[Condition, ...], elements: tuple[Element, ...], fields: list[bytes], tag: str) -> Iterator[Fault]:
    """Which elements a segment owes, or has too many of, by its conditions; one that is not sure gives a warning."""
    for condition in conditions:
        has = [element < len(fields) and bool(fields[element]) for element in condition.elements]
        for at in VICTIMS[condition.letter](has):
            number = condition.elements[at]
            code = "10" if condition.letter == "E" else "2"
            names = [f"{tag}{n:02}" for n in condition.elements]
            words = WORDS[condition.letter].format(all=", ".join(names), first=names[0], rest=", ".join(names[1:]))
            text = f"{tag}{number:02} ({elements[number - 1].title}) {words}"
            value = fields[number] if number < len(fields) else b""
            yield Fault(code, f"{text} ({condition})", number, data_element=elements[number - 1].number, value=value, sure=condition.sure)


VICTIMS = {
    "P": lambda has: [at for at, one in enumerate(has) if not one] if any(has) else [],
    "R": lambda has: [] if any(has) else [0],
    "E": lambda has: [at for at, one in enumerate(has) if one][1:2],
    "C": lambda has: [at for at, one in enumerate(has) if not one] if has[0] else [],
    "L": lambda has: [1] if has[0] and not any(has[1:]) else [],
}
"""For each letter: presence of the elements named -> the indexes that are reported."""
