"""Which instances work on one store, and which functions they and the store know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fastapi_taskflow.backends.base import Peer, Query
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.executors import ExecutorState, local_executors
from fastapi_taskflow.operations.metrics import FunctionMetrics, metrics, without_tasks
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Function", "Instance", "functions", "instances"]

# Of a function's waiting tasks so many are looked at, newest first.
_SAMPLE = 100


class Instance(NamedTuple):
    """An instance that has enlisted and not said goodbye.

    Attributes:
        this: It is the one that asks.
        executors: By name.
    """

    peer: Peer
    this: bool
    executors: list[ExecutorState]


async def instances(desk: Desk) -> list[Instance]:
    """All instances on the store, the oldest first."""
    engine = desk.engine
    signals = await engine.backend.signals(engine.instance_id)
    found = []
    for peer in signals.peers:
        if peer.info.instance_id != engine.instance_id:
            executors = [ExecutorState(*one, None) for one in sorted(peer.info.executors.items())]
            found.append(Instance(peer, False, executors))
            continue
        # Newer than its last heartbeat.
        executors = local_executors(engine)
        running = sum(one.running or 0 for one in executors)
        now = peer._replace(running=running, draining=engine.draining)
        found.append(Instance(now, True, executors))
    return sorted(found, key=lambda one: (one.peer.info.started_at, one.peer.info.instance_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function, by the name that its tasks have.

    Attributes:
        registered: Its settings here; None where this process does not have it.
        numbers: Of its tasks on all instances.
        instances: Ids of those that can run it, sorted.
        stranded: Tasks of it wait in the store, and nobody can run them.
        unreadable: Why this process could not read stored tasks of it lately; they wait for
            an instance that can. None: it could.
    """

    name: str
    registered: Registered | None
    numbers: FunctionMetrics
    instances: tuple[str, ...]
    stranded: bool
    unreadable: str | None


async def functions(desk: Desk) -> list[Function]:
    """Every function that this process, another instance or the store knows, by name."""
    engine = desk.engine
    numbers = {one.func_name: one for one in (await metrics(desk)).functions}
    known = set(engine.registry.names()) | numbers.keys()
    able: dict[str, list[str]] = {}
    for info in await desk.living():
        known |= info.functions
        if "execute" in info.roles:
            for name in info.functions:
                able.setdefault(name, []).append(info.instance_id)
    unreadable = engine.unreadable.functions()
    found = []
    for name in sorted(known):
        its = numbers.get(name) or without_tasks(name)
        runners = tuple(sorted(able.get(name, ())))
        found.append(
            Function(
                name=name,
                registered=engine.registry.by_name(name),
                numbers=its,
                instances=runners,
                stranded=its.pending > 0 and not runners and await _waits(engine, name),
                unreadable=unreadable.get(name),
            )
        )
    return found


async def _waits(engine: Engine, name: str) -> bool:
    """A task of it is free to be claimed. Others wait in the process that will run them."""
    query = Query(statuses=frozenset({TaskStatus.PENDING}), func_name=name)
    page = await engine.backend.search(query, limit=_SAMPLE)
    return any(task.persist and task.owner is None for task in page.tasks)
