"""A task as the store takes it: its arguments in bytes, and all that is said of it."""

from __future__ import annotations

from typing import Any

from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["describe", "describe_for_mirror", "encode", "keep"]


def encode(
    core: Core,
    registered: Registered,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    durable: bool,
) -> bytes | None:
    """The arguments as they are stored; None if those of a plain task cannot be.

    Raises:
        TaskArgumentError: those of a durable task cannot be.
    """
    try:
        return core.registry.encode(
            registered,
            args,
            kwargs,
            max_bytes=core.settings.max_payload_bytes,
            sealed=core.settings.sealed,
        )
    except TaskArgumentError:
        if durable:
            raise
    except BaseException as exc:  # a foreign object's own defect; only its record suffers
        if durable:
            raise TaskArgumentError(
                f"Arguments of {registered.name!r} cannot be stored: {error_text(exc)}"
            ) from exc
    return None


def describe(task: LiveTask, owner: str | None) -> NewTask:
    """The task as the store takes it."""
    record = task.record
    return NewTask(
        record.task_id,
        record.func_name,
        task.payload,
        record.queue,
        record.created_at,
        record.priority,
        task.delay,
        record.due_at,
        record.idempotency_key,
        task.fingerprint,
        task.durable,
        task.requeue,
        record.tags,
        record.source,
        record.executor,
        record.retry_of,
        task.replace_original,
        task.alias,
        owner,
        record.title,
        record.order_key,
        task.registered.config.on_conflict,
        task.member,
        *task.pace,
    )


def describe_for_mirror(core: Core, task: LiveTask) -> NewTask:
    """As `describe`; arguments that cannot be stored are left out."""
    _keep(core, task)
    return describe(task, core.instance_id)


def keep(core: Core, task: LiveTask) -> None:
    """Make of a plain task's arguments what its record is shown and retried with.

    They themselves are let go when the task ends, which is before it is written.
    """
    if not task.is_small:
        _keep(core, task)


def _keep(core: Core, task: LiveTask) -> None:
    if task.payload is None and not task.packed and not task.released:
        task.payload = encode(core, task.registered, task.args, task.kwargs, durable=False)
