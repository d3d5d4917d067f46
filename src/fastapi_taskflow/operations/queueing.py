"""Queues: their limits and numbers, and changes to them for every instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fastapi_taskflow.engine.core.queues import QueueState
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import QueueNotFound
from fastapi_taskflow.words.models import QueueConfig, TaskStatus
from fastapi_taskflow.words.quoting import quoted

__all__ = ["local_queues", "pause", "queues", "resume", "update_queue", "update_queue_soon"]

# All other states are "finished".
_APART = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.REJECTED})


async def queues(desk: Desk) -> list[dict[str, Any]]:
    """Limits and numbers of every queue, over all instances, by name."""
    engine = desk.engine
    await catch_up(engine)
    stats = _limits(engine.queues)
    for tally in await engine.backend.tally():
        if tally.queue in stats:
            apart = tally.status in _APART
            stats[tally.queue][tally.status.value if apart else "finished"] += tally.rows
    return list(stats.values())


def local_queues(runtime: Runtime) -> list[dict[str, Any]]:
    """Limits of every queue, and its numbers on this instance since its start, by name."""
    engine = runtime.running_engine()
    if engine is None:
        known = {DEFAULT_QUEUE: QueueConfig(), **runtime.settings.queues}
        return list(_limits(QueueState(name, config) for name, config in known.items()).values())
    stats = _limits(engine.queues)
    for state in engine.queues:
        stats[state.name].update(finished=state.finished, rejected=state.rejected)
    for task in engine.store.held():
        if task.held:
            stats[task.record.queue][task.record.status.value] += 1
    return list(stats.values())


def _limits(states: Iterable[QueueState]) -> dict[str, dict[str, Any]]:
    """Without numbers, in the order of their names."""
    numbers = {"pending": 0, "running": 0, "finished": 0, "rejected": 0}
    return {
        state.name: {
            "name": state.name,
            "concurrency": state.concurrency,
            "max_size": state.max_size,
            "paused": state.paused,
            **numbers,
        }
        for state in sorted(states, key=lambda one: one.name)
    }


async def pause(desk: Desk, queue: str, *, actor: str = ANONYMOUS) -> None:
    """Start nothing more of a queue, on any instance, until `resume`.

    Raises:
        QueueNotFound: no such queue.
    """
    await _set(desk, "pause", queue, {"paused": True}, actor)


async def resume(desk: Desk, queue: str, *, actor: str = ANONYMOUS) -> None:
    """Let a paused queue go on.

    Raises:
        QueueNotFound: no such queue.
    """
    await _set(desk, "resume", queue, {"paused": False}, actor)


async def update_queue(
    desk: Desk, queue: str, changes: Mapping[str, int | None], *, actor: str = ANONYMOUS
) -> QueueConfig:
    """Set limits of a queue for every instance, now and after a restart.

    Args:
        changes: ``concurrency`` and ``max_size``; what is absent stays as it is.

    Raises:
        QueueNotFound: no such queue.
        ConfigurationError: a limit that cannot work.
    """
    checked = _checked(desk.engine, queue, changes)
    return await _set(desk, "update_queue", queue, checked, actor)


def update_queue_soon(desk: Desk, queue: str, changes: Mapping[str, int | None]) -> None:
    """As `update_queue`, here at once and stored in the background; from any thread."""
    engine = desk.engine
    checked = _checked(engine, queue, changes)
    engine.queues.get(queue).change(checked)

    def store() -> None:
        engine.dispatcher.pump()
        engine.core.supervisor.spawn(update_queue(desk, queue, checked), "update queue")

    engine.loop.call_soon_threadsafe(store)


async def _set(
    desk: Desk, action: str, queue: str, changes: dict[str, Any], actor: str
) -> QueueConfig:
    engine = desk.engine
    _check(engine, queue)
    state = engine.queues.get(queue)
    with engine.queues.changing():
        state.override(await engine.backend.set_queue(queue, changes))
    engine.dispatcher.pump()
    engine.hints.hint(queue)
    await desk.note(action, queue, actor, changes)
    return QueueConfig(state.concurrency, state.max_size, state.paused)


def _check(engine: Engine, queue: str) -> None:
    names = sorted(engine.queues.names())
    if not isinstance(queue, str) or queue not in names:
        known = f"{limits.near(queue, names)} Queues: {', '.join(names)}"
        raise QueueNotFound(f"No queue is named {quoted(queue)}.{known}")


def _checked(engine: Engine, queue: str, changes: Mapping[str, Any]) -> dict[str, int | None]:
    _check(engine, queue)
    checked = replace(QueueConfig(), **changes)
    return {name: getattr(checked, name) for name in changes}
