"""A partner's business hours, and deadlines that count only those.

Pure but for the zone data that Python brings.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from partners.terms import Model

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FARTHEST = 3_700
"""Days that a deadline is looked for."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; use an IANA name such as America/Chicago") from None
    return name


class Calendar(Model):
    """When the partner's people are at work."""

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    days: list[Day] = Field(default_factory=lambda: list(DAYS[:5]), min_length=1, description="days of the week")
    opens: time = Field(default=time(8), description="local time")
    closes: time = Field(default=time(18))
    holidays: list[date] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> "Calendar":
        if self.opens >= self.closes:
            raise ValueError(f"opens ({self.opens:%H:%M}) must be before closes ({self.closes:%H:%M})")
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("opens and closes are local times, without a zone")
        return self

    def hours(self, day: date) -> tuple[datetime, datetime] | None:
        """From when to when it is open on a day, in UTC; None where it is not. A day on which clocks are set has an hour more or less, if that hour is within."""
        if DAYS[day.weekday()] not in self.days or day in self.holidays:
            return None
        zone = ZoneInfo(self.zone)
        opens, closes = (datetime.combine(day, at, zone).astimezone(UTC) for at in (self.opens, self.closes))
        return (opens, closes) if opens < closes else None


def deadline(begins: datetime, span: timedelta, calendar: Calendar) -> datetime:
    """When `span` of business time has gone by since `begins` (UTC). A span of whole days is that many business days, to the same hour of day or to closing.

    Raises ValueError where there is no such time within ten years, as with a calendar of holidays only.
    """
    if span >= timedelta(days=1):
        return _days_later(begins, span, calendar)
    left, day = span, begins.astimezone(ZoneInfo(calendar.zone)).date()
    for _ in range(FARTHEST):
        hours = calendar.hours(day)
        if hours is not None:
            start = max(hours[0], begins)
            if start + left <= hours[1]:
                return start + left
            left -= max(hours[1] - start, timedelta(0))
        day += timedelta(days=1)
    raise ValueError("the calendar has no such business time within ten years")


def _days_later(begins: datetime, span: timedelta, calendar: Calendar) -> datetime:
    local = begins.astimezone(ZoneInfo(calendar.zone))
    day, left = local.date(), span.days
    for _ in range(FARTHEST):
        day += timedelta(days=1)
        hours = calendar.hours(day)
        if hours is None:
            continue
        left -= 1
        if left == 0:
            at = datetime.combine(day, local.timetz().replace(tzinfo=None), ZoneInfo(calendar.zone)).astimezone(UTC)
            at = min(max(at, hours[0]), hours[1])
            rest = span - timedelta(days=span.days)
            return at if not rest else deadline(at, rest, calendar)
    raise ValueError("the calendar has no such business time within ten years")
