"""What is taken over from a stored task or schedule: its function, and a task's options."""

from __future__ import annotations

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import UnknownTaskFunction
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["as_before", "function_named"]


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
