"""Tasks end to end in one process, against a loop that calls `asyncio.create_task`.

The same no-op runs in both. A bare task ends when it was awaited, ours when its record says
so, which for a durable task means that its end is committed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, perf_counter_ns

from benchmarks.figures import Bar, Figure, compare, percentile
from fastapi_taskflow import TaskManager
from fastapi_taskflow.backends.base import Query

__all__ = ["Bench", "Effort", "measure"]

GROUP = "Tasks end to end, against bare create_task"
LATENCY = "From enqueue to the function's first line"

# Tasks that are under way together; with a thousand, the loop's own cost is spread as it is
# for a busy app.
BURST = 1_000
# Enqueues that wait for their commit together.
PRODUCERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    tasks: int
    durable_tasks: int
    samples: int


class Counter:
    def __init__(self) -> None:
        self.calls = 0
        # One for each call on a thread.
        self.threads: list[None] = []

    @property
    def total(self) -> int:
        return self.calls + len(self.threads)


class Bench:
    """A manager with one task that does nothing but count."""

    def __init__(
        self, db: Path | None, *, plain: bool = False, max_sync_threads: int | None = None
    ) -> None:
        self.manager = TaskManager(snapshot_db=db, max_sync_threads=max_sync_threads)
        self.counter = Counter()

        async def noop() -> None:
            self.counter.calls += 1

        def plain_noop() -> None:
            # One step under the interpreter's lock: another lock would be what is measured.
            self.counter.threads.append(None)

        register = self.manager.task(persist=db is not None)
        self.noop: Callable[[], object] = register(plain_noop) if plain else register(noop)

    def finished(self) -> int:
        return sum(queue["finished"] for queue in self.manager.queue_stats())

    async def run(self, tasks: int, produce: Callable[[int], Awaitable[None]]) -> float:
        """Seconds until ``tasks`` tasks are finished."""
        calls, finished = self.counter.total + tasks, self.finished() + tasks
        begun = perf_counter()
        await produce(tasks)
        while self.finished() < finished:  # noqa: ASYNC110  (looking is all there is)
            await asyncio.sleep(0.0005)
        taken = perf_counter() - begun
        assert self.counter.total == calls
        return taken

    async def burst(self, tasks: int) -> None:
        for _ in range(tasks // BURST):
            for _ in range(BURST):
                await self.manager.enqueue(self.noop)
            await asyncio.sleep(0)

    async def crowd(self, tasks: int) -> None:
        remaining = iter(range(tasks))

        async def producer() -> None:
            for _ in remaining:
                await self.manager.enqueue(self.noop)

        async with asyncio.TaskGroup() as group:
            for _ in range(PRODUCERS):
                group.create_task(producer())

    async def written(self) -> None:
        """Until the store shows everything that happened."""
        await self.manager.operations.search(Query(), limit=1)


async def bare(tasks: int) -> float:
    """Seconds for ``tasks`` bare asyncio tasks."""
    counter = Counter()

    async def noop() -> None:
        counter.calls += 1

    begun = perf_counter()
    for _ in range(tasks // BURST):
        burst = [asyncio.create_task(noop()) for _ in range(BURST)]
        await asyncio.sleep(0)
        for task in burst:
            await task
    assert counter.calls == tasks
    return perf_counter() - begun


async def measure(effort: Effort, folder: Path) -> list[Figure]:
    async with _started(None) as memory, _started(folder / "bench.db") as durable:
        return [
            *await _end_to_end(effort, memory, durable),
            *await _latencies(effort, memory, durable),
        ]


@asynccontextmanager
async def _started(db: Path | None) -> AsyncIterator[Bench]:
    bench = Bench(db)
    async with bench.manager:
        yield bench


async def _end_to_end(effort: Effort, memory: Bench, durable: Bench) -> list[Figure]:
    in_memory: list[tuple[float, float]] = []
    written: list[tuple[float, float]] = []
    stored: list[tuple[float, float]] = []
    for number in range(effort.rounds + 1):
        gc.collect()
        peer = await bare(effort.tasks) / effort.tasks * 1e6
        begun = perf_counter()
        ours = await memory.run(effort.tasks, memory.burst) / effort.tasks * 1e6
        await memory.written()
        with_writes = (perf_counter() - begun) / effort.tasks * 1e6
        on_disk = await durable.run(effort.durable_tasks, durable.crowd)
        if number:  # the first round warms up
            in_memory.append((ours, peer))
            written.append((with_writes, peer))
            stored.append((on_disk / effort.durable_tasks * 1e6, peer))
    return [
        compare(GROUP, "in memory", "us/task", in_memory, Bar(limit=10, aim=6)),
        compare(GROUP, "in memory, records written behind", "us/task", written),
        compare(GROUP, "durable, SQLite, FULL sync", "us/task", stored, Bar(limit=36, aim=20)),
    ]


async def _latencies(effort: Effort, memory: Bench, durable: Bench) -> list[Figure]:
    p50: dict[str, list[tuple[float, float]]] = {"in memory": [], "durable": []}
    p99: dict[str, list[tuple[float, float]]] = {"in memory": [], "durable": []}
    for number in range(effort.rounds + 1):
        gc.collect()
        peer = await _bare_latency(effort.samples)
        for name, bench in (("in memory", memory), ("durable", durable)):
            samples = effort.samples if bench is memory else effort.samples // 10
            ours = await _latency(bench, samples, number)
            if number:
                p50[name].append((percentile(ours, 0.5), percentile(peer, 0.5)))
                p99[name].append((percentile(ours, 0.99), percentile(peer, 0.99)))
    return [
        compare(LATENCY, "p50, in memory", "us", p50["in memory"], Bar(limit=3)),
        compare(LATENCY, "p99, in memory", "us", p99["in memory"]),
        compare(LATENCY, "p50, durable", "us", p50["durable"]),
        compare(LATENCY, "p99, durable", "us", p99["durable"]),
    ]


class Mark:
    """A task's function that says when it was called."""

    def __init__(self) -> None:
        self.at = 0
        self.reached = asyncio.Event()

    async def __call__(self) -> None:
        self.at = perf_counter_ns()
        self.reached.set()


async def _bare_latency(samples: int) -> list[float]:
    mark = Mark()
    taken: list[float] = []
    for _ in range(samples):
        begun = perf_counter_ns()
        task = asyncio.create_task(mark())
        await mark.reached.wait()
        mark.reached.clear()
        taken.append((mark.at - begun) / 1e3)
        await task
    return taken


async def _latency(bench: Bench, samples: int, number: int) -> list[float]:
    """Microseconds from the call of `enqueue` to the function, one task at a time."""
    mark = Mark()

    async def marked() -> None:
        await mark()

    # Of its own name in each round: it is another function then.
    register = bench.manager.task(name=f"marked_{number}", persist=bench.manager.runtime.persistent)
    register(marked)
    taken: list[float] = []
    for _ in range(samples):
        begun = perf_counter_ns()
        enqueued = await bench.manager.enqueue(marked)
        await mark.reached.wait()
        mark.reached.clear()
        taken.append((mark.at - begun) / 1e3)
        await _ended(bench.manager, enqueued.task_id)
    return taken


async def _ended(manager: TaskManager, task_id: str) -> None:
    while True:
        record = manager.store.get(task_id)
        if record is None or record.end_time is not None:
            return
        await asyncio.sleep(0)
