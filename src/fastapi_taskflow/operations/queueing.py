"""Checks of a change to a queue, before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import QueueNotFound
from fastapi_taskflow.words.models import QueueConfig
from fastapi_taskflow.words.quoting import quoted

__all__ = ["check_queue", "checked_changes"]


def check_queue(engine: Engine, queue: str) -> None:
    """Refuse a name that no queue has.

    Raises:
        QueueNotFound: there is no such queue.
    """
    names = sorted(engine.queues.names())
    if not isinstance(queue, str) or queue not in names:
        known = f"{limits.near(queue, names)} Queues: {', '.join(names)}"
        raise QueueNotFound(f"No queue is named {quoted(queue)}.{known}")


def checked_changes(
    engine: Engine, queue: str, changes: Mapping[str, Any]
) -> dict[str, int | None]:
    """New limits of a queue, as they are kept.

    Raises:
        QueueNotFound: there is no such queue.
        ConfigurationError: a limit that is none.
    """
    check_queue(engine, queue)
    checked = replace(QueueConfig(), **changes)
    return {name: getattr(checked, name) for name in changes}
