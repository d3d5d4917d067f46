"""Mirror: whether the latest state of a task that only its owner writes goes over its row."""

from __future__ import annotations

from typing import Any

from fastapi_taskflow.backends.base import MirrorAnswer, Snapshot
from fastapi_taskflow.backends.rules.plan import Lines, Plan
from fastapi_taskflow.backends.rules.rows import Row, row_of
from fastapi_taskflow.backends.rules.settlement import Task
from fastapi_taskflow.backends.rules.telling import given, told
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["BORN", "accepts", "mirror", "waits"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING

BORN = 1
"""The fence of a task that only its owner has written."""


def accepts(task: Task) -> bool:
    """Nobody recovered or ended the task: the snapshot wins."""
    # Not `in LIVE`, which hashes: this is the hottest path of a store in memory.
    status = task.status
    return task.fence == BORN and (status is _PENDING or status is _RUNNING)


def waits(status: TaskStatus, *, started: bool) -> bool:
    """The task counts towards its queue's ``max_size``."""
    return status is _PENDING and not started


def mirror(plan: Plan, rows: dict[str, Row], instance: str, snapshot: Snapshot) -> MirrorAnswer:
    """Write a task's latest state over its row, or as its first one, which ``rows`` gets."""
    task = snapshot.task
    row = rows.get(task.task_id)
    if row is not None and not accepts(row):
        return MirrorAnswer(accepted=False, cancel_asked=row.cancel_asked)
    if row is None:
        row = rows[task.task_id] = row_of(task, snapshot.due_at)
        row.born = row.fence = BORN
        plan.insert(row)
    values: dict[str, Any] = {
        "start_time": snapshot.start_time,
        "due_at": snapshot.due_at,
        "retries_used": snapshot.retries_used,
        "failures": snapshot.failures,
        "elapsed": snapshot.elapsed,
        "error": snapshot.error,
        "stacktrace": snapshot.stacktrace,
        "failure": None,
        "instance": row.instance if snapshot.start_time is None else instance,
        **told(snapshot),
    }
    if snapshot.status is TaskStatus.FAILED:
        values["failure"] = plan.fail(row, snapshot.failure)
    if snapshot.status is TaskStatus.SUCCESS:
        values |= given(snapshot.result, plan.now)
    if snapshot.status in TERMINAL:
        plan.end(row, snapshot.status, at=snapshot.end_time, **values)
    else:
        plan.change(row, status=snapshot.status, owner=instance, **values)
    if snapshot.logs or snapshot.logs_anew:
        plan.lines.append(Lines(task.task_id, snapshot.logs, snapshot.logs_anew))
    return MirrorAnswer(accepted=True, cancel_asked=row.cancel_asked)
