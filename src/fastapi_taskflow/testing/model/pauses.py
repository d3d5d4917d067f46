"""Pauses in the model: whatever names a task, and is paused, holds it."""

from __future__ import annotations

from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.backends.rules.pausing import pause_name

__all__ = ["brakes"]


def brakes(new: NewTask) -> list[str]:
    """Under which names a task can be paused: by queue, function, tags and order key."""
    names = [new.queue, pause_name("function", new.func_name)]
    names += [pause_name("tag", f"{name}:{value}") for name, value in new.tags.items()]
    return names if new.order_key is None else [*names, pause_name("key", new.order_key)]
