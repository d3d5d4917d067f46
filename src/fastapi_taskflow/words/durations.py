"""Lengths of time sorted into bins, from which percentiles are read.

There are eight bins to each doubling of a length, between a microsecond and twelve days:
a percentile is one of the bin's middle, so it differs from the exact one by 4.5 % at most
(what is shorter or longer counts as the shortest or longest). Bins add up over time and
over functions without losing anything, which percentiles themselves do not.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping

__all__ = ["BOUNDS", "UNMEASURED", "bin_of", "percentile"]

_PER_DOUBLING = 8
# Doublings of a second, down and up.
_RANGE = 20
_FIRST = -_RANGE * _PER_DOUBLING

BOUNDS: list[float] = [
    -math.inf,
    *(2.0 ** (n / _PER_DOUBLING) for n in range(_FIRST, -_FIRST + 1)),
]
"""``bisect(BOUNDS, seconds)`` is the bin: 1 is below a microsecond. Stored: never change."""

UNMEASURED = 0
"""The bin of tasks of which nobody knows how long they took."""


def bin_of(seconds: float | None) -> int:
    """The bin of a length."""
    return UNMEASURED if seconds is None else bisect(BOUNDS, seconds)


def percentile(bins: Mapping[int, int], percent: int) -> float | None:
    """The shortest length in seconds that so many percent of the measured ones do not exceed.

    Args:
        bins: How many lengths there are in each bin, `UNMEASURED` ones as well.
        percent: 1 to 100.

    Returns:
        Within 4.5 % of the exact one; None if nothing was measured.
    """
    measured = sorted((number, count) for number, count in bins.items() if number != UNMEASURED)
    rank = -(-percent * sum(count for _, count in measured) // 100)
    for number, count in measured:
        rank -= count
        if rank <= 0:
            return _middle(number)
    return None


def _middle(number: int) -> float:
    """Of the bin's two bounds the geometric mean, which is as far from both."""
    if number == 1:
        return BOUNDS[1]
    if number == len(BOUNDS):
        return BOUNDS[-1]
    return math.sqrt(BOUNDS[number - 1] * BOUNDS[number])
