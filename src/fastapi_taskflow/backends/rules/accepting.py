"""Insert: what an accepted `Draft` writes."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from fastapi_taskflow.backends.rules.admission import Draft
from fastapi_taskflow.backends.rules.duetimes import due_of
from fastapi_taskflow.backends.rules.facts import Original
from fastapi_taskflow.backends.rules.plan import Cell, Plan, Taken
from fastapi_taskflow.backends.rules.rows import row_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["write"]


def write(
    plan: Plan, draft: Draft, *, lead: timedelta, key_ttl: float, unstored: Container[str]
) -> None:
    """Add a draft to a plan.

    Args:
        unstored: Tasks that hold a key, but whose records are deleted: they get no aliases.
    """
    for entry in draft.entries:
        task = entry.task
        row = row_of(task, due_of(task, plan.now, lead))
        if entry.status is TaskStatus.REJECTED:
            row.status, row.end_time = entry.status, plan.now
        elif task.idempotency_key is not None:
            plan.taken[task.idempotency_key] = Taken(task.task_id, task.fingerprint, key_ttl)
        plan.insert(row)
    for alias, canonical in draft.aliases.items():
        if canonical not in unstored:
            plan.aliases[alias] = canonical
    for original, retried_as in draft.linked:
        plan.link(original.task_id, retried_as)
    for original in draft.replaced:
        plan.delete(original.task_id, _cell(original))


def _cell(original: Original) -> Cell:
    return Cell(original.queue, original.func, original.status)
