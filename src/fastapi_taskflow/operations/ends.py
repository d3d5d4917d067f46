"""Rollups added up: how many tasks came to which end, and how long they took."""

from __future__ import annotations

from collections import Counter

from fastapi_taskflow.backends.base import Rollup
from fastapi_taskflow.words.durations import UNMEASURED, percentile
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["RAN", "Ends"]

# Final states of tasks whose function ran to its own end; the others' lengths say little.
RAN = (TaskStatus.SUCCESS, TaskStatus.FAILED)


class Ends:
    """A sum of rollups. Lengths are of those that succeeded or failed."""

    def __init__(self) -> None:
        self.counts: dict[TaskStatus, int] = dict.fromkeys(TERMINAL, 0)
        self._seconds = 0.0
        self._durations: Counter[int] = Counter()

    def add(self, rollup: Rollup) -> None:
        """Add one to the sum."""
        self.counts[rollup.status] += rollup.ended
        if rollup.status in RAN:
            self._seconds += rollup.seconds
            self._durations.update(rollup.durations)

    @property
    def average(self) -> float | None:
        """Seconds; None if nothing was measured."""
        measured = self._durations.total() - self._durations[UNMEASURED]
        return self._seconds / measured if measured else None

    @property
    def p50(self) -> float | None:
        """Seconds that half of them did not exceed, see `percentile`."""
        return percentile(self._durations, 50)

    @property
    def p95(self) -> float | None:
        """Seconds that 95 % of them did not exceed."""
        return percentile(self._durations, 95)
