"""Groups of failed attempts in memory."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery, Grain
from fastapi_taskflow.backends.rules.failing import (
    GRAINS,
    Seen,
    Times,
    add_up,
    merged,
    oldest_seen,
    span_begin,
)
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.words.failures import Failure

__all__ = ["FailureBook"]


class FailureBook:
    """Bounded by time and by the number of groups, whatever becomes of the tasks."""

    def __init__(self) -> None:
        self._groups: dict[str, Seen] = {}
        # By the second in which a span begins, then by group.
        self._sums: dict[Grain, dict[int, dict[str, int]]] = {grain: {} for grain in GRAINS}

    def note(self, func_name: str, failure: Failure, task_id: str, now: datetime) -> None:
        """An attempt failed."""
        group, kind = failure
        new = Seen(group, func_name, kind, now, now, 1, task_id)
        known = self._groups.get(group)
        self._groups[group] = new if known is None else merged(known, new)
        second = int(now.timestamp())
        for grain, spans in self._sums.items():
            times = spans.setdefault(span_of(grain, second), {})
            times[group] = times.get(group, 0) + 1

    def read(self, query: FailureQuery) -> list[FailureGroup]:
        """See `Backend.failures`."""
        begin = span_begin(query)
        times = (
            Times(group, start, number)
            for start, groups in self._sums[query.grain].items()
            if begin is not None and start >= begin
            for group, number in groups.items()
        )
        return add_up(query, self._groups.values(), times)

    def forget(self, now: datetime, limit: int) -> int:
        """Drop some of what is too old; how many rows that were."""
        second = int(now.timestamp())
        old = (name for name, one in self._groups.items() if _is_old(one, second))
        gone = list(islice(old, limit))
        for name in gone:
            del self._groups[name]
        left = limit - len(gone)
        for grain, spans in self._sums.items():
            oldest = oldest_kept(grain, second)
            starts = [start for start in spans if oldest is not None and start < oldest][:left]
            for start in starts:
                del spans[start]
            left -= len(starts)
        return limit - left


def _is_old(one: Seen, second: int) -> bool:
    return one.last_at.timestamp() < oldest_seen(second)
