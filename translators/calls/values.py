"""Expressions, texts with {expressions} in them, conditions and whole bodies, compiled to closures over what is known at a step.

Strict: an expression without a value refuses the event and says which, unless it ends in `| optional`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from translators.calls.errors import CallRefused
from translators.calls.paths import ANYTHING, NOTHING, TEXT, JsonSyntax, Shape, follow, known
from translators.calls.transforms import TRANSFORMS, Around, base64url_json, exact, plain
from translators.mapping.language import Call, Chain, Constant, Expression, Language, LanguageError
from translators.mapping.language import Path as WordPath

LANGUAGE = Language(JsonSyntax())
MAX_TEXT = 8_000
"""Characters of one text that is made."""


class Scope:
    """What names stand for at a step: those of the loop around it, too."""

    __slots__ = ("_outer", "around", "values")

    def __init__(self, around: Around, values: dict[str, Any], outer: "Scope | None" = None) -> None:
        self.around, self.values, self._outer = around, values, outer

    def __call__(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope._outer
        return None

    def inner(self, values: dict[str, Any]) -> "Scope":
        return Scope(self.around, values, self)


Read = Callable[[Scope], Any]
"""The value; None: there is none, and that is allowed. Raises CallRefused."""


@dataclass(slots=True)
class Known:
    """What a place in the mapping may name."""

    names: dict[str, Shape]
    tables: frozenset[str]
    used: set[str] = field(default_factory=set)
    """Lookup tables that something asks."""

    def inner(self, **more: Shape) -> "Known":
        return Known(self.names | more, self.tables, self.used)


def expression(text: str, around: Known) -> Read:
    """Raises LanguageError."""
    if not text.strip():
        raise LanguageError("an expression is missing between the braces")
    return _required(text.strip(), *_alternatives(LANGUAGE.expression(text), around))


def _required(text: str, chains: list[Read], is_optional: bool) -> Read:
    def read(scope: Scope) -> Any:
        for chain in chains:
            if (value := chain(scope)) is not None:
                return value
        if is_optional:
            return None
        raise CallRefused(f"there is no value for {text}", words=f"{text} is missing")

    return read


def _alternatives(given: Expression, around: Known) -> tuple[list[Read], bool]:
    last = given.chains[-1].calls
    return [_chain(one, around) for one in given.chains], bool(last) and last[-1].name == "optional"


def _chain(chain: Chain, around: Known) -> Read:
    if len(chain.sources) != 1:
        raise LanguageError("one source is wanted; side by side they are written as a text: '{a} {b}'")
    source = chain.sources[0]
    read: Read
    if isinstance(source, Constant):
        text = source.text
        read = lambda scope: text  # noqa: E731 - a closure of three words
    else:
        read = _path(source, around)
    for call in chain.calls:
        read = _called(read, call, around)
    return read


def _path(path: WordPath, around: Known) -> Read:
    LANGUAGE.check(path)
    known(path, around.names)
    return lambda scope: follow(path, scope)


def _called(read: Read, call: Call, around: Known) -> Read:
    transform = TRANSFORMS.get(call.name)
    if transform is None:
        raise LanguageError(f"there is no transform {call.name!r}; there are {', '.join(sorted(TRANSFORMS))}")
    least, most = transform.arguments
    if not least <= len(call.arguments) <= most:
        raise LanguageError(f"{call.name} takes {least if least == most else f'{least} to {most}'} arguments, not {len(call.arguments)}")
    make = transform.bind(call.arguments, around.tables)
    if call.name in ("lookup", "known"):
        around.used.add(call.arguments[0])
    of_nothing = transform.of_nothing

    def called(scope: Scope) -> Any:
        value = read(scope)
        return None if value is None and not of_nothing else make(value, scope.around)

    return called


def shape(text: str, around: Known) -> Shape:
    """What an expression gives, as far as that is known: a bare path keeps its shape. Raises LanguageError."""
    whole = _WHOLE.fullmatch(text.strip())
    given = LANGUAGE.expression(whole[1]) if whole else None
    if given and len(given.chains) == 1 and not given.chains[0].calls and isinstance(given.chains[0].sources[0], WordPath):
        return known(given.chains[0].sources[0], around.names)
    return ANYTHING if whole else TEXT


# ---- texts

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WHOLE = re.compile(r"\{([^{}]*)\}")


def text(given: str, around: Known, *, escape: Callable[[str], str] = str) -> Read:
    """A text with {expressions} in it, always a text. Raises LanguageError."""
    parts: list[str | Read] = []
    at = 0
    for match in _BRACES.finditer(given):
        parts.append(given[at : match.start()])
        at = match.end()
        if match.group() in ("{{", "}}"):
            parts.append(match.group()[0])
        elif match.group(1) is None:
            raise LanguageError(f"a brace is alone in {given[:60]!r}; an expression stands between two, and {{{{ writes one")
        else:
            parts.append(expression(match.group(1), around))
    parts.append(given[at:])

    def read(scope: Scope) -> str:
        made = "".join(part if isinstance(part, str) else escape(plain(_some(part(scope)))) for part in parts)
        if len(made) > MAX_TEXT:
            raise CallRefused(f"a text of more than {MAX_TEXT:,} characters was made from {given[:60]!r}")
        return made

    return read


def _some(value: Any) -> Any:
    return "" if value is None else value


def value(given: str, around: Known) -> Read:
    """A text with expressions in it; where it is one expression and nothing else, that one's value as it is. Raises LanguageError."""
    whole = _WHOLE.fullmatch(given.strip())
    return expression(whole[1], around) if whole else text(given, around)


# ---- conditions

_COMPARED = re.compile(r"(?P<left>.*?)\s+(?P<operator>!=|<=|>=|=|<|>)\s+(?P<right>.+)", re.DOTALL)
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def condition(given: str, around: Known) -> Callable[[Scope], bool]:
    """`shipment`, `not shipment`, `shipment.state = draft,received`, `quantity <= {move.quantity}`. Raises LanguageError."""
    body = given.strip()
    compared = _COMPARED.fullmatch(body)
    if compared is None:
        negate = body.startswith("not ")
        chains, _ = _alternatives(LANGUAGE.expression(body.removeprefix("not ")), around)
        return lambda scope: any(chain(scope) not in NOTHING for chain in chains) != negate
    left, _ = _alternatives(LANGUAGE.expression(compared["left"]), around)
    operator, right = compared["operator"], compared["right"].strip()
    words = [value(one.strip(), around) for one in (right.split(",") if "{" not in right else [right])]

    def compare(scope: Scope) -> bool:
        found = next((one for chain in left if (one := chain(scope)) is not None), None)
        if operator in ("=", "!="):
            return (found is not None and plain(found) in {plain(word(scope)) for word in words}) != (operator == "!=")
        if found is None:
            raise CallRefused(f"there is no value for {compared['left']}", words=f"{compared['left']} is missing")
        return _ORDERED[operator](exact(found), exact(words[0](scope)))

    return compare


# ---- bodies

GIVE, ENCODED = "give", "base64url"
LOOP = {"each", "as", "when", GIVE}


def whole(given: Any, around: Known, path: tuple[str | int, ...], fault: Callable[[tuple[str | int, ...], str], None]) -> Read:
    """A JSON value of objects, lists and texts. `{each, as, when, give}` makes several or none of one, `{base64url}` a text of a value.

    Each fault is told with its path; a compiled value then is of no use.
    """
    try:
        if isinstance(given, str):
            return value(given, around)
        if isinstance(given, list):
            return _several([whole(one, around, (*path, number), fault) for number, one in enumerate(given)], given)
        if isinstance(given, dict) and GIVE in given:
            return _given(given, around, path, fault)
        if isinstance(given, dict) and given.keys() == {ENCODED}:
            inner = whole(given[ENCODED], around, (*path, ENCODED), fault)
            return lambda scope: base64url_json(inner(scope))
        if isinstance(given, dict):
            fields = {key: whole(one, around, (*path, key), fault) for key, one in given.items()}
            absent = {key for key, one in given.items() if one is None}
            return lambda scope: {key: made for key, read in fields.items() if (made := read(scope)) is not None or key in absent}
    except LanguageError as error:
        fault(path, str(error))
    return lambda scope: None


def _several(items: list[Read], given: list[Any]) -> Read:
    loops = [isinstance(one, dict) and GIVE in one and "each" in one for one in given]
    absent = [one is None for one in given]

    def read(scope: Scope) -> list[Any]:
        made: list[Any] = []
        for item, is_loop, is_null in zip(items, loops, absent, strict=True):
            found = item(scope)
            if is_loop:
                made += found
            elif found is not None or is_null:
                made.append(found)
        return made

    return read


def _given(given: dict[str, Any], around: Known, path: tuple[str | int, ...], fault: Callable[[tuple[str | int, ...], str], None]) -> Read:
    if unknown := set(given) - LOOP:
        raise LanguageError(f"{min(unknown)} is not known beside give; each, as and when are")
    if "each" not in given:
        when = condition(str(given["when"]), around) if given.get("when") else None
        inner = whole(given[GIVE], around, (*path, GIVE), fault)
        return lambda scope: inner(scope) if when is None or when(scope) else None
    name = given.get("as")
    if not isinstance(name, str):
        raise LanguageError("each needs as: the name of one of them")
    items, item = listed(str(given["each"]), around)
    inside = around.inner(**{name: item})
    fits = condition(str(given["when"]), inside) if given.get("when") else None
    inner = whole(given[GIVE], inside, (*path, GIVE), fault)

    def read(scope: Scope) -> list[Any]:
        scopes = [scope.inner({name: one}) for one in items(scope)]
        made = [inner(one) for one in scopes if fits is None or fits(one)]
        return [one for one in made if one is not None]

    return read


def listed(text: str, around: Known) -> tuple[Callable[[Scope], list[Any]], Shape]:
    """A path to a list, and what one of it is; nothing there is an empty list. Raises LanguageError."""
    chains, _ = _alternatives(LANGUAGE.expression(text), around)
    kind = shape(f"{{{text}}}", around)
    if kind.kind not in ("list", "any"):
        raise LanguageError(f"{text} is no list to go through")

    def read(scope: Scope) -> list[Any]:
        found: Any = next((one for chain in chains if (one := chain(scope)) is not None), [])
        return found if isinstance(found, list) else [found]

    return read, kind.item or ANYTHING
