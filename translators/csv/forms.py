"""Numbers, dates and times as people write them in spreadsheets, to and from plain ones.

Knows no row and no column. A form is declared (`DD.MM.YYYY hh:mm`); nothing is guessed, because 03/04/2026 is two days.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
CENTURY_TURN = 50
"""Two-digit years below are 20xx, from here on 19xx, as everywhere here."""
ISO = "ISO"
_TOKEN = re.compile(r"YYYY|YY|MMM|MM|M|DD|D|hh|h|mm|ss|\.f|A|Z|.", re.DOTALL)
_PATTERNS = {
    "YYYY": r"(?P<year>\d{4})", "YY": r"(?P<year>\d\d)", "MMM": r"(?P<name>[A-Za-z]{3})", "MM": r"(?P<month>\d\d)", "M": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d\d)", "D": r"(?P<day>\d{1,2})", "hh": r"(?P<hour>\d\d)", "h": r"(?P<hour>\d{1,2})", "mm": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)", ".f": r"(?:\.(?P<fraction>\d{1,9}))?", "A": r"(?P<half>[AaPp][Mm])", "Z": r"(?P<offset>Z|[+-]\d\d:?\d\d)",
}  # fmt: skip
_LETTER = re.compile(r"[A-Za-z]")

Convert = Callable[[str], str]
"""A text to another; raises ValueError that says what is wanted."""


class FormError(ValueError):
    """A declared form cannot be used."""


class Form(NamedTuple):
    """One declared form of dates and times."""

    text: str
    pattern: "re.Pattern[str] | None"
    """None: ISO 8601 as it stands."""
    parts: tuple[str, ...]


@lru_cache(maxsize=256)
def form_of(text: str) -> Form:
    """A form such as `MM/DD/YYYY`, `DD.MM.YYYY hh:mm`, `D-MMM-YY`, `YYYYMMDD`, `M/D/YYYY h:mm A` or `ISO`. Raises FormError."""
    if text == ISO:
        return Form(text, None, ())
    parts = tuple(_TOKEN.findall(text))
    known = [part for part in parts if part in _PATTERNS]
    strange = next((part for part in parts if part not in _PATTERNS and _LETTER.fullmatch(part) and part != "T"), None)
    if strange is not None:
        raise FormError(f"{text!r} has {strange!r}, which is no part of a form; YYYY YY MM M MMM DD D hh h mm ss .f A Z are, and ISO alone")
    names = [re.search(r"<(\w+)>", _PATTERNS[part])[1] for part in known]  # type: ignore[index]
    if len(set(names)) < len(names) or not names:
        raise FormError(f"{text!r} names a part twice, or none")
    has = set(names)
    day = {"year", "day"} <= has and bool(has & {"month", "name"})
    if not day and has & {"year", "day", "month", "name"}:
        raise FormError(f"{text!r} needs year, month and day, or none of them")
    if not day and not {"hour", "minute"} <= has:
        raise FormError(f"{text!r} is neither a day nor a time")
    if ("hour" in has) is not ("minute" in has):
        raise FormError(f"{text!r} needs hours and minutes, or neither")
    return Form(text, re.compile("".join(_PATTERNS.get(part) or re.escape(part) for part in parts), re.ASCII), parts)


def to_iso(forms: tuple[Form, ...]) -> Convert:
    """A reader of dates and times in any of the forms, to ISO 8601: "2026-11-16", "14:05" or "2026-11-16T14:05:30-06:00"."""
    wanted = " or ".join(form.text for form in forms)

    @lru_cache(maxsize=1024)
    def convert(text: str) -> str:
        for form in forms:
            if form.pattern is None:
                return text
            if match := form.pattern.fullmatch(text):
                return _iso(match.groupdict(), text)
        raise ValueError(f"{text[:40]!r} is not of the form {wanted}")

    return convert


def _iso(found: dict[str, str | None], text: str) -> str:
    iso = ""
    if found.get("year"):
        year = str(found["year"])
        if len(year) == 2:
            year = ("20" if year < str(CENTURY_TURN) else "19") + year
        month = found.get("month") or ""
        if name := (found.get("name") or "").lower():
            if name not in MONTHS:
                raise ValueError(f"{text[:40]!r} names no month; Jan to Dec are")
            month = str(MONTHS.index(name) + 1)
        iso = f"{year}-{int(month):02}-{int(str(found['day'])):02}"
    if found.get("hour"):
        hour = int(str(found["hour"]))
        if half := (found.get("half") or "").upper():
            if not 1 <= hour <= 12:
                raise ValueError(f"{text[:40]!r} has no hour of a clock with twelve")
            hour = hour % 12 + (12 if half == "PM" else 0)
        clock = f"{hour:02}:{found['minute']}" + (f":{found['second']}" if found.get("second") else "")
        clock += f".{found['fraction']}" if found.get("fraction") else ""
        iso = f"{iso}T{clock}" if iso else clock
    return iso + (found.get("offset") or "")


_ISO_PARTS = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d))?T?(?:(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?)?"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?"
)


def from_iso(form: Form) -> Convert:
    """A writer of ISO 8601 in one form. Raises ValueError where the form has no room for all of it."""

    def convert(text: str) -> str:
        match = _ISO_PARTS.fullmatch(text)
        if form.pattern is None or match is None:
            return text
        part = match.groupdict()
        if part["hour"] is None and part["minute"] is None and part["day"] is None:
            return text
        told: set[str] = set()
        out = "".join(_written(piece, part, told, half="A" in form.parts) for piece in form.parts)
        lost = [
            name for name, value in part.items() if value and name not in told and not (name == "second" and value == "00" and not part["fraction"])
        ]
        if lost:
            raise ValueError(f"{text!r} has a part ({', '.join(lost)}) for which the form {form.text} has no room")
        return out

    return convert


def _written(piece: str, part: dict[str, str | None], told: set[str], *, half: bool) -> str:
    if piece not in _PATTERNS:
        return piece
    if piece == "A":
        return "PM" if int(part["hour"] or 0) >= 12 else "AM"
    name = {"YYYY": "year", "YY": "year", "MMM": "month", "MM": "month", "M": "month", "DD": "day", "D": "day"}.get(piece) or {
        "hh": "hour", "h": "hour", "mm": "minute", "ss": "second", ".f": "fraction", "Z": "offset"
    }[piece]  # fmt: skip
    told.add(name)
    value = part[name] or ""
    if piece == ".f":
        return f".{value}" if value else ""
    if piece == "Z":
        return value
    if not value:
        if piece == "ss":
            return "00"
        raise ValueError(f"there is no {name} to write")
    if piece == "YY":
        return value[2:]
    if piece == "MMM":
        return MONTHS[int(value) - 1].capitalize()
    if piece in ("M", "D"):
        return str(int(value))
    if piece in ("hh", "h"):
        hour = (int(value) - 1) % 12 + 1 if half else int(value)
        return f"{hour:02}" if piece == "hh" else str(hour)
    return value


def to_plain(decimal: str, thousands: str) -> Convert:
    """A reader of numbers: "1.234,50" (decimal comma, thousands point) as "1234.50"."""
    point, group = re.escape(decimal), re.escape(thousands)
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+" if thousands else r"(?!)"
    pattern = re.compile(rf"(?P<sign>[+-]?)(?P<whole>{grouped}|\d*)(?:{point}(?P<rest>\d*))?(?P<minus>-?)", re.ASCII)
    example = f"1{thousands}234{decimal}5" if thousands else f"1234{decimal}5"

    def convert(text: str) -> str:
        match = pattern.fullmatch(text)
        if match is None or not (match["whole"] or match["rest"]) or (match["minus"] and match["sign"]):
            raise ValueError(f"{text[:40]!r} is no number; one such as {example} is wanted")
        whole = match["whole"].replace(thousands, "") if thousands else match["whole"]
        sign = "-" if "-" in (match["sign"], match["minus"]) else ""
        return f"{sign}{whole or '0'}" + (f".{match['rest']}" if match["rest"] else "")

    return convert


def from_plain(decimal: str) -> Convert:
    """A writer of numbers with that decimal sign, without thousands signs."""
    return lambda text: text.replace(".", decimal)
