"""Totals, rates and percentiles from the store's counters and rollups."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi_taskflow.backends.base import Grain, RollupQuery, Tally
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.ends import RAN, Ends
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["FunctionMetrics", "Metrics", "metrics", "without_tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Totals over all time. ``success_rate`` is 0..1 of those that ran to an end.

    ``p50`` and ``p95`` are seconds, within 4.5 %, that so many percent of them did not
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


async def metrics(engine: Engine, *, func_name: str | None = None) -> Metrics:
    """Totals of all functions or of one, at a cost that does not grow with history."""
    await catch_up(engine)
    all_functions = _Sums()
    by_function: dict[str, _Sums] = {}
    for tally in await engine.backend.tally():
        if func_name in (None, tally.func_name):
            all_functions.add(tally)
            by_function.setdefault(tally.func_name, _Sums()).add(tally)
    query = RollupQuery(grain=Grain.EVER, func_name=func_name, by_function=True)
    for rollup in await engine.backend.rollups(query):
        all_functions.ends.add(rollup)
        by_function.setdefault(rollup.func_name or "", _Sums()).ends.add(rollup)
    rows = all_functions.rows
    return Metrics(
        total=sum(rows.values()),
        success=rows[TaskStatus.SUCCESS],
        failed=rows[TaskStatus.FAILED],
        running=rows[TaskStatus.RUNNING],
        pending=rows[TaskStatus.PENDING],
        interrupted=rows[TaskStatus.INTERRUPTED],
        cancelled=rows[TaskStatus.CANCELLED],
        rejected=rows[TaskStatus.REJECTED],
        success_rate=all_functions.success_rate,
        avg_duration_seconds=all_functions.average,
        functions=tuple(by_function[name].of(name) for name in sorted(by_function)),
        p50=all_functions.ends.p50,
        p95=all_functions.ends.p95,
    )


def without_tasks(func_name: str) -> FunctionMetrics:
    """The numbers of a function that never had a task."""
    return _Sums().of(func_name)


class _Sums:
    """Counters added up: live states as they are now, final ones over all time."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.rows: dict[TaskStatus, int] = dict.fromkeys(TaskStatus, 0)
        self._seconds = 0.0

    def add(self, tally: Tally) -> None:
        self.rows[tally.status] += tally.ended if tally.status in TERMINAL else tally.rows
        if tally.status in RAN:
            self._seconds += tally.seconds

    @property
    def success_rate(self) -> float:
        return self.rows[TaskStatus.SUCCESS] / self._ran if self._ran else 0.0

    @property
    def average(self) -> float | None:
        return self._seconds / self._ran if self._ran else None

    @property
    def _ran(self) -> int:
        return sum(self.rows[status] for status in RAN)

    def of(self, func_name: str) -> FunctionMetrics:
        return FunctionMetrics(
            func_name=func_name,
            pending=self.rows[TaskStatus.PENDING],
            running=self.rows[TaskStatus.RUNNING],
            ended=sum(self.rows[status] for status in TERMINAL),
            success=self.rows[TaskStatus.SUCCESS],
            failed=self.rows[TaskStatus.FAILED],
            success_rate=self.success_rate,
            avg_duration_seconds=self.average,
            p50=self.ends.p50,
            p95=self.ends.p95,
        )
