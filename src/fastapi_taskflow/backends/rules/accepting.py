"""Insert: what an accepted `Draft` writes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import timedelta

from fastapi_taskflow.backends.rules.admission import Draft
from fastapi_taskflow.backends.rules.duetimes import due_of
from fastapi_taskflow.backends.rules.facts import Original
from fastapi_taskflow.backends.rules.plan import Cell, Plan, Taken
from fastapi_taskflow.backends.rules.rows import Row, row_of
from fastapi_taskflow.backends.rules.turns import Place
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["displaced_by", "write"]


def displaced_by(draft: Draft) -> list[str]:
    """Tasks that new ones of their order key displace, or ask to end; some are new themselves."""
    places = (entry.place for entry in draft.entries)
    return [mate.task_id for place in places for mate in (*place.displaced, *place.asked)]


def write(
    plan: Plan,
    draft: Draft,
    rows: Mapping[str, Row],
    *,
    lead: timedelta,
    key_ttl: float,
    unstored: Container[str],
) -> None:
    """Add a draft to a plan.

    Args:
        rows: The stored tasks that new ones of their order key displace, or ask to end.
        unstored: Tasks that hold a key, but whose records are deleted: they get no aliases.
    """
    for entry in draft.entries:
        task = entry.task
        row = row_of(task, due_of(task, plan.now, lead))
        row.behind = bool(entry.place.before)
        _make_way(plan, entry.place, rows)
        if entry.status is TaskStatus.REJECTED:
            row.status, row.end_time = entry.status, plan.now
        elif task.idempotency_key is not None:
            ttl = task.holds_key_for(key_ttl)
            plan.taken[task.idempotency_key] = Taken(task.task_id, task.fingerprint, ttl)
        plan.insert(row)
    for alias, canonical in draft.aliases.items():
        if canonical not in unstored:
            plan.aliases[alias] = canonical
    for original, retried_as in draft.linked:
        plan.link(original.task_id, retried_as)
        plan.revive(original.member, original.status)
    for original in draft.replaced:
        plan.delete(original.task_id, _cell(original))
        plan.revive(original.member, original.status)


def _make_way(plan: Plan, place: Place, rows: Mapping[str, Row]) -> None:
    for mate in place.asked:
        plan.change(rows[mate.task_id], cancel_asked=True)
    for mate in place.displaced:
        row = plan.inserted.get(mate.task_id) or rows[mate.task_id]
        plan.end(row, TaskStatus.CANCELLED)
        if not place.before:
            # What displaces it stands where it stood.
            plan.vacated.discard(row.order_key or "")


def _cell(original: Original) -> Cell:
    return Cell(original.queue, original.func, original.status)
