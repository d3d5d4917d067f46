"""Cancelling one task, wherever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastapi_taskflow.backends.base import CancelAnswer, CancelResult
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import reading
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.words.errors import TaskNotFound, TaskStateError
from fastapi_taskflow.words.models import TaskRecord
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Cancelled", "cancel", "cancel_many"]

_AT_A_TIME = 500


class Cancelled(NamedTuple):
    """``asked`` is True if the task ran and was only asked to stop; it may have ended since."""

    record: TaskRecord
    asked: bool


async def cancel(desk: Desk, task_id: str, *, actor: str = ANONYMOUS) -> Cancelled:
    """Cancel a task, or ask the instance that runs it to.

    Raises:
        TaskNotFound: no such task.
        TaskStateError: it has ended.
    """
    engine = desk.engine
    await reading.catch_up(engine)
    task_id = await whole(engine, task_id)
    live = engine.store.find(task_id)
    if live is not None and live.held and not live.durable:
        engine.interventions.ask_cancel(live)
        asked = live.record.status not in TERMINAL
    else:
        (answer,) = await engine.backend.cancel([task_id])
        if answer.result is CancelResult.MISSING:
            raise TaskNotFound(f"Task {task_id} not found")
        if answer.result is CancelResult.REFUSED and answer.status is not None:
            raise TaskStateError(
                f"Task {task_id} is {answer.status.value}; only pending and running tasks "
                "can be cancelled."
            )
        asked = answer.result is CancelResult.ASKED
        _tell(engine, task_id, answer)
    await desk.note("cancel", task_id, actor, {})
    record = reading.existing(await reading.get(desk, task_id), task_id)
    return Cancelled(record, asked)


async def cancel_many(engine: Engine, task_ids: Sequence[str]) -> None:
    """Cancel durable tasks, or ask for it; those that have ended stay as they are."""
    for begin in range(0, len(task_ids), _AT_A_TIME):
        part = task_ids[begin : begin + _AT_A_TIME]
        for task_id, answer in zip(part, await engine.backend.cancel(part), strict=True):
            _tell(engine, task_id, answer)


def _tell(engine: Engine, task_id: str, answer: CancelAnswer) -> None:
    """What this process holds of it hears of it at once."""
    live = engine.store.find(task_id)
    if live is not None and answer.result is CancelResult.CANCELLED:
        engine.interventions.cancelled_in_store(live)
    elif live is not None and live.held and answer.result is not CancelResult.MISSING:
        engine.interventions.ask_cancel(live)
