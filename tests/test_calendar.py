"""Deadlines that count business hours only."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from partners.calendar import DAYS, Calendar, deadline

CHICAGO = Calendar(zone="America/Chicago", holidays=[date(2026, 11, 26), date(2026, 12, 25)])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# fmt: off
CASES = [
    # begins, span, deadline; local times of Chicago
    ("2026-11-30T09:00-06:00", timedelta(hours=4), "2026-11-30T13:00-06:00", "within a day"),
    ("2026-11-30T16:00-06:00", timedelta(hours=4), "2026-12-01T10:00-06:00", "over a night"),
    ("2026-11-27T17:00-06:00", timedelta(hours=2), "2026-11-30T09:00-06:00", "over a weekend"),
    ("2026-11-28T03:00-06:00", timedelta(hours=1), "2026-11-30T09:00-06:00", "from a Saturday"),
    ("2026-11-25T17:00-06:00", timedelta(hours=2), "2026-11-27T09:00-06:00", "over Thanksgiving"),
    ("2026-11-30T05:00-06:00", timedelta(hours=1), "2026-11-30T09:00-06:00", "from before it opens"),
    ("2026-11-30T09:00-06:00", timedelta(days=1), "2026-12-01T09:00-06:00", "a business day"),
    ("2026-11-27T15:00-06:00", timedelta(days=1), "2026-11-30T15:00-06:00", "a business day over a weekend"),
    ("2026-11-27T23:00-06:00", timedelta(days=2), "2026-12-01T18:00-06:00", "two, from after closing"),
    ("2026-11-27T15:00-06:00", timedelta(hours=26), "2026-11-30T17:00-06:00", "a day and two hours"),
    ("2026-03-06T17:00-06:00", timedelta(hours=2), "2026-03-09T09:00-05:00", "over a change of clocks"),
    ("2026-10-30T17:30-05:00", timedelta(hours=1), "2026-11-02T08:30-06:00", "and the other one"),
]
# fmt: on


@pytest.mark.parametrize(("begins", "span", "ends"), [case[:3] for case in CASES], ids=[case[3] for case in CASES])
def test_business_time_is_counted(begins: str, span: timedelta, ends: str):
    assert deadline(at(begins), span, CHICAGO) == at(ends)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
spans = st.integers(1, 200).map(lambda minutes: timedelta(minutes=minutes * 7))
calendars = st.builds(
    Calendar,
    zone=st.sampled_from(["UTC", "America/Chicago", "Asia/Kolkata", "Pacific/Auckland"]),
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    opens=st.integers(0, 11).map(time),
    closes=st.integers(12, 23).map(time),
    holidays=st.lists(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=5),
)


@given(moments, spans, calendars)
def test_a_deadline_lies_in_business_time_after_at_least_the_span(begins: datetime, span: timedelta, calendar: Calendar):
    ends = deadline(begins, span, calendar)
    assert ends >= begins + min(span, timedelta(days=span.days))
    hours = [found for days in (-1, 0, 1) if (found := calendar.hours((ends + timedelta(days=days)).date()))]
    assert any(opens <= ends <= closes for opens, closes in hours)


@given(moments, moments, spans, calendars)
def test_who_begins_later_ends_no_earlier(one: datetime, two: datetime, span: timedelta, calendar: Calendar):
    span = min(span, timedelta(hours=23))
    first, second = sorted((one, two))
    assert deadline(first, span, calendar) <= deadline(second, span, calendar)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"zone": "Chicago"}, "no time zone"),
        ({"opens": "18:00", "closes": "08:00"}, "must be before"),
        ({"days": []}, "at least 1"),
        ({"days": ["monday"]}, "mon"),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused(terms: dict, words: str):
    with pytest.raises(ValidationError, match=words):
        Calendar.model_validate(terms)


def test_a_calendar_of_holidays_only_has_no_deadline():
    never = Calendar(days=["mon"], holidays=[date(2026, 1, 5) + timedelta(days=7 * week) for week in range(600)])
    with pytest.raises(ValueError, match="no such business time"):
        deadline(at("2026-01-01T00:00+00:00"), timedelta(hours=1), never)
