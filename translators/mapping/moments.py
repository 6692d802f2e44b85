"""Dates and times as partners write them, and the instants they name as far as a zone is known.

Pure: zone rules come in through the context; no clock and no zone data here.
"""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from translators.mapping.run import Run
from translators.mapping.tables import LOCAL, CodeTable

CENTURY_TURN = 50
"""Two-digit years below are 20xx, from here on 19xx (X12's own old files; our choice)."""


class Unreadable(ValueError):
    """A value is not what its rule takes it for; the text says why."""


@lru_cache(maxsize=4096)
def iso_date(text: str) -> str:
    """ "20261116" or "261116" as "2026-11-16". Raises Unreadable."""
    digits = text.strip()
    if len(digits) == 6:
        digits = ("20" if digits[:2] < str(CENTURY_TURN) else "19") + digits
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        raise Unreadable(f"{text!r} is no date; CCYYMMDD is")
    try:
        datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise Unreadable(f"{text!r} is no day of the calendar") from None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


@lru_cache(maxsize=4096)
def iso_time(text: str) -> str:
    """ "1405" as "14:05", "140530" as "14:05:30", "14053025" as "14:05:30.25". Raises Unreadable."""
    digits = text.strip()
    if len(digits) not in (4, 6, 7, 8) or not digits.isascii() or not digits.isdigit():
        raise Unreadable(f"{text!r} is no time; HHMM, HHMMSS or HHMMSSdd is")
    if digits[:2] > "23" or digits[2:4] > "59" or digits[4:6] > "59":
        raise Unreadable(f"{text!r} is no time of a day")
    parts = f"{digits[:2]}:{digits[2:4]}"
    if len(digits) > 4:
        parts += f":{digits[4:6]}"
    return f"{parts}.{digits[6:]}" if len(digits) > 6 else parts


_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)?(?:(?<=\d)[T ])?(?P<time>\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?\s?(?P<offset>[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


@lru_cache(maxsize=4096)
def iso_parts(text: str) -> tuple[str, str, str]:
    """ "2026-11-16T14:05:30-06:00" as ("2026-11-16", "14:05:30", "-06:00"); what is not there is "" (ISO 8601, xs:date, xs:dateTime, xs:time).

    Raises Unreadable.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None or not (match["date"] or match["time"]):
        raise Unreadable(f"{text!r} is no date or time; 2026-11-16, 2026-11-16T14:05 and 2026-11-16T14:05:30-06:00 are")
    date, time, offset = match["date"] or "", (match["time"] or "").replace(",", "."), (match["offset"] or "").upper()
    if len(offset) == 5:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        datetime.fromisoformat(f"{date or '2000-01-01'}T{time[:8] or '00:00'}{offset.replace('Z', '+00:00')}")
    except ValueError:
        raise Unreadable(f"{text!r} is no moment of the calendar and the clock") from None
    return date, time, offset


def offset_text(minutes: int) -> str:
    """-300 as "-05:00", 0 as "Z"."""
    if not minutes:
        return "Z"
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def offset_of(zone: str, local: datetime, run: Run) -> tuple[int, bool] | None:
    """Minutes east of UTC of a zone name or a fixed offset ("-05:00"), and whether the local time is sure; None if unknown."""
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        return (-minutes if zone[0] == "-" else minutes), True
    if zone == "UTC":
        return 0, True
    return run.context.zone_offset(zone, local)


def build_moment(run: Run, date: str, time: str, *, code: str, place_zone: str | None, zones: CodeTable, offset_told: bool = False) -> dict[str, Any]:
    """The Moment of an ISO date and time ("" if only a day is told), with the zone by code, place or profile, in this order.

    `offset_told`: `code` is an offset ("Z", "-06:00"), no code of a zone.
    """
    moment: dict[str, Any] = {"local": f"{date}T{time}" if time else date}
    if code:
        moment["zone_code"] = code
    if not time:
        return moment
    zone, certainty = (_fixed(code), "stated") if offset_told else _zone(run, code, place_zone, zones)
    offset = offset_of(zone, datetime.fromisoformat(f"{date}T{time[:8]}"), run) if zone else None
    if zone is None or offset is None:
        moment["certainty"] = "none"
        return moment
    seconds = "" if len(time) > 5 else ":00"
    moment["instant"] = f"{date}T{time}{seconds}{offset_text(offset[0])}"
    moment["zone"] = zone
    moment["certainty"] = certainty
    if not offset[1]:
        moment["doubtful"] = True
    return moment


def _fixed(offset: str) -> str:
    return "UTC" if offset in ("Z", "+00:00", "-00:00") else offset


def _zone(run: Run, code: str, place_zone: str | None, zones: CodeTable) -> tuple[str | None, str]:
    row = zones.rows.get(code.upper()) if code else None
    if row is None and code:
        run.note_unknown(zones.name, code)
    if row is not None and row[0] != LOCAL:
        return row[0], "stated"
    if place_zone is not None:
        return place_zone, "place"
    return run.context.default_zone, "profile"


def event_time(run: Run, moments: list[dict[str, Any] | None]) -> tuple[str, dict[str, Any]]:
    """An event's `time` from the first usable moment, else from the group's stamp, else from when we received it; and what is doubtful about it."""
    for moment in moments:
        if moment and "instant" in moment:
            return moment["instant"], {"assumed_zone": True} if moment["certainty"] == "profile" else {}
    stamp = _written(run)
    for local in (*(moment["local"] for moment in moments if moment), stamp):
        if local:
            return _assumed(run, local)
    return run.context.received_at, {"time_precision": "received"}


def _written(run: Run) -> str:
    date, time = run.context.written
    try:
        return f"{iso_date(date)}T{iso_time(time)}"
    except Unreadable:
        return ""


def _assumed(run: Run, local: str) -> tuple[str, dict[str, Any]]:
    quality: dict[str, Any] = {"assumed_zone": True}
    if "T" not in local:
        local, quality["time_precision"] = f"{local}T00:00", "day"
    when = datetime.fromisoformat(local[:19])
    zone = run.context.default_zone
    offset = offset_of(zone, when, run) if zone else None
    aware = when.replace(tzinfo=timezone(timedelta(minutes=offset[0] if offset else 0)))
    return aware.isoformat().replace("+00:00", "Z"), quality
