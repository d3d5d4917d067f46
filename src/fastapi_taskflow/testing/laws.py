"""What must hold between two looks at a store, whatever happened in between.

Independent of the model: a mistake that driver and model have in common shows here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from fastapi_taskflow.backends.base import StoredTask
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, TERMINAL

__all__ = ["Laws"]

_ALLOWED = (
    {(rule.source, rule.target) for rule in MOVES.values()}
    | {(rule.source, TaskStatus.CANCELLED) for rule in MOVES.values() if rule.yields_to_cancel}
    | {(TaskStatus.PENDING, TaskStatus.RUNNING), (TaskStatus.PENDING, TaskStatus.CANCELLED)}
    | {(status, status) for status in TaskStatus}
)


class Laws:
    """Compares each look with the one before.

    Args:
        key_ttl: The shortest time for which any key was taken.
    """

    def __init__(self, key_ttl: float) -> None:
        self._key_ttl = timedelta(seconds=key_ttl)
        self._seen: dict[str, StoredTask] = {}

    def look(self, tasks: Iterable[StoredTask]) -> None:
        """Check the present state of all tasks; each may have gone one step."""
        present = {task.record.task_id: task for task in tasks}
        for task_id, now in present.items():
            _check_one(now)
            before = self._seen.get(task_id)
            if before is not None:
                _check_step(before, now)
        self._seen.update(present)
        self._check_keys()

    def _check_keys(self) -> None:
        """At most one success per key and window, deleted records included."""
        ends: dict[str, list[StoredTask]] = {}
        for task in self._seen.values():
            key = task.record.idempotency_key
            if key is not None and task.persist and task.record.status is TaskStatus.SUCCESS:
                ends.setdefault(key, []).append(task)
        for found in ends.values():
            at = sorted(task.record.end_time for task in found if task.record.end_time)
            for earlier, later in pairwise(at):
                assert later - earlier >= self._key_ttl, "two successes within one key's window"


def _check_one(task: StoredTask) -> None:
    record = task.record
    if record.status in TERMINAL:
        assert task.owner is None, "an ended task has an owner"
        assert record.end_time is not None, "an ended task has no end"
    else:
        assert record.end_time is None, "a live task has an end"
    if record.status is TaskStatus.RUNNING:
        assert task.owner is not None, "a task runs without an owner"
        assert record.start_time is not None, "a task runs without a start"


def _check_step(before: StoredTask, now: StoredTask) -> None:
    old, new = before.record, now.record
    assert now.fence >= before.fence, "the fence fell"
    assert now.failures >= before.failures
    assert now.interruptions >= before.interruptions
    if old.status in TERMINAL:
        linked = replace(old, retried_as=new.retried_as)
        assert now == before._replace(record=linked), "an ended task changed"
        assert old.retried_as in (None, new.retried_as), "a link to a retry changed"
    if now.persist:
        assert (old.status, new.status) in _ALLOWED, f"{old.status} became {new.status}"
        if now.owner is not None and now.owner != before.owner:
            assert now.fence == before.fence + 1, "a new owner without a new fence"
