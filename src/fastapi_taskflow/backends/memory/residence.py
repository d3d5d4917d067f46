"""Live tasks of this process in the table, as they are. The hottest path of the store."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from fastapi_taskflow.backends.base import Resident
from fastapi_taskflow.backends.memory.mirroring import live_on
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.mirroring import BORN, accepts
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Residents"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING


class Residents:
    """See `Residence`.

    Args:
        lock: The one of all verbs.
    """

    def __init__(self, table: Table, lock: threading.Lock, clock: SteadyClock) -> None:
        self._table = table
        self._lock = lock
        self._clock = clock

    def note(self, instance: str, tasks: Sequence[Resident]) -> list[bool]:
        """Read the tasks' records from now on, and count their states."""
        with self._lock:
            now = self._clock.now()
            return [self._note(instance, task, now) for task in tasks]

    def _note(self, instance: str, task: Resident, now: datetime) -> bool:
        record, table = task.record, self._table
        status, row = record.status, table.rows.get(record.task_id)
        # What the app has made of its record, `mirror` says.
        if type(status) is not TaskStatus:
            return False
        if row is None:
            if not type(record.func_name) is type(record.queue) is str:
                return False
            row = table.add(Row(record, None, persist=False, requeue=task.requeue))
            row.fence, row.born_claimed = BORN, True
        elif not accepts(row):
            return False
        row.record, row.shared = record, True
        row.failures = task.failures
        row.arguments = task.kept
        if task.payload is not None:
            row.payload = task.payload
        row.emitted = task.emitted
        if status is _PENDING or status is _RUNNING:
            live_on(table, row, status, instance)
        else:
            if task.result is not None and status is TaskStatus.SUCCESS:
                table.give(row, task.result, now)
            if task.failure is not None and status is TaskStatus.FAILED:
                table.fail(row, task.failure, now)
            table.end(row, status, now)
        return True
