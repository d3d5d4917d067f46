"""Mirror: whether the latest state of a task that only its owner writes goes over its row."""

from __future__ import annotations

from fastapi_taskflow.backends.rules.settlement import Task
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["BORN", "accepts", "waits"]

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
