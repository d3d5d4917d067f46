"""What is taken over from a stored task or schedule: its function, and a task's options."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import UnknownTaskFunction
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.retries import KeyTaken

__all__ = ["as_before", "commit_again", "function_named"]

_BECAME = {
    TaskStatus.PENDING: "waits",
    TaskStatus.RUNNING: "runs",
    TaskStatus.SUCCESS: "succeeded",
    TaskStatus.INTERRUPTED: "was interrupted, so nobody knows what it has done",
    TaskStatus.CANCELLED: "was cancelled while it ran",
}


def function_named(engine: Engine, func_name: str) -> Registered:
    """The function that a stored task or schedule names.

    Raises:
        UnknownTaskFunction: it is not registered in this process.
    """
    registered = engine.registry.by_name(func_name)
    if registered is None:
        raise UnknownTaskFunction(f"Function {func_name!r} is not registered in this process")
    return registered


def as_before(runtime: Runtime, record: TaskRecord) -> Options:
    """Those of a record's retry, without the key: who does the very same work takes it over."""
    return Options(
        None,
        record.tags,
        record.priority,
        record.queue,
        source=record.source,
        retry_of=record.task_id,
        replace_original=runtime.settings.retry_replaces_original,
    )


async def commit_again(engine: Engine, tasks: Sequence[LiveTask]) -> None:
    """Accept tasks that take the place of ones that ended.

    Raises:
        KeyTaken: another task has the key of one, with what became of it; nothing is stored.
    """
    try:
        await engine.commits.commit(tasks)
    except KeyTaken as taken:
        (found,) = await engine.backend.get([taken.held_by])
        became = "" if found is None else _BECAME.get(found.record.status, "")
        raise KeyTaken(taken.task_id, taken.held_by, became=became) from None
