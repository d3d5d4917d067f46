"""What the model answers about all tasks together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi_taskflow.testing.model.store import Model
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["next_due", "tally"]


def next_due(model: Model, queues: Sequence[str]) -> float | None:
    """Seconds until the first free task of queues that are not paused."""
    due = [
        (task.due_at - model.clock.now()).total_seconds()
        for task in model.tasks.values()
        if task.free
        and task.due_at is not None
        and task.new.queue in queues
        and not model.paused(task.new.queue)
    ]
    return min(due, default=None)


def tally(model: Model) -> Mapping[tuple[str, str, TaskStatus], tuple[int, int, float]]:
    """(rows, ended, seconds) that are not zero."""
    rows = Counter(
        (task.new.queue, task.new.func_name, task.status) for task in model.tasks.values()
    )
    return {
        key: (rows[key], model.ended[key], model.seconds.get(key, 0.0))
        for key in rows.keys() | model.ended.keys()
    }
