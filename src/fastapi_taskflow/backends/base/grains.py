"""Spans of time over which a store sums up what happened."""

from __future__ import annotations

from enum import Enum

__all__ = ["Grain"]


class Grain(Enum):
    """Over which spans of time ended tasks are summed up, and how long the sums are kept.

    Spans begin at multiples of their length since the epoch, so days are those of UTC.

    Attributes:
        seconds: Length of a span; 0 for `EVER`, which is one span.
        kept_days: How old a span's begin may become; None: any age.
    """

    MINUTE = (60, 2)
    HOUR = (3_600, 90)
    DAY = (86_400, 1_830)
    EVER = (0, None)

    def __init__(self, seconds: int, kept_days: int | None) -> None:
        self.seconds = seconds
        self.kept_days = kept_days
