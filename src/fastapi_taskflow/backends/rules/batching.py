"""What follows in a batch when its tasks end, are retried, or were just stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fastapi_taskflow.backends.base import Admission, NewBatch, Stored
from fastapi_taskflow.backends.rules.batchrows import BatchRow, batch_of
from fastapi_taskflow.backends.rules.duetimes import is_never
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row, row_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "Known",
    "begin",
    "concerned",
    "follow",
    "goes_on",
    "just_known",
    "parked_by_place",
    "why_stopped",
]


class Known(NamedTuple):
    """A stored batch, with its parked tasks by place."""

    batch: BatchRow
    parked: dict[int, Row]


def concerned(plan: Plan) -> set[str]:
    """The batches that `follow` has to know, locked."""
    ended = {row.batch_id for row in plan.ends if row.batch_id is not None}
    return ended.union(batch_id for batch_id, _ in plan.revived)


def follow(plan: Plan, known: Mapping[str, Known], new: Iterable[BatchRow] = ()) -> None:
    """Add to a plan what its ends and retries mean for their batches.

    Args:
        known: Those that are not were deleted: their tasks stand for themselves.
        new: Batches that are stored with this plan; they are known too.
    """
    for batch_id, status in plan.revived:
        if (one := known.get(batch_id)) is not None:
            one.batch.count(status, -1, plan.now)
            plan.batches[batch_id] = one.batch
    for row in plan.ends:
        if (one := known.get(row.batch_id or "")) is not None:
            # It was loaded as the store has it.
            one.parked.pop(row.batch_place or 0, None)
    # It grows: what stops a chain ends tasks.
    for row in plan.ends:
        if (one := known.get(row.batch_id or "")) is not None:
            one.batch.count(row.status, 1, plan.now)
            if one.batch.chain:
                _step(plan, one.parked, row)
            _tell(plan, one.batch)
    for batch in new:
        batch.look(plan.now)
        _tell(plan, batch)


def begin(new: NewBatch, admission: Admission) -> BatchRow | None:
    """A new batch, if its tasks are stored."""
    if not isinstance(admission, Stored):
        return None
    batch = batch_of(new)
    for task, inserted in zip(new.tasks, admission.tasks, strict=True):
        if inserted.task_id != task.task_id:
            batch.cancelled += 1
    return batch


def just_known(plan: Plan, new: BatchRow) -> Known:
    """A batch whose tasks are stored with this plan."""
    mine = (row for row in plan.inserted.values() if row.batch_id == new.batch_id)
    return Known(new, parked_by_place(row for row in mine if is_never(row.due_at)))


def _tell(plan: Plan, batch: BatchRow) -> None:
    """Add the callbacks that are due."""
    plan.batches[batch.batch_id] = batch
    for kind in batch.due():
        task = batch.callbacks.pop(kind)
        plan.insert(row_of(task, plan.now))
        plan.told.append((batch.batch_id, kind, task.task_id))


def _step(plan: Plan, parked: dict[int, Row], row: Row) -> None:
    """The next step of a chain is due, or those behind are cancelled."""
    place = (row.batch_place or 0) + 1
    following = parked.get(place)
    if following is None:
        return
    if goes_on(row.status, row.result, row.result_missing, following.after):
        del parked[place]
        plan.change(following, due_at=plan.now)
        if following.after is not None and row.result_until is not None:
            # As long as the step may need it.
            plan.change(row, result_until=None)
        return
    error = why_stopped(row.task_id, row.status, row.result_missing)
    while (following := parked.pop(place, None)) is not None:
        plan.end(following, TaskStatus.CANCELLED, error=error)
        place += 1


def goes_on(
    status: TaskStatus, result: bytes | None, missing: str | None, after: str | None
) -> bool:
    """The step behind one that ended so can run: it gets what it takes."""
    given = after is None or result is not None or missing is None
    return status is TaskStatus.SUCCESS and given


def why_stopped(task_id: str, status: TaskStatus, missing: str | None) -> str:
    """What the steps behind say then."""
    if status is TaskStatus.SUCCESS:
        return f"Not run: the result of task {task_id} before it was not stored. {missing}"
    return f"Not run: task {task_id} before it in its chain ended {status.value}."


def parked_by_place(rows: Iterable[Row]) -> dict[int, Row]:
    """Parked tasks of one batch."""
    return {row.batch_place: row for row in rows if row.batch_place is not None}
