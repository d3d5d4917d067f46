"""Percentiles from bins, against those of the lengths themselves."""

import math
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastapi_taskflow.words.durations import BOUNDS, UNMEASURED, bin_of, percentile

lengths = st.floats(BOUNDS[1], BOUNDS[-1])


def exact(values: list[float], percent: int) -> float:
    """The nearest rank: the shortest that so many percent do not exceed."""
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]


@given(st.lists(lengths, min_size=1, max_size=50), st.sampled_from([1, 50, 95, 99, 100]))
@example([0.1] * 19 + [1.0], 95)
@example([0.1] * 18 + [1.0] * 2, 95)
def test_a_percentile_is_within_four_and_a_half_percent(values, percent):
    found = percentile(Counter(map(bin_of, values)), percent)

    assert found == pytest.approx(exact(values, percent), rel=0.045)


@given(st.lists(lengths, min_size=1), st.lists(lengths, min_size=1))
def test_bins_add_up_without_loss(first, second):
    together = Counter(map(bin_of, first)) + Counter(map(bin_of, second))

    assert together == Counter(map(bin_of, first + second))


@given(st.floats(BOUNDS[1], BOUNDS[-1], exclude_max=True))
def test_a_length_lies_between_the_bounds_of_its_bin(seconds):
    number = bin_of(seconds)

    assert BOUNDS[number - 1] <= seconds < BOUNDS[number]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1.0, 2**-20), (0.0, 2**-20), (1e-9, 2**-20), (1e9, 2**20), (math.inf, 2**20)],
)
def test_what_is_too_short_or_too_long_counts_as_the_limit(seconds, shown):
    assert percentile({bin_of(seconds): 1}, 50) == shown


def test_what_was_not_measured_is_in_no_percentile():
    assert bin_of(None) == UNMEASURED
    assert percentile({UNMEASURED: 5}, 50) is None
    assert percentile({}, 50) is None
    assert percentile({UNMEASURED: 99, bin_of(2.0): 1}, 50) == pytest.approx(2.0, rel=0.045)


def test_a_length_that_is_no_number_breaks_nothing():
    assert bin_of(math.nan) in range(1, len(BOUNDS) + 1)
