"""The transforms of the mapping language backwards: from an event's value to the texts of elements. One line a transform, beside its reading.

Knows no path and no event family. What cannot be undone says so: a rule with it is read only, unless the mapping gives a `write:`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal as Exact
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

from translators.mapping.tables import CodeTable
from translators.mapping.transforms import ArgumentError, Tables, table_of
from translators.mapping.values import ZoneOffset

Texts = list[str]
"""One text for each element the rule names, from the first; "" leaves an element as it is. Shorter: the rest is another rule's."""


class Unwritable(ValueError):
    """The value has no form in the partner's document; the message says why."""


@dataclass(frozen=True, slots=True)
class Zones:
    """What writing a time needs: the zone rules, and the zone in which the partner reads local times."""

    zone_offset: ZoneOffset
    default_zone: str | None = None


Invert = Callable[[Any, Zones], Texts]
"""(the event's value, zones) -> the texts. Raises Unwritable."""


class Inverse(NamedTuple):
    """How one transform is written."""

    bind: Callable[[Sequence[str], Tables], Invert] | None
    """None: it cannot be undone."""
    kind: str = "plain"
    """plain: gives the texts. word: a word for a code that another rule may have written; written only where none is.
    check: says something of a value that another rule writes. pairs: a list of qualifiers and values, as many as there is room for."""


def _same(arguments: Sequence[str], tables: Tables) -> Invert:
    return lambda value, zones: [str(value)]


@lru_cache(maxsize=256)
def _codes(rows: tuple[tuple[str, str | None], ...]) -> dict[str, str]:
    """word -> the first code that has it."""
    found: dict[str, str] = {}
    for code, word in rows:
        if word is not None:
            found.setdefault(word, code)
    return found


def codes_of(table: CodeTable, column: int = 0) -> Mapping[str, str]:
    """Our words and the code each is written with: the first row that has it."""
    return _codes(tuple((code, row[column]) for code, row in table.rows.items()))


def _code(arguments: Sequence[str], tables: Tables) -> Invert:
    table = table_of(arguments[0], tables)
    column = table.column(arguments[1]) if len(arguments) > 1 else 0
    codes = codes_of(table, column)

    def write(value: Any, zones: Zones) -> Texts:
        if value in codes:
            return [codes[value]]
        raise Unwritable(f"{_no_code(value, codes, table.name)} The partner's own code beside it would do")

    return write


def code_for(word: Any, codes: Mapping[str, str], table: str, what: str) -> str:
    """The code of a word. Raises Unwritable, naming the table."""
    if word in codes:
        return codes[word]
    raise Unwritable(f"{_no_code(word, codes, table)} The partner's own would do, as {what if what == 'code' else f'{what}_code'}")


def _no_code(word: Any, codes: Mapping[str, str], table: str) -> str:
    near = get_close_matches(str(word), codes, 3) or sorted(codes)[:8]
    return f"there is no code for {word!r} in the table {table}; it has words such as {', '.join(near)}."


def _implied(arguments: Sequence[str], tables: Tables) -> Invert:
    places = int(arguments[0])

    def write(value: Any, zones: Zones) -> Texts:
        scaled = Exact(value).scaleb(places)
        if scaled != scaled.to_integral_value():
            raise Unwritable(f"{value} has more than the {places} decimals that there is room for")
        return [format(scaled, "f").split(".")[0]]

    return write


def _quantity(arguments: Sequence[str], tables: Tables) -> Invert:
    units = table_of(arguments[0], tables)
    codes = codes_of(units)

    def write(value: Any, zones: Zones) -> Texts:
        unit = value.get("unit_code") or (code_for(value["unit"], codes, units.name, "unit") if value.get("unit") else "")
        return [value["value"], unit]

    return write


def _weight(arguments: Sequence[str], tables: Tables) -> Invert:
    quantity = _quantity(arguments[:1], tables)
    kinds = table_of(arguments[1], tables)
    codes = codes_of(kinds)

    def write(value: Any, zones: Zones) -> Texts:
        kind = value.get("kind_code") or (code_for(value["kind"], codes, kinds.name, "kind") if value.get("kind") else "")
        return [*quantity(value, zones), kind]

    return write


def local_of(value: Mapping[str, Any], zones: Zones) -> str:
    """The local time to write: as told, or, where only an instant of another clock is sure, on the partner's clock."""
    local, instant, zone = str(value["local"]), value.get("instant"), zones.default_zone
    if value.get("certainty") or value.get("zone_code") or not instant or not zone:
        return local
    try:
        aware = datetime.fromisoformat(str(instant).replace("Z", "+00:00"))
    except ValueError:
        raise Unwritable(f"the instant {instant!r} is not of the form 2026-11-16T14:05:00-06:00") from None
    if aware.tzinfo is None:
        raise Unwritable(f"the instant {instant!r} has no offset, such as -06:00 or Z")
    utc = (aware - (aware.utcoffset() or timedelta())).replace(tzinfo=None)
    there = utc
    for _ in range(2):  # the first guess finds the offset, the second settles it beside a change of the clock
        offset = zones.zone_offset(zone, there)
        if offset is None:
            return local
        there = utc + timedelta(minutes=offset[0])
    return there.isoformat(timespec="seconds" if there.second else "minutes")


def _digits(local: str) -> tuple[str, str]:
    """ "2026-11-16T14:05:30" as "20261116" and "140530"."""
    day, _, clock = local.partition("T")
    date, time = day.replace("-", ""), clock.replace(":", "").replace(".", "")[:8]
    if len(date) != 8 or not date.isdigit() or (time and not (time.isdigit() and len(time) in (4, 6, 7, 8))):
        raise Unwritable(f"{local!r} is not of the form 2026-11-16 or 2026-11-16T14:05")
    return date, time


def _moment(arguments: Sequence[str], tables: Tables) -> Invert:
    def write(value: Any, zones: Zones) -> Texts:
        date, time = _digits(local_of(value, zones))
        return [date, time, value.get("zone_code") or ""]

    return write


_OFFSET = re.compile(r"Z|[+-]\d\d:\d\d")


def _timestamp(arguments: Sequence[str], tables: Tables) -> Invert:
    split = bool(arguments)

    def write(value: Any, zones: Zones) -> Texts:
        day, _, clock = local_of(value, zones).partition("T")
        code = value.get("zone_code") or ""
        offset, code = (code, "") if _OFFSET.fullmatch(code) else ("", code)
        if split:
            return [day, clock + offset, code] if clock else [day + offset, "", code]
        return [f"{day}T{clock}{offset}" if clock else day + offset]

    return write


def _date(arguments: Sequence[str], tables: Tables) -> Invert:
    def write(value: Any, zones: Zones) -> Texts:
        date, time = _digits(local_of(value, zones))
        if time:
            raise Unwritable(f"{value['local']!r} has a time, and there is room for a day only")
        return [date]

    return write


def _pairs(arguments: Sequence[str], tables: Tables) -> Invert:
    kinds = table_of(arguments[0], tables)
    codes = codes_of(kinds)

    def write(value: Any, zones: Zones) -> Texts:
        code = value.get("code") or ("" if value["type"] == "other" else code_for(value["type"], codes, kinds.name, "code"))
        return [code, value["value"]]

    return write


def _pick(arguments: Sequence[str], tables: Tables) -> Invert:
    return lambda value, zones: [arguments[0], str(value)]


def _split(arguments: Sequence[str], tables: Tables) -> Invert:
    separator = arguments[0] if arguments else " "
    return lambda value, zones: [separator.join(value)]


def _sscc(arguments: Sequence[str], tables: Tables) -> Invert:
    prefix = arguments[0] if arguments else ""

    def write(value: Any, zones: Zones) -> Texts:
        return [prefix + value if len(value) == 18 and value.isdigit() else value]

    return write


def _degrees(arguments: Sequence[str], tables: Tables) -> Invert:
    if not arguments or arguments[0] not in ("EW", "NS"):
        raise ArgumentError("is written only with its letters: degrees(EW) for a longitude, degrees(NS) for a latitude")
    plus, minus = arguments[0][:1], arguments[0][1:2]

    def write(value: Any, zones: Zones) -> Texts:
        seconds = int((abs(Exact(value)) * 3600).to_integral_value())
        return [f"{seconds // 3600:03}{seconds // 60 % 60:02}{seconds % 60:02}", minus if str(value).startswith("-") else plus]

    return write


INVERSES: dict[str, Inverse] = {
    "code": Inverse(_code, "word"),
    "decimal": Inverse(_same),
    "implied": Inverse(_implied),
    "quantity": Inverse(_quantity),
    "weight": Inverse(_weight),
    "date": Inverse(_date),
    "moment": Inverse(_moment),
    "timestamp": Inverse(_timestamp),
    "pairs": Inverse(_pairs, "pairs"),
    "pick": Inverse(_pick, "pairs"),
    "split": Inverse(_split),
    "join": Inverse(None),
    "trim": Inverse(_same),
    "upper": Inverse(_same),
    "sscc": Inverse(_sscc),
    "means": Inverse(None, "check"),
    "degrees": Inverse(_degrees),
}
"""Every transform of the language; a test holds the two tables together."""
