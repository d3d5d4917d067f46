"""A store of its own for each test of an app whose manager stands in a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.words import limits

__all__ = ["isolated"]


@contextmanager
def isolated(task_manager: TaskManager) -> Iterator[TaskManager]:
    """Give the manager an empty store in memory, and its own one back at the end.

    Enter it before the app's lifespan begins. Durable tasks behave as with the manager's
    own store, which is neither opened nor made; other settings, observers among them, stay.

    Raises:
        RuntimeError: at the beginning or the end, the manager is started.
        ConfigurationError: it is no manager.
    """
    if not isinstance(task_manager, TaskManager):
        raise limits.wrong("isolated", "the TaskManager", task_manager)
    with task_manager.runtime.storing_in(MemoryBackend()):
        yield task_manager
