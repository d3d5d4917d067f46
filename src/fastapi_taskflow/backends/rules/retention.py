"""Sums of what ended: to which spans of time they belong, and which are too old."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Grain

__all__ = ["oldest_kept", "span_of"]

_DAY_SECONDS = 86_400


def span_of(grain: Grain, second: int) -> int:
    """The second in which the span of this one begins; 0 where there is only one span."""
    return second - second % grain.seconds if grain.seconds else 0


def oldest_kept(grain: Grain, second: int) -> int | None:
    """Spans that begin before this second are dropped now. None: never."""
    return None if grain.kept_days is None else second - grain.kept_days * _DAY_SECONDS
