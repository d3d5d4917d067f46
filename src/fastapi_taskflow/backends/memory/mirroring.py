"""Write-behind of tasks whose owner is their only writer. The hottest path of the store."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.backends.base import MirrorAnswer, Snapshot
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.mirroring import BORN, accepts, waits
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["live_on", "mirror"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
_SUCCESS, _FAILED = TaskStatus.SUCCESS, TaskStatus.FAILED

# Made once: there are only these answers.
_TAKEN = MirrorAnswer(accepted=True, cancel_asked=False)
_TAKEN_AND_ASKED = MirrorAnswer(accepted=True, cancel_asked=True)


def mirror(table: Table, instance: str, snapshot: Snapshot, now: datetime) -> MirrorAnswer:
    """Write one snapshot over the row, unless somebody recovered or ended it."""
    (
        task, status, start_time, end_time, due_at, retries_used, failures, elapsed, error,
        stacktrace, logs, logs_anew, _, _, _, result, failure,
    ) = snapshot  # fmt: skip
    row = table.rows.get(task.task_id)
    if row is None:
        row = table.add_new(task)
        row.fence = BORN
    elif not accepts(row):
        return MirrorAnswer(accepted=False, cancel_asked=row.cancel_asked)
    record = row.record
    record.start_time = start_time
    record.end_time = end_time
    record.due_at = due_at
    record.retries_used = retries_used
    record.elapsed = elapsed
    record.error = error
    record.stacktrace = stacktrace
    row.failures = failures
    if start_time is not None:
        record.instance = instance
    if logs:
        row.add_logs(logs, anew=logs_anew)
    row.hear(snapshot)
    table.fail(row, failure if status is _FAILED else None, now)
    if status is _PENDING or status is _RUNNING:
        live_on(table, row, status, instance)
    else:
        if status is _SUCCESS:
            table.give(row, result, now)
        table.end(row, status, now)
    return _TAKEN_AND_ASKED if row.cancel_asked else _TAKEN


def live_on(table: Table, row: Row, status: TaskStatus, instance: str) -> None:
    """The task waits or runs, in the hands of this instance."""
    table.become(row, status)
    table.assign(row, instance)
    counts = waits(status, started=row.start_time is not None)
    if counts and not row.waiting:
        table.wait(row)
    elif row.waiting and not counts:
        table.stop_waiting(row)
