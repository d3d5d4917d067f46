"""Waiting in a test until the work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations import reading
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["async_drain", "drain"]

_OPEN = Query(statuses=frozenset({TaskStatus.PENDING, TaskStatus.RUNNING}))
_PAGE = 1_000
# Between two looks: at first a short task's length, then what costs nothing.
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05
# For the event loop to answer, beyond the time that the tasks have.
_GRACE_SECONDS = 5.0
_TOLD = 10


def drain(
    task_manager: TaskManager, *, timeout: float = 5.0, delayed: bool | float = False
) -> None:
    """Block until no task of the manager is due or runs; for tests with ``TestClient``.

    All accepted tasks in the manager's store are waited for, with those that they add.
    Left alone are tasks in paused queues, and tasks whose due time is still to come.

    Args:
        task_manager: Started, by ``with TestClient(app)`` say.
        timeout: Seconds to wait at most.
        delayed: Wait for due times too: retries with a delay, snoozes, ``delay=``,
            ``run_at=``. A number: for those that are at most so many seconds ahead.

    Raises:
        TimeoutError: some have not ended; it names them.
        EngineNotRunning: the manager is not started.
        ConfigurationError: it is no manager.
        RuntimeError: called on the manager's event loop, which it would block: use
            `async_drain` there.
    """
    engine = _engine("drain", task_manager)
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is engine.loop:
        raise RuntimeError("drain() would block the manager's loop: use `await async_drain(...)`.")
    waiting = _drain(task_manager, timeout, delayed=delayed)
    asyncio.run_coroutine_threadsafe(waiting, engine.loop).result(timeout + _GRACE_SECONDS)


async def async_drain(
    task_manager: TaskManager, *, timeout: float = 5.0, delayed: bool | float = False
) -> None:
    """As `drain`, in a test that runs on an event loop.

    Raises:
        TimeoutError, EngineNotRunning: as `drain`.
    """
    engine = _engine("async_drain", task_manager)
    waiting = _drain(task_manager, timeout, delayed=delayed)
    if asyncio.get_running_loop() is engine.loop:
        await waiting
    else:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(waiting, engine.loop))


def _engine(what: str, task_manager: TaskManager) -> Engine:
    if not isinstance(task_manager, TaskManager):
        raise limits.wrong(what, "the TaskManager", task_manager)
    return task_manager.runtime.engine()


async def _drain(task_manager: TaskManager, timeout: float, *, delayed: bool | float) -> None:
    look = _Look(task_manager, delayed=delayed)
    deadline = SYSTEM_CLOCK.monotonic() + timeout
    pause = _FIRST_PAUSE_SECONDS
    while True:
        ended = look.ended
        left = look.held() or await look.stored() or look.held()
        # If one ended meanwhile, it may have added another that came too late to be seen.
        if not left and ended == look.ended:
            return
        if SYSTEM_CLOCK.monotonic() >= deadline:
            known = {task.task_id: task for task in [*await look.stored(), *look.held()]}
            raise TimeoutError(_complaint(task_manager, list(known.values()), timeout))
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class _Look:
    """What is due or runs, here and in the store."""

    def __init__(self, task_manager: TaskManager, *, delayed: bool | float) -> None:
        self._task_manager = task_manager
        self._engine = task_manager.runtime.engine()
        self._always = delayed is True
        seconds = 0.0 if isinstance(delayed, bool) else limits.span("delayed", delayed)
        self._ahead = timedelta(seconds=seconds)

    @property
    def ended(self) -> int:
        """Tasks that have ended here since the start."""
        return sum(queue["finished"] for queue in self._task_manager.queue_stats())

    def held(self) -> list[TaskRecord]:
        """Of the tasks that this process holds."""
        return self._awaited(task.record for task in self._engine.store.held() if task.held)

    async def stored(self) -> list[TaskRecord]:
        """Of the tasks in the store, at one moment for each page."""
        await reading.catch_up(self._engine)
        found: list[TaskRecord] = []
        cursor: str | None = None
        while True:
            page = await self._engine.backend.search(_OPEN, limit=_PAGE, cursor=cursor)
            found += self._awaited(stored.record for stored in page.tasks)
            cursor = page.cursor
            if cursor is None:
                return found

    def _awaited(self, records: Iterable[TaskRecord]) -> list[TaskRecord]:
        paused = {queue["name"] for queue in self._task_manager.queue_stats() if queue["paused"]}
        until = SYSTEM_CLOCK.now() + self._ahead

        def is_awaited(task: TaskRecord) -> bool:
            if task.status is TaskStatus.RUNNING:
                return True
            due = self._always or task.due_at is None or task.due_at <= until
            return due and task.status is TaskStatus.PENDING and task.queue not in paused

        return list(filter(is_awaited, records))


def _complaint(task_manager: TaskManager, left: Sequence[TaskRecord], timeout: float) -> str:
    known = task_manager.registry.names()
    lines = [
        f"{task.func_name} ({task.task_id}) is {task.status.value}"
        + ("" if task.func_name in known else ", and no function of this name is registered here")
        + ("" if task.due_at is None else f", due {task.due_at.isoformat(timespec='seconds')}")
        for task in left[:_TOLD]
    ]
    if len(left) > _TOLD:
        lines.append(f"and {len(left) - _TOLD} more")
    told = "; ".join(lines) or "each that ended was followed by another"
    return f"Not drained within {timeout:g} s: {told}"
