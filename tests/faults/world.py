"""Engines on one store that fails: what was accepted, what was done, what must come of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fastapi_taskflow import (
    Backend,
    Cancel,
    MemoryBackend,
    QueueConfig,
    Snooze,
    SqliteBackend,
    StoreUnavailable,
    TaskManager,
    TaskStatus,
    get_task_context,
)
from fastapi_taskflow.backends.base import StoredTask
from fastapi_taskflow.words.states import TERMINAL
from tests.support.waiting import wait_until
from trust.faulty import Fault, FaultyBackend

T = TypeVar("T")

DRAIN = 0.2
# A fault costs a service half a second, then it goes on.
PATIENCE = 90.0
TRIES = 50
# For a night: every look and every heartbeat goes wrong, and chance throws more often.
LONG = bool(os.environ.get("TASKFLOW_LONG_FAULTS"))
# Of each kind of look; most later ones find what these found.
POLLS = 0 if LONG else 3


class Boom(Exception):
    """A task fails on purpose."""


@dataclass(frozen=True)
class Right:
    """What must become of a task: its state, its effects, its counted failures."""

    status: TaskStatus
    effects: int
    failures: int = 0
    most_starts: int | None = None


class World:
    """One store and the managers on it; only the first one's calls go wrong."""

    def __init__(
        self, open_store: Callable[[], Backend], fault: Fault, n: int, *, odds: float = 0.0
    ) -> None:
        self._open_store = open_store
        self._fault = fault
        self._n = n
        self._odds = odds
        self._started: list[TaskManager] = []
        self.backends: list[FaultyBackend] = []
        self.truth = open_store()
        # Accepted tasks, and what must become of them.
        self.rights: dict[str, Right] = {}
        self.starts: list[tuple[str, int]] = []
        self.effects: list[str] = []
        self.release = asyncio.Event()

    @property
    def struck(self) -> list[str]:
        return [verb for backend in self.backends for verb in backend.struck]

    # Managers

    def manager(self, *, faulty: bool = True, **settings: Any) -> TaskManager:
        """A manager with all functions."""
        backend = FaultyBackend(
            self._open_store(),
            self._fault,
            self._n if faulty else 0,
            polls=POLLS,
            odds=self._odds if faulty else 0.0,
        )
        self.backends.append(backend)
        manager = TaskManager(
            snapshot_backend=backend,
            drain_timeout=DRAIN,
            heartbeat_interval=0.05,
            instance_ttl=settings.pop("instance_ttl", 10.0),
            queues={"paused": QueueConfig(max_size=2, paused=True)},
            **settings,
        )
        manager.runtime.settings = replace(
            manager.runtime.settings, watch_interval=0.02, write_behind=0.005
        )
        self._register(manager)
        return manager

    async def start(self, manager: TaskManager) -> None:
        """Start, again if the store was not there the first time."""
        await self.insist(manager.startup)
        self._started.append(manager)

    async def stop(self, manager: TaskManager) -> None:
        """Stop, whatever the store does; it takes a bounded time."""
        await asyncio.wait_for(manager.shutdown(), 180)
        self._started.remove(manager)

    async def crash(self, manager: TaskManager) -> None:
        """Cut a manager off from its store, and free its locks, as its death would."""
        backend = manager.runtime.backend
        assert isinstance(backend, FaultyBackend)
        backend.fall()
        # What it runs is never released.
        self.release = asyncio.Event()
        if isinstance(backend.inner, SqliteBackend):
            await backend.inner.close()

    # Functions

    def _register(self, manager: TaskManager) -> None:
        for name, options in FUNCTIONS.items():
            manager.task(name=name, **options)(getattr(self, f"do_{name}"))

    def _begin(self) -> tuple[str, int]:
        context = get_task_context()
        assert context is not None
        self.starts.append((context.task_id, context.attempt))
        return context.task_id, context.attempt

    async def do_plain(self) -> None:
        self.effects.append(self._begin()[0])

    def do_threaded(self) -> None:
        self.effects.append(self._begin()[0])

    async def do_numbered(self, number: int) -> None:
        self.effects.append(self._begin()[0])

    async def do_flaky(self, failures: int) -> None:
        task_id, attempt = self._begin()
        if attempt < failures:
            raise Boom
        self.effects.append(task_id)

    async def do_held(self) -> None:
        task_id, _ = self._begin()
        await self.release.wait()
        self.effects.append(task_id)

    async def do_held_requeueable(self) -> None:
        await self.do_held()

    async def do_sleepy(self) -> None:
        task_id, _ = self._begin()
        if len([one for one, _ in self.starts if one == task_id]) == 1:
            raise Snooze(0.01)
        self.effects.append(task_id)

    async def do_quitting(self) -> None:
        self._begin()
        raise Cancel("enough")

    async def do_endless(self) -> None:
        self._begin()
        await asyncio.Event().wait()

    async def do_fleeting(self, failures: int = 0) -> None:
        await self.do_flaky(failures)

    # Steps

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do what a user would do: try again when the store was not available."""
        for _ in range(TRIES):
            try:
                return await call()
            except StoreUnavailable:
                await asyncio.sleep(0)
        return await call()

    async def enqueue(
        self, manager: TaskManager, name: str, *args: Any, right: Right, **options: Any
    ) -> str:
        """A task that is accepted in the end, and what must become of it."""
        entry = manager.registry.by_name(name)
        assert entry is not None
        answer = await self.insist(lambda: manager.enqueue(entry.func, *args, **options))
        self.rights[answer.task_id] = right
        return answer.task_id

    async def running(self, *tasks: str) -> None:
        """Wait until the functions of these tasks have been called."""
        await wait_until(lambda: set(tasks) <= {task for task, _ in self.starts}, within=PATIENCE)

    async def stored(self, task_id: str) -> StoredTask | None:
        """The task as the store has it, asked without faults."""
        (found,) = await self.truth.get([task_id])
        return found

    async def ended(self, *tasks: str) -> None:
        """Wait until these tasks (or all accepted ones) are in a terminal state."""

        async def all_ended() -> bool:
            found = await self.truth.get(list(tasks or self.rights))
            return all(one is not None and one.record.status in TERMINAL for one in found)

        try:
            await wait_until(all_ended, within=PATIENCE, every=0.02)
        except AssertionError:
            found = await self.truth.get(list(tasks or self.rights))
            raise AssertionError(f"stuck: {[_brief(one) for one in found]}") from None

    # The end

    async def verdict(self) -> None:
        """Wait for the ends, stop, and compare with what must be."""
        await self.ended()
        for manager in sorted(self._started, key=_is_cut_off):
            await self.stop(manager)
        for task_id, right in self.rights.items():
            stored = await self.stored(task_id)
            assert stored is not None
            starts = [attempt for task, attempt in self.starts if task == task_id]
            seen = (stored.record.status, self.effects.count(task_id), stored.failures)
            wanted = (right.status, right.effects, right.failures)
            assert seen == wanted, f"{_brief(stored)}: {seen} instead of {wanted}, {starts}"
            assert stored.owner is None
            if right.most_starts is not None:
                assert len(starts) <= right.most_starts, f"started {starts}"
            elif not stored.requeue:
                assert len(starts) == len(set(starts)), f"started {starts}"

    async def clean_up(self) -> None:
        for manager in list(self._started):
            await manager.shutdown()
        await self.truth.close()


FUNCTIONS: dict[str, dict[str, Any]] = {
    "plain": {"persist": True},
    "threaded": {"persist": True},
    "numbered": {"persist": True},
    "flaky": {"persist": True, "retries": 2, "delay": 0.01},
    "held": {"persist": True},
    "held_requeueable": {"persist": True, "requeue_on_interrupt": True},
    "sleepy": {"persist": True},
    "quitting": {"persist": True},
    "endless": {"persist": True, "timeout": 0.05},
    "fleeting": {"retries": 1},
}


def _is_cut_off(manager: TaskManager) -> bool:
    backend = manager.runtime.backend
    return isinstance(backend, FaultyBackend) and backend.fallen


def _brief(task: StoredTask | None) -> str:
    if task is None:
        return "no such task"
    record = task.record
    return (
        f"{record.func_name} {record.status.value}, failures {task.failures}, owner {task.owner}, "
        f"error {record.error}"
    )


@asynccontextmanager
async def opened(
    kind: str, place: Path, fault: Fault, n: int, *, odds: float = 0.0
) -> AsyncIterator[World]:
    """A world on a new store; ``place`` is the path of its file, if it has one."""
    shared = MemoryBackend()

    def open_store() -> Backend:
        # Whether a commit is synced makes no difference to what a fault can do.
        return SqliteBackend(str(place), synchronous="NORMAL") if kind == "sqlite" else shared

    world = World(open_store, fault, n, odds=odds)
    await world.truth.open(lambda: None)
    try:
        yield world
    finally:
        await world.clean_up()
