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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, Self, TypeVar

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
    way: tuple[str, ...] = ()
    """The tags that lead to a child whose element is meant (XML); (): the segment's own."""


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
    tries: bool = False
    """True where a later step may fail below the first segment of its kind and hold below the second (XML); X12 looks into the first alone."""


class Below(Protocol):
    """A segment with others below it, of a document that is read or of one that is being written."""

    @property
    def tag(self) -> str: ...

    @property
    def children(self) -> Sequence[Self]: ...


Found = TypeVar("Found", bound=Below)


def led_to(node: Found, way: tuple[str, ...]) -> list[Found]:
    """The nodes that a way of tags leads to (Condition.way)."""
    found = [node]
    for tag in way:
        found = [child for one in found for child in one.children if child.tag == tag]
    return found


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


COMMON = r"""\s*(?:
      (?P<literal>=(?:'[^']*'|[^\s|='][^\s|]*))
    | %s
    | (?P<call>[a-z][a-z0-9_]*)(?:\((?P<arguments>[^()]*)\))?(?![\w(])
    | (?P<mark>!=|=|[|>])
    )"""
"""What all formats share; each puts its own tokens in the middle: `step` for a path, `elements` for what stands at hand."""


class Steps(NamedTuple):
    """What one token of a path says."""

    steps: tuple[Step, ...]
    elements: tuple[Element, ...] = ()
    number: bool = False
    tail: str = ""
    """What ends a path, as it was written; "" where more may follow."""


class Syntax(Protocol):
    """How one format writes its paths (syntax.py)."""

    tokens: re.Pattern[str]
    """COMMON with the format's own tokens."""

    @property
    def value(self) -> "tuple[Element, ...]":
        """The element that a path without one means where a value is wanted; (): it must be named."""

    def steps(self, match: "re.Match[str]") -> Steps:
        """What a `step` token says. Raises LanguageError."""

    def elements(self, text: str) -> tuple[Element, ...]:
        """What an `elements` token says. Raises LanguageError."""

    def check(self, path: Path) -> None:
        """Raises LanguageError if the path leads nowhere in this format."""

    def last(self, tag: str) -> int:
        """The number of a segment's last element, so that writing knows where an open end (/02..) ends; 0 if it is not known."""


_KINDS = ("literal", "step", "elements", "call", "mark")
_CALL = re.compile(r"\s*(?P<call>[a-z][a-z0-9_]*)(?:\((?P<arguments>[^()]*)\))?(?![\w(])")
_WORD = re.compile(r"\s*(?P<call>else|nearest|outward|not)(?![\w/@\[:.-])")
"""The language's own words, which no format's names may hide."""


class _Token(NamedTuple):
    kind: str
    text: str
    match: re.Match[str]


def _tokens(text: str, pattern: "re.Pattern[str]") -> list[_Token]:
    if len(text) > MAX_EXPRESSION:
        raise LanguageError(f"longer than {MAX_EXPRESSION} characters; split it into several fields")
    found: list[_Token] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        behind_bar = bool(found) and found[-1].text == "|"
        match = (behind_bar and _CALL.match(text, at)) or _WORD.match(text, at) or pattern.match(text, at)
        if not match:
            raise LanguageError(f"cannot read {text[at:].strip()[:30]!r}; write a path (N1[01=ST]/02), a constant (=text) or a transform (| date)")
        kind = next(name for name in _KINDS if name in match.re.groupindex and match.group(name) is not None)
        found.append(_Token(kind, match.group().strip(), match))
        at = match.end()
    return found


class _Parser:
    def __init__(self, text: str, syntax: Syntax) -> None:
        self.tokens = _tokens(text, syntax.tokens)
        self.syntax = syntax
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
        found = Steps(())
        while True:
            token = self.peek()
            if token is None or token.kind != "step":
                raise LanguageError("a segment is missing" + (f" after {self.tokens[self.at - 1].text!r}" if self.at else "") + ", such as N1[01=ST]")
            if found.tail:
                raise LanguageError(f"{found.tail} ends a path; put it behind its last segment")
            self.at += 1
            found = self.syntax.steps(token.match)
            steps += found.steps
            if not self.take(">"):
                break
        text = " ".join(token.text for token in self.tokens[start : self.at])
        return Path(text, reach, tuple(steps), found.elements, found.number, bool(self.syntax.value))

    def source(self) -> Path | Constant:
        token = self.peek()
        if token and token.kind == "literal":
            self.at += 1
            return Constant(token.text[1:].strip("'"))
        if token and token.kind == "elements":
            self.at += 1
            return Path(token.text, "", (), self.syntax.elements(token.text), False)
        path = self.path()
        return path if path.elements or path.number else replace(path, elements=self.syntax.value)

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


class Drop(NamedTuple):
    """Elements that a mapping leaves behind on purpose."""

    step: Step
    elements: tuple[Element, ...]
    """Empty: the whole segment."""
    above: tuple[Step, ...] = ()
    """What must lie right above it, outermost first."""


_TEST = re.compile(r"(?P<chain>.*?)\s+(?P<operator>!?=)\s+(?P<values>.+)")


class Language:
    """The words of the mapping language over one format's paths."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def expression(self, text: str) -> Expression:
        """The expression in `text`. Raises LanguageError."""
        return _Parser(text, self.syntax).expression()

    def path(self, text: str) -> Path:
        """A path to segments, without elements. Raises LanguageError."""
        parser = _Parser(text, self.syntax)
        found = parser.path()
        parser.end()
        if found.elements or found.number:
            raise LanguageError(f"{text!r} names an element; only a segment is wanted here")
        return found

    def paths(self, text: str) -> tuple[Path, ...]:
        """Alternatives of paths to segments, joined by 'else'. Raises LanguageError."""
        return tuple(self.path(part) for part in re.split(r"\s+else\s+", text))

    def test(self, text: str) -> Test:
        """A condition such as `AT7/03 = AB,XA`, `not L11` or `01 | code(x, classifier) = actual`. Raises LanguageError."""
        body, negate = text.strip(), False
        if body.startswith("not "):
            body, negate = body[4:], True
        values = None
        if match := _TEST.fullmatch(body):
            body = match.group("chain")
            values = frozenset(part.strip() for part in match.group("values").split(","))
            negate ^= match.group("operator") == "!="
        parser = _Parser(body, self.syntax)
        chain = parser.chain()
        parser.end()
        if values is None and not chain.calls and len(chain.sources) == 1:
            source = chain.sources[0]
            if isinstance(source, Path) and source.steps and source.elements == self.syntax.value:
                chain = chain._replace(sources=(replace(source, elements=()),))  # whether it is there at all
        return Test(chain, values, negate)

    def drop(self, text: str) -> Drop:
        """`SE`, `HL/04` or `REF[01=ZZ]/02,03`. Raises LanguageError."""
        found = _Parser(text, self.syntax)
        parsed = found.path()
        found.end()
        if parsed.reach or parsed.number or (len(parsed.steps) > 1 and not self.syntax.value):
            raise LanguageError("one segment is wanted, with elements if not all of it is meant: SE, HL/04, REF[01=ZZ]/02")
        return Drop(parsed.steps[-1], parsed.elements, parsed.steps[:-1])

    def check(self, path: Path) -> None:
        """Raises LanguageError if the path leads nowhere in this format."""
        self.syntax.check(path)
