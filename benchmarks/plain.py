"""Durable plain functions end to end, against Huey's consumer and our own coroutines.

All do nothing, and all are on SQLite with the same ``synchronous``. Huey enqueues from one
thread, as it does in an endpoint, and runs with eight worker threads and without results.
"""

from __future__ import annotations

import importlib.util
import itertools
import threading
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.engine import Bench
from benchmarks.figures import Bar, Figure, compare

__all__ = ["Effort", "measure"]

GROUP = "Durable no-ops end to end, plain function"
WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    tasks: int


class Peer:
    """Huey on a file, with a consumer in this process."""

    def __init__(self, db: Path) -> None:
        huey: Any = importlib.import_module("huey")
        self._huey = huey.SqliteHuey(filename=str(db), fsync=True, results=False)
        self._ran = itertools.count(1)
        self._done = threading.Event()
        self._until = 0

        @self._huey.task()  # type: ignore[untyped-decorator]
        def noop() -> None:
            if next(self._ran) == self._until:
                self._done.set()

        self._noop = noop

    def run(self, tasks: int) -> float:
        """Tasks per second."""
        consumer = self._huey.create_consumer(workers=WORKERS, periodic=False, initial_delay=0.01)
        consumer.start()
        self._done.clear()
        self._until += tasks
        begun = perf_counter()
        for _ in range(tasks):
            self._noop()
        assert self._done.wait(120)
        taken = perf_counter() - begun
        consumer.stop(graceful=True)
        return tasks / taken


async def measure(effort: Effort, folder: Path) -> list[Figure]:
    peer = Peer(folder / "huey.db") if importlib.util.find_spec("huey") else None
    against_huey: list[tuple[float, float]] = []
    against_async: list[tuple[float, float]] = []
    async with AsyncExitStack() as stack:
        plain = Bench(folder / "plain.db", plain=True, max_sync_threads=WORKERS)
        other = Bench(folder / "coroutine.db")
        for bench in (plain, other):
            await stack.enter_async_context(bench.manager)
        for number in range(effort.rounds + 1):
            ours = effort.tasks / await plain.run(effort.tasks, plain.crowd)
            coroutines = effort.tasks / await other.run(effort.tasks, other.crowd)
            # On this thread, because its consumer handles signals. Ours has nothing to do.
            hueys = peer.run(effort.tasks // 4) if peer else 0.0
            if number:  # the first round warms up
                against_async.append((ours, coroutines))
                against_huey.append((ours, hueys))
    figures = [
        compare(
            GROUP, "against a coroutine", "tasks/s", against_async, Bar(limit=0.5, at_least=True)
        )
    ]
    if peer is not None:
        bar = Bar(limit=3, at_least=True)
        title = f"against Huey, {WORKERS} threads"
        figures.append(compare(GROUP, title, "tasks/s", against_huey, bar))
    return figures
