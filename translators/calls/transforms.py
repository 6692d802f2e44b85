"""The named transforms of the calls' language: what is made of a value on its way to the ERP. A table.

Knows no path and no ERP.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from translators.calls.errors import CallRefused
from translators.calls.lookups import LookupTable, missing
from translators.mapping.language import LanguageError

MAX_DIGITS = 28


@dataclass(frozen=True, slots=True)
class Around:
    """What a transform may ask besides its value."""

    partner: str
    tables: Mapping[str, LookupTable]


Make = Callable[[Any, Around], Any]
"""(value, what is around) -> value; None: no value. Raises CallRefused."""


@dataclass(frozen=True, slots=True)
class Transform:
    name: str
    arguments: tuple[int, int]
    bind: Callable[[tuple[str, ...], frozenset[str]], Make]
    """(arguments, names of the mapping's lookup tables); raises LanguageError."""
    about: str
    of_nothing: bool = False
    """Whether it is asked where there is no value, too."""


def exact(value: Any) -> Decimal:
    """A number, or a text that is one, as it stands. Raises CallRefused."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal) or len(str(value)) > MAX_DIGITS:
        raise CallRefused(f"{str(value)[:40]!r} is no number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise CallRefused(f"{str(value)[:40]!r} is no number") from None
    if not found.is_finite():
        raise CallRefused(f"{str(value)[:40]!r} is no number")
    return found


def plain(value: Any) -> str:
    """A value as it stands in a text: numbers without exponent or needless zeros."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        text = format(exact(value), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def number(value: Any) -> int | float:
    """As JSON has it; whole where it is whole."""
    found = exact(value)
    return int(found) if found == found.to_integral_value() else float(found)


def _simple(make: Callable[[Any], Any]) -> Callable[[tuple[str, ...], frozenset[str]], Make]:
    return lambda arguments, tables: lambda value, around: make(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _keys(value: Any) -> list[str]:
    return [plain(one) for one in _list(value)]


def _boolean(value: Any) -> bool:
    text = plain(value).lower()
    if text not in ("true", "false", "yes", "no", "1", "0"):
        raise CallRefused(f"{text[:40]!r} is neither yes nor no")
    return text in ("true", "yes", "1")


def _same(value: Any) -> Any:
    different = {plain(one): one for one in _list(value)}
    if len(different) > 1:
        raise CallRefused(f"{' and '.join(sorted(different)[:5])} should be one and the same")
    return next(iter(different.values()), None)


def _distinct(value: Any) -> list[Any]:
    return list({plain(one): one for one in _list(value)}.values())


def _sum(value: Any) -> int | float:
    return number(plain(sum((exact(one) for one in _list(value)), Decimal())))


def _date(value: Any) -> str:
    """The day of a moment's local time, or of a text in ISO form."""
    text = plain(value.get("local") if isinstance(value, dict) else value)[:10]
    if len(text) != 10 or text[4] + text[7] != "--" or not (text[:4] + text[5:7] + text[8:]).isdigit():
        raise CallRefused(f"{text!r} is no date")
    return text


def _table(arguments: tuple[str, ...], tables: frozenset[str]) -> str:
    if arguments[0] not in tables:
        raise LanguageError(
            f"there is no lookup table {arguments[0]!r}; declare it under lookups, where there are {', '.join(sorted(tables)) or 'none'}"
        )
    return arguments[0]


def _lookup(arguments: tuple[str, ...], tables: frozenset[str]) -> Make:
    name = _table(arguments, tables)
    return lambda value, around: around.tables.get(name, missing(name)).entry(around.partner, _keys(value))


def _known(arguments: tuple[str, ...], tables: frozenset[str]) -> Make:
    name = _table(arguments, tables)
    return lambda value, around: around.tables.get(name, missing(name)).find(around.partner, _keys(value))


def _join(arguments: tuple[str, ...], tables: frozenset[str]) -> Make:
    between = {"space": " ", "comma": ", ", "slash": "/"}.get(arguments[0]) if arguments else ", "
    if between is None:
        raise LanguageError(f"join knows space, comma and slash, not {arguments[0]!r}")
    return lambda value, around: between.join(plain(one) for one in _list(value)) or None


def _cut(arguments: tuple[str, ...], tables: frozenset[str]) -> Make:
    if not arguments[0].isdigit() or not 0 < int(arguments[0]) < 10_000:
        raise LanguageError(f"cut wants how many characters are left, as in cut(40), not {arguments[0]!r}")
    return lambda value, around: plain(value)[: int(arguments[0])]


def base64url_json(value: Any) -> str:
    """A JSON value as base64url text: how some APIs take a condition in an address."""
    return base64.urlsafe_b64encode(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()).decode()


TRANSFORMS: dict[str, Transform] = {
    one.name: one
    for one in (
        Transform(
            "lookup",
            (1, 1),
            _lookup,
            "the ERP's word by a lookup table, of a list for the first that has an entry; without one the event is refused, and the table is named",
        ),
        Transform("known", (1, 1), _known, "the same; without an entry there is no value, so that `else` may go on"),
        Transform("optional", (0, 0), _simple(lambda value: value), "that there may be no value: its key or item is then left out", of_nothing=True),
        Transform("number", (0, 0), _simple(number), "a JSON number"),
        Transform("text", (0, 0), _simple(plain), "text"),
        Transform("boolean", (0, 0), _simple(_boolean), "true or false, of yes, no, true, false, 1, 0"),
        Transform("date", (0, 0), _simple(_date), "the day of a moment: 2026-11-16"),
        Transform("upper", (0, 0), _simple(lambda value: plain(value).upper()), "capitals"),
        Transform("lower", (0, 0), _simple(lambda value: plain(value).lower()), "small letters"),
        Transform("cut", (1, 1), _cut, "at most so many characters"),
        Transform("first", (0, 0), _simple(lambda value: next(iter(_list(value)), None)), "the first of a list"),
        Transform("last", (0, 0), _simple(lambda value: next(reversed(_list(value)), None)), "the last of a list"),
        Transform("same", (0, 0), _simple(_same), "the one value that all of a list have; different ones refuse the event"),
        Transform("distinct", (0, 0), _simple(_distinct), "a list without repeats"),
        Transform("count", (0, 0), _simple(lambda value: len(_list(value))), "how many a list holds"),
        Transform("sum", (0, 0), _simple(_sum), "the numbers of a list together, without rounding"),
        Transform("join", (0, 1), _join, "a list as one text: join(space), join(comma), join(slash)"),
    )
}
