"""What the record of a new task says."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["new_record"]


def new_record(
    registered: Registered,
    options: Options,
    now: datetime,
    queue: str,
    tags: dict[str, str],
    *,
    durable: bool,
) -> TaskRecord:
    """The record of a task that is being added, without its arguments."""
    priority = registered.config.priority if options.priority is None else options.priority
    # Of a durable task it is the store that adds the delay, by its own clock.
    due_at = options.run_at if durable else options.due(now)
    # By position, which costs a fifth of keywords: all tasks are made here.
    return TaskRecord(
        new_id(),
        registered.name,
        TaskStatus.PENDING,
        (),
        {},
        now,
        None,
        None,
        0,
        None,
        [],
        None,
        options.idempotency_key,
        tags,
        None,
        options.source,
        priority,
        registered.executor,
        queue,
        options.retry_of,
        None,
        None,
        None,
        due_at,
    )
