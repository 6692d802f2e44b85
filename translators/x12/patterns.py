"""One regular expression per segment: count, length, type, closed codes and conditions of all its elements at once.

It says good or bad; what and where is check.py's, which alone is exact: a pattern may refuse a rare right form, never pass a wrong one.
Absence is an empty branch, `(?:x|)`, not `(?:x)?`: the same, measured a third faster.
Knows nothing of loops.
"""

import re
from collections.abc import Callable, Collection

from translators.document import Delimiters
from translators.x12.check import SPACED
from translators.x12.guide import Condition, Dictionary, Element, Rules

Match = Callable[[bytes], object]
"""The whole segment without its terminator -> None if something may be wrong with it."""

DATE = rb"(?:(?:19|20)[0-9]{2}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])(?:29|30)|(?:0[13578]|1[02])31))"
"""Every day of 1900 to 2099 but the leap day."""
RAW_ELEMENT = 256
"""Characters up to which an element without a definition passes the fast way."""

TIME = rb"(?:(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9][0-9]{0,2})?)"


def segment_pattern(rules: Rules, dictionary: Dictionary, delimiters: Delimiters, closed: Collection[str]) -> Match:
    """The pattern of one segment under given delimiters; `closed` holds the data elements whose codes are checked."""
    builder = _Builder(dictionary, delimiters, closed)
    return re.compile(builder.segment(rules)).fullmatch


def raw_pattern(tag: str, delimiters: Delimiters) -> Match:
    """For a segment whose elements we do not know: only its characters are checked."""
    builder = _Builder(None, delimiters, ())
    separator = re.escape(delimiters.element)
    return re.compile(tag.encode() + b"(?:" + separator + builder.characters() + b"{0,%d}+)*" % RAW_ELEMENT + b"(?<!" + separator + b")").fullmatch


class _Builder:
    def __init__(self, dictionary: Dictionary | None, delimiters: Delimiters, closed: Collection[str]) -> None:
        self.dictionary, self.delimiters, self.closed = dictionary, delimiters, closed

    def segment(self, rules: Rules) -> bytes:
        separator = re.escape(self.delimiters.element)
        named = {element for condition in rules.conditions for element in condition.elements}
        body = b""
        last_mandatory = max((n for n, element in enumerate(rules.elements, start=1) if element.required == "M"), default=0)
        for number in range(len(rules.elements), 0, -1):
            element = rules.elements[number - 1]
            inner = self._element(element)
            if number in named:
                inner = b"(?P<e%d>" % number + inner + b")"
            if element.required != "M":
                inner = b"(?:" + inner + b"|)"
            inner = separator + inner + body
            body = inner if number <= last_mandatory else b"(?:" + inner + b"|)"
        conditions = b"".join(_condition(condition) for condition in rules.conditions)
        # A segment has at least one element (X12.6), also where each of them may be left out.
        first = b"" if last_mandatory else b"(?=" + separator + b")"
        return rules.tag.encode() + first + body + b"(?<!" + separator + b")" + conditions

    def _element(self, element: Element) -> bytes:
        if not element.parts:
            return self._simple(element, self.characters(element.kind == "B"))
        separator = re.escape(self.delimiters.component)
        if not separator:
            return b"(?!)"
        body = b""
        inside = self.characters(False, self.delimiters.component)
        for part in reversed(element.parts):
            inner = separator + b"(?:" + self._simple(part, inside) + b")" + (b"" if part.required == "M" else b"?") + body
            body = inner if part.required == "M" else b"(?:" + inner + b")?"
        # Conditions between components are rare: the exact checker sees to them.
        return body[len(separator) :] + b"(?<!" + separator + b")" if not element.conditions else self._first_part(element, inside)

    def _first_part(self, element: Element, inside: bytes) -> bytes:
        separator = re.escape(self.delimiters.component)
        first, second = (self._simple(part, inside) for part in element.parts[:2])
        return first + separator + second

    def _simple(self, element: Element, characters: bytes) -> bytes:
        low, high = element.minimum, element.maximum
        if element.number in self.closed and self.dictionary and element.number in self.dictionary.codes:
            return b"(?:" + b"|".join(re.escape(code.encode()) for code in sorted(self.dictionary.codes[element.number])) + b")"
        if element.kind == "DT":
            return DATE if (low, high) == (8, 8) else b"(?!)"
        if element.kind == "TM":
            return TIME
        if element.kind == "ID" and element.number in SPACED:
            return b"[A-Za-z0-9][A-Za-z0-9 -]{%d,%d}" % (low - 1, high - 1)
        if element.kind == "ID":
            return b"[A-Za-z0-9]{%d,%d}" % (low, high)
        if element.kind == "R":
            if high == 1:
                return b"-?[0-9]"
            decimals = min(4, high // 2)
            return b"-?(?:[0-9]{%d,%d}+(?!\\.)|[0-9]{%d,%d}\\.[0-9]{1,%d})" % (low, high, low, high - decimals, decimals)
        if element.kind.startswith("N"):
            return b"-?[0-9]{%d,%d}" % (low, high)
        if element.kind == "B":
            return characters + b"*"
        return characters + b"{%d,%d}+" % (low, high)

    def characters(self, binary: bool = False, *excluded: bytes) -> bytes:
        """The class of what an element may hold; bytes over 127 are left to the exact checker, which counts characters."""
        if binary:
            return b"[\\x00-\\xff]"
        delimiters = {self.delimiters.element, self.delimiters.segment, self.delimiters.repetition, *excluded}
        allowed = b"".join(b"\\x%02x" % byte for byte in range(0x20, 0x7F) if bytes((byte,)) not in delimiters)
        return b"[" + allowed + b"]"


def _condition(condition: Condition) -> bytes:
    """A condition as a zero-width test of which groups took part."""
    has = [b"(?(e%d)" % element for element in condition.elements]
    fail, letter = b"(?!)", condition.letter
    if letter == "P":
        return b"".join(has[0] + has[n] + b"|" + fail + b")|" + has[n] + fail + b"|))" for n in range(1, len(has)))
    if letter == "C":
        return has[0] + b"".join(one + b"|" + fail + b")" for one in has[1:]) + b"|)"
    if letter == "E":
        pairs = ((a, b) for n, a in enumerate(has) for b in has[n + 1 :])
        return b"".join(a + b + fail + b"|)|)" for a, b in pairs)
    names = has if letter == "R" else has[1:]
    any_of = b"".join(one + b"|" for one in names) + fail + b")" * len(names)
    return any_of if letter == "R" else has[0] + any_of + b"|)"
