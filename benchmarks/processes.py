"""Plain functions in child processes, against a warm `concurrent.futures.ProcessPoolExecutor`.

Ours are tasks of a manager in memory, from the call of `enqueue` until `result` has their end, or
until the store has all of them; the peer is ``submit(...).result()``. Both have two children,
started by ``spawn``.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.figures import Bar, Figure, compare
from benchmarks.work import noop, takes
from fastapi_taskflow import TaskManager
from fastapi_taskflow.backends.base import Query

__all__ = ["BIG", "CHILDREN", "Effort", "Ours", "measure"]

GROUP = "Tasks in processes, against concurrent.futures"
CHILDREN = 2
BIG = b"x" * 10_000_000
# Of a round's calls with a large argument.
BIG_CALLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    calls: int


class Ours:
    """A manager in memory. Nobody observes it: that has a price of its own."""

    def __init__(self) -> None:
        self.manager = TaskManager(max_process_workers=CHILDREN)
        for func in (noop, takes):
            self.manager.task(executor="process")(func)

    def _finished(self) -> int:
        return sum(queue["finished"] for queue in self.manager.queue_stats())

    async def run(self, calls: int, func: Callable[..., Any], *args: Any) -> float:
        """Seconds until the store says SUCCESS of so many tasks, all added at once."""
        finished = self._finished() + calls
        begun = perf_counter()
        added = [await self.manager.enqueue(func, *args) for _ in range(calls)]
        # To look takes the time of several tasks: not before about all of them have ended.
        await self.manager.result(added[-1].task_id)
        while self._finished() < finished:  # noqa: ASYNC110  (looking is all there is)
            await asyncio.sleep(0.001)
        await self.manager.operations.search(Query(), limit=1)  # all of it is written
        return perf_counter() - begun

    async def one_by_one(self, calls: int, func: Callable[..., Any], *args: Any) -> float:
        """Median seconds from `enqueue` until `result` tells of its end."""
        taken: list[float] = []
        for _ in range(calls):
            begun = perf_counter()
            await self.manager.result((await self.manager.enqueue(func, *args)).task_id)
            taken.append(perf_counter() - begun)
        return median(taken)


def peer_one_by_one(
    pool: ProcessPoolExecutor, calls: int, func: Callable[..., Any], *args: Any
) -> float:
    taken: list[float] = []
    for _ in range(calls):
        begun = perf_counter()
        pool.submit(func, *args).result()
        taken.append(perf_counter() - begun)
    return median(taken)


def peer_run(pool: ProcessPoolExecutor, calls: int, func: Callable[..., Any]) -> float:
    begun = perf_counter()
    for future in [pool.submit(func) for _ in range(calls)]:
        future.result()
    return perf_counter() - begun


async def measure(effort: Effort) -> list[Figure]:
    ours = Ours()
    trips: list[tuple[float, float]] = []
    rates: list[tuple[float, float]] = []
    big: list[tuple[float, float]] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CHILDREN, context) as pool:
        async with ours.manager:
            for number in range(effort.rounds + 1):
                gc.collect()
                calls = effort.calls
                # The peer on a thread: the event loop is not to be blocked while it waits.
                trip = (
                    await ours.one_by_one(calls, noop) * 1e6,
                    await asyncio.to_thread(peer_one_by_one, pool, calls, noop) * 1e6,
                )
                rate = (
                    calls / await ours.run(calls, noop),
                    calls / await asyncio.to_thread(peer_run, pool, calls, noop),
                )
                large = (
                    await ours.one_by_one(BIG_CALLS, takes, BIG) * 1e3,
                    await asyncio.to_thread(peer_one_by_one, pool, BIG_CALLS, takes, BIG) * 1e3,
                )
                if number:  # the first round starts the children
                    trips.append(trip)
                    rates.append(rate)
                    big.append(large)
    return [
        compare(GROUP, "round trip of a no-op", "us", trips, Bar(limit=1.3, aim=0.8)),
        compare(GROUP, "throughput of no-ops", "tasks/s", rates, Bar(limit=1, at_least=True)),
        compare(GROUP, "round trip with 10 MB", "ms", big, Bar(limit=1.3)),
    ]
