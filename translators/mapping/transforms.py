"""The named transforms of the mapping language: what is made of the text of elements. A table, so that each can get its inverse.

Knows no path and no event family.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal as Exact
from decimal import InvalidOperation
from typing import Any, Literal

from translators.events.parts import Identifier, Moment, Quantity, Weight
from translators.mapping.moments import Unreadable, build_moment, iso_date, iso_parts, iso_time
from translators.mapping.run import Run
from translators.mapping.tables import REGION_ZONES, TIME_ZONES, CodeTable

Tables = Mapping[str, CodeTable]
Reader = Callable[[Run, Any], Any]
"""(run, text) or, for transforms of several elements, (run, list of texts, "" where absent) -> the value; None: no value.
Raises Unreadable. A transform of several that took only some of them says which in `run.used`."""


class ArgumentError(ValueError):
    """A transform is called with arguments it cannot have; the message says which it takes."""


@dataclass(frozen=True, slots=True)
class Transform:
    """One named transform."""

    name: str
    takes: Literal["one", "many"]
    """One text, or the texts of all the sources before it."""
    gives: Any
    """The type of the event's field: str, Moment, Quantity … ; list[…] for a list field."""
    arguments: tuple[int, int]
    """Least and most arguments."""
    read: Callable[[Sequence[str], Tables], Reader]
    """Binds the arguments; raises ArgumentError."""
    about: str
    """One line for the reference."""


_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(E-?\d{1,2})?", re.IGNORECASE)
_MAX_DIGITS = 28
"""X12's longest number has twenty; up to this many, decimal arithmetic rounds nothing."""


def decimal_text(text: str) -> str:
    """A number of type R or N0 as canonical text: "00045" -> "45", "12.50" -> "12.5", ".5" -> "0.5". Raises Unreadable."""
    stripped = text.strip()
    if len(stripped) > _MAX_DIGITS:
        raise Unreadable(f"{text[:40]!r} has more digits than a number may have")
    if stripped.isdigit() and stripped.isascii():
        return stripped.lstrip("0") or "0"
    match = _NUMBER.fullmatch(stripped)
    if match is None or not stripped.isascii():
        raise Unreadable(f"{text!r} is no number; digits with at most one point are")
    try:
        number = Exact(stripped)
    except InvalidOperation:
        raise Unreadable(f"{text!r} is no number") from None
    return _canonical(number, text)


def _canonical(number: Exact, text: str) -> str:
    if number and abs(number.adjusted()) > _MAX_DIGITS:
        raise Unreadable(f"{text!r} is too large or too small to be a quantity")
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def implied_text(text: str, places: int) -> str:
    """A number of type N2 and its like: "1250" with two places -> "12.5"; one with a point stays as it is. Raises Unreadable."""
    stripped = text.strip()
    if not _INTEGER.fullmatch(stripped) or not stripped.isascii() or len(stripped) > _MAX_DIGITS:
        return decimal_text(stripped)
    return _canonical(Exact(stripped).scaleb(-places), text)


def table_of(name: str, tables: Tables) -> CodeTable:
    """The table of that name; ArgumentError if there is none."""
    if name not in tables:
        raise ArgumentError(f"there is no code table {name!r}; there are {', '.join(sorted(tables))}")
    return tables[name]


def _code(arguments: Sequence[str], tables: Tables) -> Reader:
    table = table_of(arguments[0], tables)
    column = 0
    if len(arguments) > 1:
        if arguments[1] not in table.columns:
            raise ArgumentError(f"{table.name} has no column {arguments[1]!r}; it has {', '.join(table.columns)}")
        column = table.column(arguments[1])
    words = {code: row[column] for code, row in table.rows.items()}
    unknown = table.unknown[column]
    name = table.name

    def read(run: Run, text: str) -> str | None:
        if text in words:
            return words[text]
        plain = text.strip().upper()
        if plain in words:
            return words[plain]
        run.used = []  # the word says nothing of the code: it must be carried by another rule, or it is listed
        run.note_unknown(name, text)
        return unknown

    return read


def word(table: CodeTable, run: Run, text: str) -> str | None:
    """The first column's word for a code, the table's word for unknown codes if there is none."""
    row = table.rows.get(text) or table.rows.get(text.strip().upper())
    if row is None:
        run.note_unknown(table.name, text)
        return table.unknown[0]
    return row[0]


def _decimal(arguments: Sequence[str], tables: Tables) -> Reader:
    return lambda run, text: decimal_text(text)


def _implied(arguments: Sequence[str], tables: Tables) -> Reader:
    if not arguments[0].isdigit() or int(arguments[0]) > 9:
        raise ArgumentError("takes the number of implied places, 0 to 9, as in implied(2)")
    places = int(arguments[0])
    return lambda run, text: implied_text(text, places)


def _quantity(arguments: Sequence[str], tables: Tables) -> Reader:
    units = table_of(arguments[0], tables)

    def read(run: Run, texts: list[str]) -> dict[str, str] | None:
        if not texts[0]:
            return None
        quantity = {"value": decimal_text(texts[0])}
        if len(texts) > 1 and texts[1]:
            quantity["unit_code"] = texts[1]
            if unit := word(units, run, texts[1]):
                quantity["unit"] = unit
        return quantity

    return read


def _weight(arguments: Sequence[str], tables: Tables) -> Reader:
    quantity = _quantity(arguments[:1], tables)
    kinds = table_of(arguments[1], tables)

    def read(run: Run, texts: list[str]) -> dict[str, str] | None:
        weight: dict[str, str] | None = quantity(run, texts[:2])
        if weight is not None and len(texts) > 2 and texts[2]:
            weight["kind_code"] = texts[2]
            if kind := word(kinds, run, texts[2]):
                weight["kind"] = kind
        return weight

    return read


def _moment(arguments: Sequence[str], tables: Tables) -> Reader:
    zones, regions = table_of(TIME_ZONES, tables), table_of(REGION_ZONES, tables)

    def read(run: Run, texts: list[str]) -> dict[str, Any] | None:
        date, time, code, region, country = (*texts, "", "", "", "")[:5]
        if not date:
            return None
        day, clock = iso_date(date), ""
        if time:
            try:
                clock = iso_time(time)
            except Unreadable as fault:
                run.used = [0]
                run.note_partly(1, str(fault))
        place = None
        if region and country.upper() in ("", "US", "USA", "CA", "CAN"):
            row = regions.rows.get(region.upper())
            place = row[0] if row else None
        moment = build_moment(run, day, clock, code=code if clock else "", place_zone=place, zones=zones)
        if run.used is None:
            run.used = [0, 1, 2] if clock else [0]  # the place is another field's
            if run.tracing and moment.get("certainty") == "place":
                run.used += [3, 4]
        return moment

    return read


def _timestamp(arguments: Sequence[str], tables: Tables) -> Reader:
    zones, regions = table_of(TIME_ZONES, tables), table_of(REGION_ZONES, tables)
    if arguments not in ([], ["split"], (), ("split",)):
        raise ArgumentError("takes nothing, or `split` where date and time stand apart")

    def read(run: Run, texts: list[str]) -> dict[str, Any] | None:
        first, second, code, region, country = (*texts, "", "", "", "")[:5]
        if not first:
            return None
        date, time, offset = iso_parts(first)
        if not date:
            raise Unreadable(f"{first!r} has no day; 2026-11-16 and 2026-11-16T14:05 have")
        if second and not time:
            try:
                _, time, later = iso_parts(second)
                offset = later or offset
            except Unreadable as fault:
                run.used = [0]
                run.note_partly(1, str(fault))
        place = None
        if not offset and region and country.upper() in ("", "US", "USA", "CA", "CAN"):
            row = regions.rows.get(region.upper())
            place = row[0] if row else None
        moment = build_moment(run, date, time, code=offset or code, place_zone=place, zones=zones, offset_told=bool(offset))
        if run.used is None:
            run.used = [0, 1] if offset else [0, 1, 2]
            if run.tracing and moment.get("certainty") == "place":
                run.used += [3, 4]
        return moment

    return read


def _date(arguments: Sequence[str], tables: Tables) -> Reader:
    return lambda run, text: {"local": iso_date(text)}


def _pairs(arguments: Sequence[str], tables: Tables) -> Reader:
    kinds = table_of(arguments[0], tables)

    def read(run: Run, texts: list[str]) -> list[dict[str, str]] | None:
        found: list[dict[str, str]] = []
        used: list[int] = []
        for index in range(0, len(texts) - 1, 2):
            code, value = texts[index], texts[index + 1]
            if code and value:
                found.append({"type": word(kinds, run, code) or "other", "value": value, "code": code})
                used += (index, index + 1)
            elif value:  # a number that does not say whose it is: better than none
                found.append({"type": "other", "value": value})
                used.append(index + 1)
        run.used = used
        return found or None

    return read


def _pick(arguments: Sequence[str], tables: Tables) -> Reader:
    wanted = frozenset(arguments)

    def read(run: Run, texts: list[str]) -> list[str] | None:
        used = [index for index in range(0, len(texts) - 1, 2) if texts[index] in wanted and texts[index + 1]]
        run.used = [place for index in used for place in (index, index + 1)]
        return [texts[index + 1] for index in used] or None

    return read


def _join(arguments: Sequence[str], tables: Tables) -> Reader:
    separator = arguments[0] if arguments else " "
    return lambda run, texts: separator.join(text for text in texts if text) or None


def _split(arguments: Sequence[str], tables: Tables) -> Reader:
    separator = arguments[0] if arguments else None  # None: any run of spaces
    return lambda run, text: [part.strip() for part in text.split(separator) if part.strip()] or None


def _trim(arguments: Sequence[str], tables: Tables) -> Reader:
    return lambda run, text: text.strip() or None


def _upper(arguments: Sequence[str], tables: Tables) -> Reader:
    return lambda run, text: text.upper()


def _means(arguments: Sequence[str], tables: Tables) -> Reader:
    def read(run: Run, text: str) -> str:
        run.used = []  # that there is a value says it, whatever the value is: another rule carries the value itself
        return arguments[0]

    return read


def _degrees(arguments: Sequence[str], tables: Tables) -> Reader:
    def read(run: Run, texts: list[str]) -> str | None:
        if not texts[0]:
            return None
        digits = texts[0].strip()
        if len(digits) != 7 or not digits.isascii() or not digits.isdigit() or digits[3:5] > "59" or digits[5:] > "59" or int(digits[:3]) > 180:
            raise Unreadable(f"{texts[0]!r} is no position; DDDMMSS is")
        letter = texts[1].strip().upper() if len(texts) > 1 else ""
        if letter not in ("N", "S", "E", "W"):
            raise Unreadable(f"{texts[0]!r} is no position without N, S, E or W beside it")
        degrees = int(digits[:3]) + Exact(int(digits[3:5]) * 60 + int(digits[5:])) / 3600
        sign = "-" if letter in ("S", "W") else ""
        text = _canonical(degrees.quantize(Exact("0.000001")), texts[0])
        return text if text == "0" else sign + text

    return read


def check_digit(digits: str) -> str:
    """The GS1 check digit (modulo 10, weights 3 and 1 from the right) of the digits before it."""
    codes = digits.encode("ascii")
    total = 3 * sum(codes[-1::-2]) + sum(codes[-2::-2])
    zeros = ord("0") * (3 * ((len(codes) + 1) // 2) + len(codes) // 2)
    return str((zeros - total) % 10)


def _sscc(arguments: Sequence[str], tables: Tables) -> Reader:
    def read(run: Run, text: str) -> str:
        digits = text.replace(" ", "").removeprefix("(00)")
        if len(digits) == 20 and digits.startswith("00"):
            digits = digits[2:]
        sound = len(digits) == 18 and digits.isascii() and digits.isdigit()
        if not sound or check_digit(digits[:-1]) != digits[-1]:
            run.note_sscc(text)
        return digits if sound else text

    return read


_TABLE: tuple[Transform, ...] = (
    Transform("code", "one", str, (1, 2), _code, "code(table) or code(table, column): our word for the partner's code"),
    Transform("decimal", "one", str, (0, 0), _decimal, "an exact number, canonical"),
    Transform("implied", "one", str, (1, 1), _implied, "implied(2): a number whose last digits are decimals (types N1 to N9)"),
    Transform("quantity", "many", Quantity, (1, 1), _quantity, "quantity(units) of value, unit"),
    Transform("weight", "many", Weight, (2, 2), _weight, "weight(units, kinds) of value, unit, kind"),
    Transform("date", "one", Moment, (0, 0), _date, "a day"),
    Transform("moment", "many", Moment, (0, 0), _moment, "date, time, zone code, state, country: one instant and how sure we are of it"),
    Transform(
        "timestamp", "many", Moment, (0, 1), _timestamp, "an ISO 8601 date or date-time; timestamp(split): date, time, zone code, state, country"
    ),
    Transform("pairs", "many", list[Identifier], (1, 1), _pairs, "pairs(table) of qualifier, value, qualifier, value …"),
    Transform("pick", "many", list[str], (1, 9), _pick, "pick(LT): the values of pairs with these qualifiers"),
    Transform("split", "one", list[str], (0, 1), _split, "split(;): the parts of a text, by a separator or by spaces"),
    Transform("join", "many", str, (0, 1), _join, "join(-): several elements as one text, with a separator or a space between"),
    Transform("trim", "one", str, (0, 0), _trim, "without spaces at both ends (those at the end never count)"),
    Transform("upper", "one", str, (0, 0), _upper, "in capitals"),
    Transform(
        "sscc", "one", str, (0, 1), _sscc, "an SSCC as 18 digits; a wrong one stays as it is and is noted; sscc(00): written with 00 before it"
    ),
    Transform("means", "one", str, (1, 1), _means, "means(1650): this text, if there is a value at all"),
    Transform("degrees", "many", str, (0, 1), _degrees, "degrees(EW) or degrees(NS): DDDMMSS and a compass letter as signed degrees"),
)
TRANSFORMS: dict[str, Transform] = {transform.name: transform for transform in _TABLE}
