"""What ended when: sums by minute, hour and day, and of all time."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.words.clock import from_micros
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["STATES", "STATE_BITS", "WAITED", "Cells", "Rollups"]

STATES = tuple(TaskStatus)
STATE_BITS = 3
# Beyond any bin.
WAITED = 1 << 20
_STATE_MASK = (1 << STATE_BITS) - 1
_MICROS_PER_SECOND = 1_000_000

Cells: TypeAlias = dict[int, float]
"""Sums of one function over one span. Under ``bin << STATE_BITS | place`` how many tasks
ended in the state at that place of `STATES`, under ``~place`` the seconds that they took; with
`WAITED` in it how many of them started within the span after such a wait.
"""


class Rollups:
    """Bounded by time and by the number of functions, whatever becomes of the tasks."""

    def __init__(self) -> None:
        # By the second in which a span begins, then by function. Invariant: in each grain
        # the same tasks are counted, as far back as it is kept.
        self._sums: dict[Grain, dict[int, dict[str, Cells]]] = {grain: {} for grain in Grain}

    def add(self, minute: int, func_name: str, cells: Cells) -> None:
        """Tasks that ended, or started, in the minute that begins at this second."""
        for grain, spans in self._sums.items():
            _merge(spans.setdefault(span_of(grain, minute), {}).setdefault(func_name, {}), cells)

    def drop(self, minute: int) -> None:
        """Forget what is too old in the minute that begins at this second."""
        for grain, spans in self._sums.items():
            oldest = oldest_kept(grain, minute)
            for start in [start for start in spans if oldest is not None and start < oldest]:
                del spans[start]

    def read(self, query: RollupQuery) -> list[Rollup]:
        """See `Backend.rollups`."""
        since = float("-inf") if query.since is None else query.since.timestamp()
        until = float("inf") if query.until is None else query.until.timestamp()
        groups: dict[tuple[int | None, str | None], Cells] = {}
        for start, functions in self._sums[query.grain].items():
            if not since <= start < until:
                continue
            for func_name, cells in functions.items():
                if query.func_name in (None, func_name):
                    group = (
                        start if query.by_start else None,
                        func_name if query.by_function else None,
                    )
                    _merge(groups.setdefault(group, {}), cells)
        return [
            rollup
            for (start, func_name), cells in groups.items()
            for rollup in _rollups(None if start is None else _moment(start), func_name, cells)
        ]


def _merge(target: Cells, cells: Cells) -> None:
    for slot, number in cells.items():
        target[slot] = target.get(slot, 0) + number


def _rollups(start: datetime | None, func_name: str | None, cells: Cells) -> list[Rollup]:
    parts: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
    for slot, number in cells.items():
        if slot >= 0:
            part = parts.setdefault(slot & _STATE_MASK, ({}, {}))
            part[slot >= WAITED][slot % WAITED >> STATE_BITS] = int(number)
    return [
        Rollup(
            start,
            func_name,
            STATES[place],
            sum(durations.values()),
            cells.get(~place, 0.0),
            durations,
            waits,
        )
        for place, (durations, waits) in parts.items()
    ]


def _moment(second: int) -> datetime:
    return from_micros(second * _MICROS_PER_SECOND)
