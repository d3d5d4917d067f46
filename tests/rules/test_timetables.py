"""Slots of schedules, and what becomes of those that come late."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.schedules.catchup import Policy, Previous, Why, choose
from fastapi_taskflow.rules.schedules.timetable import Times, Timetable

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
)
# Near the days on which New York, Berlin, Lord Howe and Casablanca set their clocks.
SET = [
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in ((3, 8), (11, 1), (3, 29), (10, 25), (10, 3), (4, 4), (2, 15), (3, 22))
]


def every(seconds, name="it", **more):
    return Timetable(name, Times(every=seconds, **more))


def cron(text, **more):
    return Timetable("it", Times(cron=text, **more))


def test_an_intervals_slots_are_its_multiples():
    assert every(900).next_runs(NOON + SECOND, 2) == [NOON + HOUR / 4, NOON + HOUR / 2]
    assert every(900, start=NOON + SECOND).next_runs(NOON, 2) == [
        NOON + SECOND,
        NOON + SECOND + HOUR / 4,
    ]


def test_nothing_comes_before_the_start_and_after_the_end():
    table = cron("0 * * * *", start=NOON, end=NOON + HOUR)

    assert table.next_runs(NOON - 10 * HOUR, 5) == [NOON, NOON + HOUR]
    assert table.after(NOON + HOUR) is None


@given(st.floats(0, 20_000), st.integers(0, 10**6), st.sampled_from(["60", "0 */2 * * *"]))
def test_jitter_moves_a_slot_by_less_than_to_the_next_and_always_equally(jitter, second, text):
    when = {"every": 60.0} if text == "60" else {"cron": text}
    table, same = (Timetable("it", Times(jitter=jitter, **when)) for _ in range(2))
    slot = table.after(NOON + second * SECOND)
    following = table.after(slot)

    assert slot <= table.due(slot) < following
    assert table.due(slot) - slot <= timedelta(seconds=jitter)
    assert table.due(slot) == same.due(slot)


def test_schedules_of_other_names_have_other_jitter():
    dues = {every(3600, f"name {number}", jitter=3600).due(NOON) for number in range(20)}

    assert len(dues) == 20


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "neither"),
        ({"every": 1, "cron": "* * * * *"}, "both"),
        ({"every": 0}, "every"),
        ({"every": 0.001}, "0.1 up"),
        ({"every": float("nan")}, "every"),
        ({"every": True}, "every"),
        ({"every": "60"}, "every"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"every": 60, "timezone": "Mars/Olympus"}, "timezone"),
        ({"every": 60, "jitter": -1}, "jitter"),
        ({"every": 60, "start": "soon"}, "start"),
        ({"every": 60, "start": NOON, "end": NOON - SECOND}, "before start"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Timetable("it", Times(**wrong))


def test_it_says_when_it_runs():
    assert every(300).describe() == "Every 5 minutes"
    assert every(1).describe() == "Every second"
    assert every(0.5).describe() == "Every 0.5 seconds"
    assert cron("@daily").describe() == "At 00:00 every day"
    assert cron("@daily", timezone="Asia/Kolkata").describe() == "At 00:00 every day (Asia/Kolkata)"


# What becomes of slots


def test_a_slot_that_has_come_is_run_and_the_next_look_is_at_the_next():
    chosen = choose(every(60), NOON, NOON + 61 * SECOND)

    assert chosen == ((NOON + 60 * SECOND,), None, NOON + 60 * SECOND, NOON + 120 * SECOND)
    assert choose(every(60), NOON, NOON + 59 * SECOND).run == ()


def test_of_missed_slots_the_latest_is_run():
    chosen = choose(every(600), NOON, NOON + 3 * HOUR + 300 * SECOND)

    assert chosen.run == (NOON + 3 * HOUR,)
    assert chosen.left == (NOON + 3 * HOUR - 600 * SECOND, Why.MISSED)
    assert chosen.anchor == NOON + 3 * HOUR


def test_a_daily_slot_may_be_an_hour_late_and_no_more():
    daily = cron("0 13 * * *")

    assert choose(daily, NOON, NOON + 2 * HOUR).run == (NOON + HOUR,)
    late = choose(daily, NOON, NOON + 2 * HOUR + SECOND)
    assert (late.run, late.left) == ((), (NOON + HOUR, Why.MISSED))
    assert late.next_at == NOON + 25 * HOUR
    assert choose(daily, NOON, NOON + 5 * HOUR, Policy(grace=4 * 3600.0)).run == (NOON + HOUR,)


def test_skip_runs_nothing_that_was_missed():
    hourly = every(3600)

    assert choose(hourly, NOON, NOON + HOUR + 10 * SECOND, Policy("skip")).run == (NOON + HOUR,)
    assert choose(hourly, NOON, NOON + HOUR + 11 * SECOND, Policy("skip")).run == ()


def test_a_short_delay_misses_nothing():
    chosen = choose(every(1), NOON, NOON + 5.5 * SECOND, Policy("skip"))

    assert chosen.run == tuple(NOON + n * SECOND for n in range(1, 6))


def caught_up(table, anchor, now, policy):
    """All rounds that follow from one another."""
    found = []
    while True:
        chosen = choose(table, anchor, now, policy)
        if not chosen.run:
            return found
        found += chosen.run
        anchor = chosen.anchor


def test_all_runs_each_missed_slot_in_rounds_up_to_a_thousand():
    assert caught_up(every(1), NOON, NOON + 250 * SECOND, Policy("all")) == [
        NOON + n * SECOND for n in range(1, 251)
    ]
    long = caught_up(every(1), NOON, NOON + 100 * HOUR, Policy("all"))
    assert (len(long), long[-1]) == (1_000, NOON + 100 * HOUR)


def test_while_the_last_run_goes_on_skip_leaves_slots_out():
    chosen = choose(every(60), NOON, NOON + HOUR, Policy(overlap="skip"), Previous(live=True))

    assert (chosen.run, chosen.left) == ((), (NOON + HOUR, Why.OVERLAP))
    assert chosen.anchor == NOON + HOUR


def test_while_the_last_run_goes_on_queue_waits_and_then_runs_the_latest_however_late():
    daily, late = cron("0 13 * * *"), NOON + 20 * HOUR

    waiting = choose(daily, NOON, late, Policy(overlap="queue"), Previous(live=True))
    then = choose(daily, NOON, late, Policy(overlap="queue"), Previous(ended_at=late - SECOND))

    assert waiting is None
    assert then.run == (NOON + HOUR,)


def test_queue_runs_one_after_the_other():
    how = Policy("all", overlap="queue")

    first = choose(every(60), NOON, NOON + HOUR / 20, how)

    assert (first.run, first.anchor) == ((NOON + 60 * SECOND,), NOON + 60 * SECOND)
    assert choose(every(60), first.anchor, NOON + HOUR, how, Previous(live=True)) is None


zones = st.sampled_from(ZONES)
crons = st.sampled_from(["* * * * *", "30 1,2 * * *", "*/20 0-4 * * *", "0 * * * *", "@daily"])


@given(crons, zones, st.sampled_from(SET), st.lists(st.integers(1, 9_000), max_size=25))
@settings(max_examples=60)
def test_under_all_each_slot_is_run_once_whenever_one_looks(text, zone, begin, waits):
    """With a clock that a test turns over the days on which clocks are set."""
    table, anchor, now, found = cron(text, timezone=zone), begin, begin, []
    for wait in waits:
        now += wait * SECOND
        found += caught_up(table, anchor, now, Policy("all"))
        anchor = max(anchor, found[-1]) if found else anchor

    expected = []
    for slot in table.following(begin):
        if slot > now:
            break
        expected.append(slot)
    assert found == expected


@given(
    st.sampled_from(["latest", "all", "skip"]),
    st.sampled_from(["allow", "skip", "queue"]),
    st.lists(st.tuples(st.integers(-5_000, 5_000), st.booleans()), max_size=20),
    zones,
    st.sampled_from(SET),
)
def test_no_slot_is_run_twice_by_clocks_that_disagree(misfire, overlap, looks, zone, begin):
    table = cron("*/15 * * * *", timezone=zone, jitter=600)
    anchor, seen = begin, []
    for offset, live in looks:
        now = begin + HOUR * 2 + offset * SECOND
        previous = Previous(live=live, ended_at=None if live else now)
        chosen = choose(table, anchor, now, Policy(misfire, None, overlap), previous)
        if chosen is None:
            assert (live, overlap) == (True, "queue")
            continue
        assert chosen.anchor >= anchor
        assert all(anchor < slot <= table.due(slot) <= now for slot in chosen.run)
        seen += chosen.run
        anchor = chosen.anchor

    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)


def test_every_minute_is_never_skipped_by_one_instance_that_looks_in_time():
    """Over the days on which New York sets its clock."""
    table = cron("* * * * *", timezone="America/New_York")
    for day in (datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)):
        anchor, now, found = day, day, []
        while now < day + 6 * HOUR:
            chosen = choose(table, anchor, now)
            found += chosen.run
            anchor, now = chosen.anchor, max(now + SECOND, chosen.next_at + SECOND / 50)
        assert found == [day + n * timedelta(minutes=1) for n in range(1, len(found) + 1)]
        assert len(found) >= 359
