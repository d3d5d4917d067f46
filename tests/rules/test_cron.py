"""Instants of cron expressions, on days on which clocks are set and on others."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.schedules.cron import Cron, cron_of, zone_of

MINUTE = timedelta(minutes=1)
# The days on which clocks are set forward and back, and a day in a zone that sets none.
DAYS = {
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),
    "Asia/Kolkata": ("2026-03-29", "2026-10-25"),
    # Back for Ramadan, and forward again.
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
}
CASES = [(zone, day) for zone, days in DAYS.items() for day in days]


def runs(text, zone, day, days=1):
    """All instants on local days."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = (begin + timedelta(days=days)).astimezone(UTC)
    found = []
    for instant in Cron(text, ZoneInfo(zone)).following(begin.astimezone(UTC) - MINUTE):
        if instant >= end:
            return found
        found.append(instant)
    return found


def walls(instants, zone):
    return [f"{one.astimezone(ZoneInfo(zone)):%H:%M}" for one in instants]


@pytest.mark.parametrize(("zone", "day"), CASES)
def test_every_minute_has_no_hole_and_no_double(zone, day):
    found = runs("* * * * *", zone, day)

    assert all(later - one == MINUTE for one, later in pairwise(found))
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    elapsed = (begin + timedelta(days=1)).astimezone(UTC) - begin.astimezone(UTC)
    assert len(found) == elapsed / MINUTE


def test_a_time_that_does_not_exist_is_the_first_instant_after_the_gap():
    assert walls(runs("30 2 * * *", "America/New_York", "2026-03-08"), "America/New_York") == [
        "03:00"
    ]
    assert walls(runs("15 2 * * *", "Australia/Lord_Howe", "2026-10-04"), "Australia/Lord_Howe")[
        :1
    ] == ["02:30"]


def test_several_times_in_one_gap_are_one_instant():
    zone = "Europe/Berlin"

    assert walls(runs("*/10 2,3 * * *", zone, "2026-03-29"), zone) == [
        "03:00", "03:10", "03:20", "03:30", "03:40", "03:50",
    ]  # fmt: skip


def test_a_time_that_comes_twice_is_its_first():
    (found,) = runs("30 1 * * *", "America/New_York", "2026-11-01")

    assert found == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


fields = st.sampled_from(["*", "*/2", "*/15", "0", "30", "15,45", "7-9"])
hours = st.sampled_from(["*", "0-23", "0", "1", "2", "1-3", "*/2", "2,3,14", "23"])


@given(fields, hours, st.sampled_from(CASES))
@settings(max_examples=30)
def test_instants_are_those_whose_local_time_has_the_fields(minutes, some_hours, case):
    """Against a look at every minute of two days."""
    zone, day = case
    info = ZoneInfo(zone)
    cron = Cron(f"{minutes} {some_hours} * * *", info)
    before = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=14)
    known_minutes, known_hours = cron_set(minutes, 60), cron_set(some_hours, 24)
    elapsed = len(known_hours) == 24
    expected, wall = [], before.astimezone(info).replace(tzinfo=None)
    for number in range(1, 2 * 1440):
        instant = before + number * MINUTE
        local = instant.astimezone(info)
        last, wall = wall, local.replace(tzinfo=None)
        fits = wall.minute in known_minutes and wall.hour in known_hours
        if wall != last + MINUTE and not elapsed:
            skipped = [last + n * MINUTE for n in range(1, int((wall - last) / MINUTE))]
            fits |= any(s.minute in known_minutes and s.hour in known_hours for s in skipped)
        if fits and (elapsed or not local.fold):
            expected.append(instant)

    found = []
    for one in cron.following(before):
        if one >= before + timedelta(days=2):
            break
        found.append(one)

    assert found == expected


def cron_set(field, size):
    found = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        low, _, high = body.partition("-")
        span = range(size) if body == "*" else range(int(low), int(high or low) + 1)
        found |= set(span[:: int(step or 1)])
    return found


@given(
    st.sampled_from(CASES),
    st.sampled_from(["* * * * *", "30 2 * * *", "*/20 * * * * *", "15 1,2 * * *", "0 0 L * *"]),
    st.integers(0, 2 * 86_400_000),
)
def test_the_next_instant_does_not_depend_on_where_one_began(case, text, milliseconds):
    zone, day = case
    cron = Cron(text, ZoneInfo(zone))
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1)
    point = begin + timedelta(milliseconds=milliseconds)

    (direct,) = islice(cron.following(point), 1)

    for instant in cron.following(begin):
        if instant > point:
            assert instant == direct
            break


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@daily", ["2026-01-02T00:00:00", "2026-01-03T00:00:00"]),
        ("@HOURLY", ["2026-01-01T01:00:00", "2026-01-01T02:00:00"]),
        ("20 * * * * *", ["2026-01-01T00:00:20", "2026-01-01T00:01:20"]),
        ("*/30 59 23 31 DEC *", ["2026-12-31T23:59:00", "2026-12-31T23:59:30"]),
        ("0 12 L * *", ["2026-01-31T12:00:00", "2026-02-28T12:00:00"]),
        ("0 0 * * MON#2", ["2026-01-12T00:00:00", "2026-02-09T00:00:00"]),
        ("0 0 * * 5L", ["2026-01-30T00:00:00", "2026-02-27T00:00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("0 9 * JUL mon-wed", ["2026-07-01T09:00:00", "2026-07-06T09:00:00"]),
    ],
)
def test_aliases_seconds_names_last_days_and_weekdays_of_a_month(text, expected):
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    found = islice(Cron(text, zone_of("UTC")).following(begin), len(expected))

    assert [one.replace(tzinfo=None).isoformat() for one in found] == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * *", "61 * * * *", "* * * * * * *", "a b c d e", "0 0 30 2 *", "0 0 31 4,6 *",
        "@never", "* 25 * * *", "*/0 * * * *", "0 0 * 2 MON#6", None, 5, "* * * * *" * 50,
        "0 0 30 FEB *", ["* * * * *"],
    ],
)  # fmt: skip
def test_what_is_no_expression_or_never_comes_is_refused(text):
    with pytest.raises(ConfigurationError, match="cron"):
        cron_of(text, zone_of("UTC"))


def test_an_unknown_zone_is_refused_with_the_one_that_was_meant():
    with pytest.raises(ConfigurationError, match="Did you mean 'Europe/Berlin'"):
        zone_of("Europe/Berlni")
    for name in ("", "../UTC", "Europe", None, 3):
        with pytest.raises(ConfigurationError, match="timezone"):
            zone_of(name)


def test_the_calendars_end_ends_the_instants():
    assert list(Cron("0 0 1 1 *", zone_of("UTC")).following(datetime(9998, 6, 1, tzinfo=UTC))) == [
        datetime(9999, 1, 1, tzinfo=UTC)
    ]


def test_an_expression_says_what_it_means():
    assert Cron("0 9 * * 1-5", zone_of("UTC")).describe() == "At 09:00 on Monday through Friday"
    days = Cron("0 0 2,11,21,22,23,31 * *", zone_of("UTC")).describe()
    assert "the second, the 11th, the 21st, the 22nd, the 23rd, and the 31st day" in days
