"""Queues: their limits and numbers, and changes to them for every instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fastapi_taskflow.engine.core.queuestate import QueueState
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.executors import by_local_queue, by_queue, slots_of
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import QueueNotFound
from fastapi_taskflow.words.models import QueueConfig, TaskStatus
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "drain",
    "local_queues",
    "pause",
    "queues",
    "resume",
    "update_queue",
    "update_queue_soon",
]

# All other states are "finished".
_APART = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.REJECTED})


async def queues(desk: Desk) -> list[dict[str, Any]]:
    """Limits, numbers and executors of every queue, over all instances, by name.

    ``waiting_since`` says, in ISO 8601, when the first of its tasks fell due that have not
    started; None: none is due.
    """
    engine = desk.engine
    await catch_up(engine)
    stats = _limits(engine.queues)
    tallies = await engine.backend.tally()
    executors = by_queue(engine, tallies, slots_of(await desk.living()))
    for name, its in stats.items():
        its["executors"] = [one._asdict() for one in executors.get(name, ())]
    for tally in tallies:
        if tally.queue in stats:
            apart = tally.status in _APART
            stats[tally.queue][tally.status.value if apart else "finished"] += tally.rows
    waiting = [name for name, its in stats.items() if its["pending"]]
    since = await engine.backend.waiting_since(waiting)
    for name, its in stats.items():
        its["waiting_since"] = since[name].isoformat() if name in since else None
        if "draining" in its:
            its["drained"] = its["pending"] + its["running"] == 0
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
    for name, its in by_local_queue(engine).items():
        stats[name].update(its)
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
            **({"draining": True} if state.draining else {}),
            **_global(state),
            **numbers,
        }
        for state in sorted(states, key=lambda one: one.name)
    }


def _global(state: QueueState) -> dict[str, int | str | None]:
    """Limits over all instances, of a queue that has any: others look as they always did."""
    if state.limit is None:
        return {}
    return {"global_concurrency": state.global_concurrency, "rate_limit": state.rate_limit}


async def pause(desk: Desk, queue: str, *, actor: str = ANONYMOUS) -> None:
    """Start nothing more of a queue, on any instance, until `resume`.

    Raises:
        QueueNotFound: no such queue.
    """
    await _set(desk, "pause", queue, {"paused": True}, actor)


async def drain(desk: Desk, queue: str, *, actor: str = ANONYMOUS) -> None:
    """Take no new tasks in a queue, on any instance, until `resume`; work off what it has.

    `queues` says ``drained`` when nothing of it waits or runs. What is added meanwhile is refused
    as by a full queue.

    Raises:
        QueueNotFound: no such queue.
    """
    await _set(desk, "drain", queue, {"draining": True}, actor)


async def resume(desk: Desk, queue: str, *, actor: str = ANONYMOUS) -> None:
    """Let a queue go on that is paused or drains.

    Raises:
        QueueNotFound: no such queue.
    """
    engine = desk.engine
    stored = (await engine.backend.signals(engine.instance_id)).queues.get(queue, {})
    also = {"draining": False} if stored.get("draining") else {}
    await _set(desk, "resume", queue, {"paused": False, **also}, actor)


async def update_queue(
    desk: Desk, queue: str, changes: Mapping[str, int | str | None], *, actor: str = ANONYMOUS
) -> QueueConfig:
    """Set limits of a queue for every instance, now and after a restart.

    Args:
        changes: Limits by the names of a `QueueConfig`; what is absent stays as it is.

    Raises:
        QueueNotFound: no such queue.
        ConfigurationError: a limit that cannot work.
    """
    checked = _checked(desk.engine, queue, changes)
    before = _limits_of(desk.engine, queue, checked)
    return await _set(desk, "update_queue", queue, checked, actor, before)


def update_queue_soon(desk: Desk, queue: str, changes: Mapping[str, int | str | None]) -> None:
    """As `update_queue`, here at once and stored in the background; from any thread."""
    engine = desk.engine
    checked = _checked(engine, queue, changes)
    engine.queues.get(queue).change(checked)
    engine.queues.unstored.append((queue, checked))

    def store() -> None:
        engine.dispatcher.pump()
        engine.core.supervisor.spawn(_store_others(desk), "update queue")

    engine.loop.call_soon_threadsafe(store)


def _limits_of(engine: Engine, queue: str, names: Iterable[str]) -> dict[str, Any]:
    state = engine.queues.get(queue)
    return {name: getattr(state, name) for name in names}


async def _store_others(desk: Desk) -> None:
    """What was to be stored soon, in order."""
    engine = desk.engine
    async with engine.queues.order:
        while engine.queues.unstored:
            queue, changes = engine.queues.unstored[0]
            try:
                await _store(engine, queue, changes)
            except Exception:
                # The store will not have it. After a cancellation whoever comes next stores it.
                engine.queues.unstored.popleft()
                raise
            engine.queues.unstored.popleft()
            await desk.note("update_queue", queue, ANONYMOUS, dict(changes))


async def _store(engine: Engine, queue: str, changes: Mapping[str, Any]) -> None:
    with engine.queues.changing():
        engine.queues.override(queue, await engine.backend.set_queue(queue, changes))
    engine.dispatcher.pump()
    engine.hints.hint(queue)


async def _set(
    desk: Desk,
    action: str,
    queue: str,
    changes: dict[str, Any],
    actor: str,
    before: dict[str, Any] | None = None,
) -> QueueConfig:
    engine = desk.engine
    _check(engine, queue)
    state = engine.queues.get(queue)
    await _store_others(desk)
    async with engine.queues.order:
        await _store(engine, queue, changes)
    told = changes if before is None else {"before": before, "after": changes}
    await desk.note(action, queue, actor, told)
    return QueueConfig(
        state.concurrency,
        state.max_size,
        state.paused,
        state.global_concurrency,
        state.rate_limit,
    )


def _check(engine: Engine, queue: str) -> None:
    names = sorted(engine.queues.names())
    if not isinstance(queue, str) or queue not in names:
        known = f"{limits.near(queue, names)} Queues: {', '.join(names)}"
        raise QueueNotFound(f"No queue is named {quoted(queue)}.{known}")


def _checked(engine: Engine, queue: str, changes: Mapping[str, Any]) -> dict[str, int | str | None]:
    _check(engine, queue)
    checked = replace(QueueConfig(), **changes)
    return {name: getattr(checked, name) for name in changes}
