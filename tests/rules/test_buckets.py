"""Token buckets: the rule by itself, on any clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.backends.buckets import Bucket, bucket_name, longest_wait, take

SECOND = 1_000_000
NOW = 1_767_225_600 * SECOND
PAIR = Bucket("pair", 5, 12.0, delay=2.0)

names = st.lists(st.text(max_size=4), max_size=3)
buckets = st.builds(
    Bucket,
    st.just("one"),
    st.integers(1, 6),
    st.floats(0.001, 60),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.floats(0.001, 600),
)


def used_up(bucket, times=1):
    """Levels after somebody took all that he could, and waited, so often."""
    levels, now = {}, NOW
    for _ in range(times):
        now += longest_wait(levels, [bucket], now)
        while take(levels, [bucket], now) == 0:
            pass
    return levels, now


@pytest.mark.parametrize("back", [1, 60, 61, 86_400, 10**9])
def test_a_clock_that_was_set_back_locks_nobody_out(back):
    levels, now = used_up(PAIR, times=9)
    now -= back * SECOND

    wait = longest_wait(levels, [PAIR], now)

    assert wait <= 360 * SECOND
    assert take(levels, [PAIR], now + wait) == 0


def test_a_clock_that_was_set_right_by_a_little_forgives_nothing():
    levels, now = used_up(PAIR, times=9)

    assert longest_wait(levels, [PAIR], now - 60 * SECOND) == 360 * SECOND


def test_terms_that_became_milder_lock_nobody_out():
    levels, now = used_up(PAIR, times=9)

    assert longest_wait(levels, [PAIR._replace(longest=20.0)], now) <= 80 * SECOND


def test_a_bucket_without_room_gives_nothing():
    assert longest_wait({}, [PAIR._replace(capacity=0)], NOW) > 0


@given(buckets, st.lists(st.floats(0, 700) | st.floats(0, 5), max_size=12))
def test_no_more_is_given_than_the_refill_brings(bucket, pauses):
    levels, now, given_at = {}, NOW, []
    for pause in pauses:
        now += round(pause * SECOND)
        while take(levels, [bucket], now) == 0:
            given_at.append(now)

    refill = round(bucket.refill * SECOND)
    for first, since in enumerate(given_at):
        for number, at in enumerate(given_at[first:]):
            assert number < bucket.capacity + (at - since) // refill


@given(buckets, st.lists(st.floats(0, 700), min_size=1, max_size=40))
def test_who_waits_as_told_is_served(bucket, pauses):
    levels, now = {}, NOW
    for pause in pauses:
        now += round(pause * SECOND)
        wait = take(levels, [bucket], now)
        if wait:
            assert take(levels, [bucket], now + wait - 1) == 1
            assert take(levels, [bucket], now + wait) == 0
            now += wait


@given(buckets, st.lists(st.floats(0, 700), max_size=40))
def test_a_level_whose_time_has_come_may_be_forgotten(bucket, pauses):
    kept, swept, now = {}, {}, NOW
    for pause in pauses:
        now += round(pause * SECOND)
        swept = {name: level for name, level in swept.items() if level.clear_at > now}

        assert take(kept, [bucket], now) == take(swept, [bucket], now)


@given(names, names)
def test_names_are_equal_only_if_all_their_parts_are(some, others):
    assert (bucket_name(*some) == bucket_name(*others)) is (some == others)


@pytest.mark.parametrize("part", ["", "\0", "\ud800", "x" * 100_000])
def test_a_name_has_one_length_whatever_it_stands_for(part):
    assert len(bucket_name("pair", part)) == 64
