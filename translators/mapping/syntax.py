"""How each format writes its paths in the mapping language: its tokens, and what they say in the language's own values.

Knows no document: a name becomes a tag and an element's number, so that finding, reading and noting what was taken are the same for all formats.
"""

import re
from collections.abc import Mapping

from translators.mapping.language import COMMON, LAST_ELEMENT, Condition, Element, Language, LanguageError, Path, Step, Steps

_ELEMENT = r"\d\d(?:-\d{1,2}|\.\.(?:\d\d)?)?"
_ELEMENTS = rf"{_ELEMENT}(?:,{_ELEMENT})*"
_TOKENS = re.compile(
    COMMON
    % rf"""(?P<step>[A-Z][A-Z0-9]{{1,2}})(?P<bracket>\[[^\]]*\])?(?P<tail>/{_ELEMENTS}|@number)?(?![\w\[/@])
    | (?P<elements>{_ELEMENTS})(?![\w/-])
""",
    re.VERBOSE,
)


def _elements(text: str) -> tuple[Element, ...]:
    found = []
    for part in text.split(","):
        if ".." in part:
            first, _, last = part.partition("..")
            found.append(Element(int(first), last=int(last) if last else LAST_ELEMENT))
        else:
            number, _, component = part.partition("-")
            found.append(Element(int(number), component=int(component) if component else None))
        if not found[-1].number or found[-1].component == 0:
            raise LanguageError(f"element {part} does not exist; elements and components count from 1")
    return tuple(found)


_CONDITION = re.compile(r"(?P<element>\d\d)(?:(?P<operator>!?=)(?P<values>[^=!]+))?")


def _step(match: re.Match[str]) -> Step:
    tag, inner = match.group("step"), (match.group("bracket") or "[]")[1:-1].strip()
    levels: tuple[str, ...] = ()
    conditions = []
    for part in filter(None, (piece.strip() for piece in inner.split(";"))):
        found = _CONDITION.fullmatch(part)
        if found:
            values = tuple(value.strip().encode() for value in (found.group("values") or "").split(",") if value.strip())
            conditions.append(Condition(int(found.group("element")), values, found.group("operator") == "!="))
        elif tag == "HL" and re.fullmatch(r"[A-Z0-9]{1,2}(\s*,\s*[A-Z0-9]{1,2})*", part):
            levels = tuple(level.strip() for level in part.split(","))
        else:
            raise LanguageError(f"[{part}] is no condition; write [01=BM], [01=BM,MB], [01!=SN], [02] or, for HL, a level as in HL[O]")
    return Step(tag, levels, tuple(conditions))


class X12Syntax:
    """`N1[01=ST] > N4/02`: segments, the conditions they meet, elements by number."""

    tokens = _TOKENS
    value: tuple[Element, ...] = ()

    def __init__(self, sizes: Mapping[str, int] | None = None) -> None:
        """`sizes`: the segments there are and how many elements each has; None: paths are not checked."""
        self.sizes = sizes or {}

    def steps(self, match: re.Match[str]) -> Steps:
        tail = match.group("tail") or ""
        return Steps((_step(match),), _elements(tail[1:]) if tail.startswith("/") else (), tail == "@number", tail)

    def elements(self, text: str) -> tuple[Element, ...]:
        return _elements(text)

    def last(self, tag: str) -> int:
        return self.sizes.get(tag, 0)

    def check(self, path: Path) -> None:
        check_path(path, self.sizes)


def check_path(path: Path, sizes: Mapping[str, int]) -> None:
    """Raises LanguageError if the path names a segment or element that `sizes` (segment -> elements) does not have; {}: anything may be."""
    if not sizes:
        return
    for step in path.steps:
        if step.tag not in sizes:
            raise LanguageError(f"there is no segment {step.tag} in this format's dictionary")
    wanted = [(step.tag, condition.element) for step in path.steps for condition in step.conditions]
    if path.steps:
        tag = path.steps[-1].tag
        wanted += [(tag, element.last if element.last and element.last != LAST_ELEMENT else element.number) for element in path.elements]
    for tag, number in wanted:
        if number > sizes[tag]:
            raise LanguageError(f"{tag} has {sizes[tag]} elements; there is no {tag}/{number:02}")


X12 = Language(X12Syntax())
"""X12 paths, unchecked."""
