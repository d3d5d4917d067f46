"""Where functions run: how many at a time, and how many do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import InstanceInfo, Tally
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["ExecutorState", "by_local_queue", "by_queue", "local_executors", "slots_of"]


class ExecutorState(NamedTuple):
    """One executor.

    Attributes:
        slots: Runs that it takes at a time; None: any number.
        running: How many there are; None: only another process knows.
    """

    name: str
    slots: int | None
    running: int | None


def local_executors(engine: Engine) -> list[ExecutorState]:
    """Those of this process, by name. Runs that were asked to end count until they have."""
    pools = engine.queues.pools
    return [ExecutorState(name, pools[name].limit, pools[name].called) for name in sorted(pools)]


def by_local_queue(engine: Engine) -> dict[str, dict[str, Any]]:
    """What each queue has of tasks here: their numbers by state, and the executors that they need.

    Queues that have none are left out.
    """
    held = Counter(
        (task.record.queue, task.registered.executor, task.record.status)
        for task in engine.store.held()
        if task.held
    )
    found: dict[str, dict[str, Any]] = {}
    running: Counter[tuple[str, str]] = Counter()
    for (queue, executor, status), count in held.items():
        its = found.setdefault(queue, {})
        its[status.value] = its.get(status.value, 0) + count
        running[queue, executor] += count if status is TaskStatus.RUNNING else 0
    for (queue, name), count in sorted(running.items()):
        state = ExecutorState(name, engine.core.queues.pools[name].limit, count)
        found[queue].setdefault("executors", []).append(state._asdict())
    return found


def slots_of(infos: Iterable[InstanceInfo]) -> dict[str, int | None]:
    """Slots of all instances that run tasks of the store, by executor."""
    total: dict[str, int | None] = {}
    for info in infos:
        for name, slots in info.executors.items() if "execute" in info.roles else ():
            before = total.get(name, 0)
            total[name] = None if slots is None or before is None else before + slots
    return total


def by_queue(
    engine: Engine, tallies: Iterable[Tally], slots: Mapping[str, int | None]
) -> dict[str, list[ExecutorState]]:
    """Executors of the functions that each queue has tasks of, as far as they are known here.

    Args:
        slots: As `slots_of`.
    """
    running: dict[str, dict[str, int]] = {}
    for tally in tallies:
        registered = engine.registry.by_name(tally.func_name)
        if registered is not None:
            its = running.setdefault(tally.queue, {})
            runs = tally.rows if tally.status is TaskStatus.RUNNING else 0
            its[registered.executor] = its.get(registered.executor, 0) + runs
    return {
        queue: [
            ExecutorState(name, slots.get(name, 0), count) for name, count in sorted(its.items())
        ]
        for queue, its in running.items()
    }
