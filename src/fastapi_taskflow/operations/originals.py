"""What a retry takes over from the task that it repeats."""

from __future__ import annotations

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import UnknownTaskFunction
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["as_before", "known"]


def known(engine: Engine, record: TaskRecord) -> Registered:
    """A record's function."""
    registered = engine.registry.by_name(record.func_name)
    if registered is None:
        raise UnknownTaskFunction(
            f"Function {record.func_name!r} is not registered in this process"
        )
    return registered


def as_before(runtime: Runtime, record: TaskRecord) -> Options:
    """Those of a record's retry."""
    return Options(
        record.idempotency_key,
        record.tags,
        record.priority,
        record.queue,
        source=record.source,
        retry_of=record.task_id,
        replace_original=runtime.settings.retry_replaces_original,
    )
