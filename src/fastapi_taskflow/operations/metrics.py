"""How many tasks came to which end, and how long they took: counters and rollups added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery, Tally
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.words.durations import UNMEASURED, percentile
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Ends", "FunctionMetrics", "Metrics", "metrics", "without_tasks"]

# Final states of tasks whose function ran to its own end; the others' lengths say little.
_RAN = (TaskStatus.SUCCESS, TaskStatus.FAILED)
_SHARES = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Totals over all time. ``success_rate`` is 0..1 of those that ran to an end.

    ``p50``, ``p95`` and ``p99`` are seconds, within 4.5 %, that so many percent of them did not
    exceed; None without any.
    """

    total: int
    success: int
    failed: int
    running: int
    pending: int
    interrupted: int
    cancelled: int
    rejected: int
    success_rate: float
    avg_duration_seconds: float | None
    functions: tuple[FunctionMetrics, ...]
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionMetrics:
    """What one function's tasks came to. ``ended`` counts every final state."""

    func_name: str
    pending: int
    running: int
    ended: int
    success: int
    failed: int
    success_rate: float
    avg_duration_seconds: float | None
    p50: float | None
    p95: float | None
    p99: float | None


async def metrics(desk: Desk, *, func_name: str | None = None) -> Metrics:
    """Totals of all functions or of one, at a cost that does not grow with history."""
    engine = desk.engine
    await catch_up(engine)
    whole = _Sums()
    by_function: dict[str, _Sums] = {}
    for tally in await engine.backend.tally():
        if func_name in (None, tally.func_name):
            whole.add(tally)
            by_function.setdefault(tally.func_name, _Sums()).add(tally)
    query = RollupQuery(grain=Grain.EVER, func_name=func_name, by_function=True)
    for rollup in await engine.backend.rollups(query):
        whole.ends.add(rollup)
        by_function.setdefault(rollup.func_name or "", _Sums()).ends.add(rollup)
    return Metrics(
        total=sum(whole.rows.values()),
        functions=tuple(by_function[name].of(name) for name in sorted(by_function)),
        **_by_name(whole.rows),
        **whole.figures(),
    )


def without_tasks(func_name: str) -> FunctionMetrics:
    """The numbers of a function that never had a task."""
    return _Sums().of(func_name)


class Ends:
    """A sum of rollups. Lengths are of what succeeded or failed, waits of all that started."""

    def __init__(self) -> None:
        self._counts: dict[TaskStatus, int] = dict.fromkeys(TERMINAL, 0)
        self._seconds = 0.0
        self._durations: Counter[int] = Counter()
        self._waits: Counter[int] = Counter()

    def add(self, rollup: Rollup) -> None:
        """Add one to the sum."""
        self._counts[rollup.status] += rollup.ended
        self._waits.update(rollup.waits)
        if rollup.status in _RAN:
            self._seconds += rollup.seconds
            self._durations.update(rollup.durations)

    def counts(self) -> dict[str, Any]:
        """How many, by the name of their state."""
        return _by_name(self._counts)

    @property
    def average(self) -> float | None:
        """Seconds; None if nothing was measured."""
        measured = self._durations.total() - self._durations[UNMEASURED]
        return self._seconds / measured if measured else None

    def percentiles(self) -> dict[str, Any]:
        """Seconds that 50, 95 and 99 % of them did not exceed, see `percentile`."""
        return {f"p{share}": percentile(self._durations, share) for share in _SHARES}

    def waits(self) -> dict[str, Any]:
        """The same of how long they had been due when they started."""
        return {f"wait_p{share}": percentile(self._waits, share) for share in _SHARES}

    @property
    def longest_wait(self) -> float | None:
        """Seconds, of them; None if none has started."""
        return percentile(self._waits, 100)


class _Sums:
    """Counters added up: live states as they are now, final ones over all time."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.rows: dict[TaskStatus, int] = dict.fromkeys(TaskStatus, 0)
        self._seconds = 0.0

    def add(self, tally: Tally) -> None:
        self.rows[tally.status] += tally.ended if tally.status in TERMINAL else tally.rows
        if tally.status in _RAN:
            self._seconds += tally.seconds

    def figures(self) -> dict[str, Any]:
        ran = sum(self.rows[status] for status in _RAN)
        return {
            "success_rate": self.rows[TaskStatus.SUCCESS] / ran if ran else 0.0,
            "avg_duration_seconds": self._seconds / ran if ran else None,
            **self.ends.percentiles(),
        }

    def of(self, func_name: str) -> FunctionMetrics:
        return FunctionMetrics(
            func_name=func_name,
            pending=self.rows[TaskStatus.PENDING],
            running=self.rows[TaskStatus.RUNNING],
            ended=sum(self.rows[status] for status in TERMINAL),
            success=self.rows[TaskStatus.SUCCESS],
            failed=self.rows[TaskStatus.FAILED],
            **self.figures(),
        )


def _by_name(counts: dict[TaskStatus, int]) -> dict[str, Any]:
    return {status.value: count for status, count in counts.items()}
