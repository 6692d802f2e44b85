"""The words of the mapping language: reads `LX > AT7/01 | code(shipment_status) else =other` into values.

Knows neither documents nor events; a fault in the text is a LanguageError that the compiler places in its file.

    expression  = chain { "else" chain }                      the first chain that gives a value
    chain       = source { source } { "|" transform }         sources side by side, then what is made of them
    source      = "=text" | "='two words'" | path | elements  elements alone are those of the segment we stand at
    path        = [ "nearest" | "outward" ] step { ">" step } [ "/" elements | "@number" ]
    step        = TAG [ "[" condition { ";" condition } "]" ]
    condition   = "01=BM,MB" | "01!=SN" | "02"                equals one of, equals none of, has a value
                | "O" | "T,P"                                 HL only: its level
    elements    = "02" | "02,04" | "02..05" | "02.." | "04-1" one, several, a run, to the end, one component
    test        = [ "not" ] chain [ "=" words | "!=" words ]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

MAX_EXPRESSION = 2_000  # characters; longer ones are mistakes
LAST_ELEMENT = 99


class LanguageError(ValueError):
    """The text is no expression; the message says what is wrong and what would mend it."""


class Condition(NamedTuple):
    """What a segment must have to be meant."""

    element: int
    values: tuple[bytes, ...]
    """Empty: the element must only have a value. The first is what is written."""
    negate: bool = False


class Step(NamedTuple):
    """One segment on the way."""

    tag: str
    levels: tuple[str, ...]
    """HL03 levels; empty for any."""
    conditions: tuple[Condition, ...]


class Element(NamedTuple):
    """An element, a component of it, or a run of elements up to `last`."""

    number: int
    component: int | None = None
    last: int | None = None


Reach = Literal["", "nearest", "outward"]


@dataclass(frozen=True, slots=True)
class Path:
    """Where to look. Without steps: the segment we stand at."""

    text: str
    reach: Reach
    steps: tuple[Step, ...]
    elements: tuple[Element, ...]
    number: bool
    """@number: the segment's ordinal among all of its tag in the set."""


class Constant(NamedTuple):
    """A text that stands in the mapping itself."""

    text: str


class Call(NamedTuple):
    """A transform with its arguments."""

    name: str
    arguments: tuple[str, ...]


class Chain(NamedTuple):
    """Sources and what is made of them."""

    sources: tuple[Path | Constant, ...]
    calls: tuple[Call, ...]


class Expression(NamedTuple):
    """Alternatives; the first that gives a value."""

    chains: tuple[Chain, ...]


class Test(NamedTuple):
    """A condition of a block."""

    chain: Chain
    values: frozenset[str] | None
    """None: the chain must give a value at all."""
    negate: bool


_ELEMENT = r"\d\d(?:-\d{1,2}|\.\.(?:\d\d)?)?"
_ELEMENTS = rf"{_ELEMENT}(?:,{_ELEMENT})*"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<literal>=(?:'[^']*'|[^\s|='][^\s|]*))
    | (?P<step>[A-Z][A-Z0-9]{{1,2}})(?P<bracket>\[[^\]]*\])?(?P<tail>/{_ELEMENTS}|@number)?(?![\w\[/@])
    | (?P<elements>{_ELEMENTS})(?![\w/-])
    | (?P<call>[a-z][a-z0-9_]*)(?:\((?P<arguments>[^()]*)\))?(?![\w(])
    | (?P<mark>!=|=|[|>])
    )""",
    re.VERBOSE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    match: re.Match[str]


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_EXPRESSION:
        raise LanguageError(f"longer than {MAX_EXPRESSION} characters; split it into several fields")
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise LanguageError(f"cannot read {text[at:].strip()[:30]!r}; write a path (N1[01=ST]/02), a constant (=text) or a transform (| date)")
        kind = next(name for name in ("literal", "step", "elements", "call", "mark") if match.group(name) is not None)
        found.append(_Token(kind, match.group().strip(), match))
        at = match.end()
    return found


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


def _step(token: _Token) -> Step:
    tag, inner = token.match.group("step"), (token.match.group("bracket") or "[]")[1:-1].strip()
    levels: tuple[str, ...] = ()
    conditions = []
    for part in filter(None, (piece.strip() for piece in inner.split(";"))):
        match = _CONDITION.fullmatch(part)
        if match:
            values = tuple(value.strip().encode() for value in (match.group("values") or "").split(",") if value.strip())
            conditions.append(Condition(int(match.group("element")), values, match.group("operator") == "!="))
        elif tag == "HL" and re.fullmatch(r"[A-Z0-9]{1,2}(\s*,\s*[A-Z0-9]{1,2})*", part):
            levels = tuple(level.strip() for level in part.split(","))
        else:
            raise LanguageError(f"[{part}] is no condition; write [01=BM], [01=BM,MB], [01!=SN], [02] or, for HL, a level as in HL[O]")
    return Step(tag, levels, tuple(conditions))


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *texts: str) -> bool:
        token = self.peek()
        if token and token.text in texts:
            self.at += 1
            return True
        return False

    def path(self) -> Path:
        start = self.at
        reach: Reach = "nearest" if self.take("nearest") else "outward" if self.take("outward") else ""
        steps: list[Step] = []
        tail = ""
        while True:
            token = self.peek()
            if token is None or token.kind != "step":
                raise LanguageError("a segment is missing" + (f" after {self.tokens[self.at - 1].text!r}" if self.at else "") + ", such as N1[01=ST]")
            if tail:
                raise LanguageError(f"{tail} ends a path; put it behind its last segment")
            self.at += 1
            steps.append(_step(token))
            tail = token.match.group("tail") or ""
            if not self.take(">"):
                break
        text = " ".join(token.text for token in self.tokens[start : self.at])
        elements = _elements(tail[1:]) if tail.startswith("/") else ()
        return Path(text, reach, tuple(steps), elements, tail == "@number")

    def source(self) -> Path | Constant:
        token = self.peek()
        if token and token.kind == "literal":
            self.at += 1
            return Constant(token.text[1:].strip("'"))
        if token and token.kind == "elements":
            self.at += 1
            return Path(token.text, "", (), _elements(token.text), False)
        return self.path()

    def chain(self) -> Chain:
        sources = [self.source()]
        while (token := self.peek()) and (token.kind in ("literal", "step", "elements") or token.text in ("nearest", "outward")):
            sources.append(self.source())
        calls = []
        while self.take("|"):
            token = self.peek()
            if token is None or token.kind != "call" or token.text in ("else", "not", "nearest", "outward"):
                raise LanguageError("a transform is missing after '|', such as date or code(party_role)")
            self.at += 1
            arguments = tuple(part.strip() for part in (token.match.group("arguments") or "").split(",") if part.strip())
            calls.append(Call(token.match.group("call"), arguments))
        return Chain(tuple(sources), tuple(calls))

    def expression(self) -> Expression:
        chains = [self.chain()]
        while self.take("else"):
            chains.append(self.chain())
        self.end()
        return Expression(tuple(chains))

    def end(self) -> None:
        if token := self.peek():
            raise LanguageError(f"{token.text!r} is not expected here; alternatives are joined by 'else', transforms by '|'")


def expression(text: str) -> Expression:
    """The expression in `text`. Raises LanguageError."""
    return _Parser(text).expression()


def path(text: str) -> Path:
    """A path to segments, without elements. Raises LanguageError."""
    parser = _Parser(text)
    found = parser.path()
    parser.end()
    if found.elements or found.number:
        raise LanguageError(f"{text!r} names an element; only a segment is wanted here")
    return found


def paths(text: str) -> tuple[Path, ...]:
    """Alternatives of paths to segments, joined by 'else'. Raises LanguageError."""
    return tuple(path(part) for part in re.split(r"\s+else\s+", text))


_TEST = re.compile(r"(?P<chain>.*?)\s+(?P<operator>!?=)\s+(?P<values>.+)")


def test(text: str) -> Test:
    """A condition such as `AT7/03 = AB,XA`, `not L11` or `01 | code(x, classifier) = actual`. Raises LanguageError."""
    body, negate = text.strip(), False
    if body.startswith("not "):
        body, negate = body[4:], True
    values = None
    if match := _TEST.fullmatch(body):
        body = match.group("chain")
        values = frozenset(part.strip() for part in match.group("values").split(","))
        negate ^= match.group("operator") == "!="
    parser = _Parser(body)
    chain = parser.chain()
    parser.end()
    return Test(chain, values, negate)


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


class Drop(NamedTuple):
    """Elements that a mapping leaves behind on purpose."""

    step: Step
    elements: tuple[Element, ...]
    """Empty: the whole segment."""


def drop(text: str) -> Drop:
    """`SE`, `HL/04` or `REF[01=ZZ]/02,03`. Raises LanguageError."""
    found = _Parser(text)
    parsed = found.path()
    found.end()
    if parsed.reach or len(parsed.steps) != 1 or parsed.number:
        raise LanguageError("one segment is wanted, with elements if not all of it is meant: SE, HL/04, REF[01=ZZ]/02")
    return Drop(parsed.steps[0], parsed.elements)
