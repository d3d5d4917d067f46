"""The short ids that logs and pages show, and the tasks that they mean."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from fastapi_taskflow.backends.base import ENDING_LENGTH, Query
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words.errors import TaskStateError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["id_text", "whole"]


async def whole(engine: Engine, task_id: object) -> str:
    """The id of the task that a short id means; another id as it is, also of no task.

    A `UUID`, as routes have them, is the id that it writes; what is no text is no task's.

    Raises:
        TaskStateError: several tasks end like this.
    """
    task_id = id_text(task_id)
    if len(task_id) != ENDING_LENGTH:
        return task_id
    await engine.mirror.flush()
    page = await engine.backend.search(Query(ending=task_id), limit=2)
    stored = [each.record.task_id for each in page.tasks]
    found = sorted({*engine.store.ending(task_id), *stored})
    if len(found) > 1:
        raise TaskStateError(
            f"Several tasks end in {task_id}: {', '.join(found)}. Give the whole id of one."
        )
    return found[0] if found else task_id


def id_text(task_id: object) -> str:
    """The id as text; what is none is written as messages quote it, which is nobody's id."""
    for kind, form in ((str, str.__str__), (UUID, UUID.__str__)):
        if issubclass(type(task_id), kind):
            return form(cast(Any, task_id))
    return quoted(task_id)
