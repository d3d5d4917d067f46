"""Processes that share a server: how soon another one starts a task, and what more of them bring.

The benchmark's own process enqueues, workers run. Instants are of the machine's wall clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.figures import Bar, Figure, compare, percentile
from benchmarks.servers import POSTGRES, REDIS, Place
from benchmarks.worker import make, wait
from fastapi_taskflow import TaskManager
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.words.states import LIVE

__all__ = ["Effort", "pickup", "scaling"]

LATENCY = "Until a worker has called the function, against 5 ms"
GROWTH = "Tasks of 20 ms, 10 slots a worker, against one worker"
SERVERS = (REDIS, POSTGRES)

_LIMIT_MS = 5.0
_APART_SECONDS = 0.05
_SLOTS, _SECONDS = 10, 0.02
_BARS = {2: Bar(limit=1.8, at_least=True), 4: Bar(limit=3.4, at_least=True)}
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured. ``tasks`` of each worker are what takes ``tasks / 500`` seconds."""

    rounds: int
    samples: int
    tasks: int


def pickup(effort: Effort) -> list[Figure]:
    """Latencies of tasks that come one by one."""
    figures = []
    for server in SERVERS:
        rounds = [_latencies(server, effort.samples) for _ in range(effort.rounds)]
        for kind, of in enumerate(("call", "return")):
            for share in (0.5, 0.99):
                pairs = [(percentile(one[kind], share), _LIMIT_MS) for one in rounds]
                name = f"{server.name}, p{share * 100:.0f} from the {of} of enqueue"
                bar = Bar(limit=1) if share == 0.5 else None
                figures.append(compare(LATENCY, name, "ms", pairs, bar))
    return figures


def _latencies(server: Place, samples: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call of ``enqueue``, and from its return."""
    with server.emptied() as url:
        called, returned, began = asyncio.run(_one_by_one(url, samples))
    assert len(began) == samples
    return (
        [(began[number] - at) * 1e3 for number, at in enumerate(called)],
        [(began[number] - at) * 1e3 for number, at in enumerate(returned)],
    )


async def _one_by_one(url: str, samples: int) -> tuple[list[float], list[float], dict[int, float]]:
    called, returned = [], []
    async with make(url, ("enqueue",)) as manager, _worker(url, 100) as worker:
        for number in range(samples):
            called.append(time.time())
            await manager.enqueue(wait, number, 0.0)
            returned.append(time.time())
            await asyncio.sleep(_APART_SECONDS)
        await _ended(manager)
        return called, returned, await _told(worker)


def scaling(effort: Effort) -> list[Figure]:
    """Tasks per second of several workers, each number right after one alone."""
    figures = []
    for server in SERVERS:
        for workers, bar in _BARS.items():
            rounds = []
            for _ in range(effort.rounds):
                alone = _rate(server, 1, effort.tasks)
                rounds.append((_rate(server, workers, effort.tasks), alone))
            name = f"{workers} workers, {server.name}"
            figures.append(compare(GROWTH, name, "tasks/s", rounds, bar))
    return figures


def _rate(server: Place, workers: int, tasks: int) -> float:
    """Calls per second, of the middle eight tenths of a backlog."""
    with server.emptied() as url:
        instants = sorted(asyncio.run(_began(url, workers, workers * tasks)))
    assert len(instants) == workers * tasks
    first, last = len(instants) // 10, len(instants) * 9 // 10
    return (last - first) / (instants[last] - instants[first])


async def _began(url: str, workers: int, tasks: int) -> list[float]:
    async with make(url, ("enqueue",)) as manager, AsyncExitStack() as stack:
        await manager.enqueue_many(manager.call(wait, n, _SECONDS) for n in range(tasks))
        starting = [stack.enter_async_context(_worker(url, _SLOTS)) for _ in range(workers)]
        fleet = await asyncio.gather(*starting)
        await _ended(manager)
        return [at for worker in fleet for at in (await _told(worker)).values()]


async def _ended(manager: TaskManager) -> None:
    """All tasks of the store have ended."""
    while (await manager.operations.count(Query(statuses=LIVE), cap=1)).number:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def _worker(url: str, slots: int) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "benchmarks.worker", url, str(slots)]
    worker = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=2**24)
    try:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def _told(worker: Process) -> dict[int, float]:
    """When each of its calls began; it ends."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.close()
    found = json.loads(await worker.stdout.readline())
    return {int(number): at for number, at in found.items()}
