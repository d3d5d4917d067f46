"""Schedules in memory, and a heap of those that have a next date."""

from __future__ import annotations

import heapq
import threading
from bisect import bisect_right, insort
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    DueSchedules,
    ScheduleChange,
    Schedules,
    StoredSchedule,
)
from fastapi_taskflow.backends.memory.admission import Admissions
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.scheduling import answers, groups_of, heard
from fastapi_taskflow.words.clock import SteadyClock

__all__ = ["MemorySchedules"]


class MemorySchedules(Schedules):
    """Schedules beside the tasks of a table.

    Args:
        lock: Protects the table, and all below.
        alive: Ids of the instances that may own tasks.
        tell: Told of a change.
    """

    def __init__(
        self,
        table: Table,
        lock: threading.Lock,
        clock: SteadyClock,
        alive: Container[str],
        tell: Callable[[], None],
    ) -> None:
        self._table = table
        self._lock = lock
        self._clock = clock
        self._alive = alive
        self._tell = tell
        self._rows: dict[str, StoredSchedule] = {}
        # Invariant: in order, the names of all.
        self._names: list[str] = []
        # Invariant: an entry for each that has a next date. One of an older version is void.
        self._agenda: list[tuple[datetime, str, int]] = []

    async def due(self, *, limit: int) -> DueSchedules:
        with self._lock:
            now = self._clock.now()
            taken: list[tuple[datetime, str, int]] = []
            while (first := self._first()) and first[0] <= now and len(taken) < limit:
                taken.append(heapq.heappop(self._agenda))
            wait = (first[0] - now).total_seconds() if first else None
            for entry in taken:
                heapq.heappush(self._agenda, entry)
            return DueSchedules(now, wait, [self._rows[name] for _, name, _ in taken])

    def _first(self) -> tuple[datetime, str, int] | None:
        """The next entry that is not void."""
        while self._agenda:
            _, name, version = self._agenda[0]
            row = self._rows.get(name)
            if row is not None and row.version == version:
                return self._agenda[0]
            heapq.heappop(self._agenda)
        return None

    async def find(self, names: Sequence[str]) -> list[StoredSchedule | None]:
        with self._lock:
            return [self._rows.get(name) for name in names]

    async def page(self, *, limit: int, after: str = "") -> list[StoredSchedule]:
        with self._lock:
            begin = bisect_right(self._names, after)
            return [self._rows[name] for name in self._names[begin : begin + limit]]

    async def change(
        self,
        changes: Sequence[ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        if not changes:
            return []
        storable.check_groups([one.tasks for one in changes])
        with self._lock:
            rows = [row for one in changes if (row := self._rows.get(one.name))]
            fits = heard({row.name: row.version for row in rows}, changes)
            admissions = Admissions(self._table, self._alive, limits or {}, key_ttl, self._clock)
            admitted = admissions.admit(groups_of(changes, fits))
            for one, is_heard in zip(changes, fits, strict=True):
                if is_heard:
                    self._put(one.name, one.schedule)
            self._tell()
            return answers(changes, fits, admitted)

    def _put(self, name: str, row: StoredSchedule | None) -> None:
        known = self._rows.pop(name, None)
        if row is None:
            if known is not None:
                del self._names[bisect_right(self._names, name) - 1]
            return
        self._rows[name] = row
        if known is None:
            insort(self._names, name)
        if row.next_at is not None:
            heapq.heappush(self._agenda, (row.next_at, name, row.version))
