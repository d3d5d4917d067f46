"""Retrying from the command line: the app's functions, without running any here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.words.errors import ConfigurationError, TaskNotFound, TaskStateError
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["Retrier", "retrying"]

# Tasks that are looked for at a time.
_PAGE = 500


class Retrier:
    """Retries tasks of a manager that runs none."""

    def __init__(self, task_manager: TaskManager) -> None:
        self._task_manager = task_manager

    async def retry(self, task_id: str, actor: str) -> TaskRecord:
        """The new task.

        Raises:
            TaskflowError: it cannot be retried, or not from here.
        """
        task_manager = self._task_manager
        record = await task_manager.get(task_id)
        if record is None:
            raise TaskNotFound(f"Task {task_id} not found")
        registered = task_manager.registry.by_name(record.func_name)
        if registered is not None and not task_manager.runtime.durability.of(registered):
            raise TaskStateError(
                f"Task {task_id} runs {record.func_name!r}, which is not durable "
                "(persist=False): its retry would end with this command. Retry it over HTTP or "
                "in the dashboard."
            )
        new_id = await task_manager.operations.retry(task_id, actor=actor)
        new = await task_manager.get(new_id)
        if new is None:
            raise TaskNotFound(f"Task {new_id} not found")
        return new

    async def failed(self, query: Query) -> list[str]:
        """Ids of the tasks that match, newest first, without those that were retried."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page, cursor = await self._task_manager.operations.search(
                query, limit=_PAGE, cursor=cursor
            )
            found += [record.task_id for record in page if record.retried_as is None]
            if cursor is None:
                return found


@asynccontextmanager
async def retrying(target: str | None) -> AsyncIterator[Retrier]:
    """Retry tasks of an app during the block.

    Raises:
        ConfigurationError: no app, or none with one lasting store.
        StoreUnavailable: its store cannot be used.
    """
    name, app = load_app(target)
    found = managers_of(app, name)
    if len(found) > 1:
        raise ConfigurationError(
            f"{name} has {len(found)} TaskManagers with a store. Retry over HTTP, where the "
            "path says which."
        )
    (task_manager,) = found
    runtime = task_manager.runtime
    # Whoever runs tasks must stay; this process ends at once.
    runtime.settings = replace(runtime.settings, roles=frozenset({"enqueue"}))
    async with task_manager:
        yield Retrier(task_manager)
