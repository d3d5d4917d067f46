"""Very many tasks through one process: what is left of them in its memory.

`python -m trust.soak --tasks 1000000`. The tasks are of every kind that keeps something:
arguments, tags, keys, log lines, results of threads, failures, retries, cancels, own queues.
The limit is on the growth after the first tenth, when every bounded store is full.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fastapi_taskflow import QueueConfig, TaskManager, task_log
from fastapi_taskflow.models import TaskStatus

__all__ = ["Sample", "growth_mb", "soak"]

# Tasks under way at once.
_WINDOW = 500
_LIVE = (TaskStatus.PENDING, TaskStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory after so many tasks have ended."""

    tasks: int
    mb: float


def resident_mb() -> float:
    """This process's resident memory, as the system counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Load:
    """One manager, and tasks of every kind for it."""

    def __init__(self, db: Path | None, seed: int) -> None:
        self.manager = TaskManager(
            snapshot_db=db,
            queues={"mail": QueueConfig(concurrency=50)},
            idempotency_ttl=1.0,
            snapshot_interval=2.0,
        )
        self._random = random.Random(seed)
        self.durable = db is not None
        self.calls = 0
        self.manager.task(persist=self.durable, retries=1)(self.work)
        self.manager.task(executor="thread")(self.thread)
        self.manager.task(queue="mail")(self.mail)

    async def work(self, number: int, text: str) -> str:
        self.calls += 1
        if number % 50 == 0:
            task_log(f"number {number}", text=text)
        if number % 100 == 0:
            raise ValueError(text)
        return text

    def thread(self, number: int) -> int:
        self.calls += 1
        return number

    async def mail(self, number: int) -> None:
        self.calls += 1
        await asyncio.sleep(0)

    async def add(self, number: int) -> None:
        """One task, of a kind that chance decides."""
        manager, kind = self.manager, self._random.random()
        if kind < 0.01:
            await manager.enqueue(self.thread, number)
        elif kind < 0.10:
            await manager.enqueue(self.mail, number, tags={"customer": str(number % 1000)})
        elif kind < 0.12:
            await manager.enqueue(self.work, number, "keyed", idempotency_key=f"key {number}")
        elif kind < 0.24:  # many, so that the first tenth fills the audit trail as well
            enqueued = await manager.enqueue(self.work, number, "cancelled", delay=5.0)
            await manager.cancel(enqueued.task_id)
        else:
            await manager.enqueue(self.work, number, f"text {number}")

    def ended(self) -> int:
        """Tasks that have ended here."""
        return sum(queue["finished"] for queue in self.manager.queue_stats())


async def soak(tasks: int, *, db: Path | None = None, seed: int = 0, every: int) -> list[Sample]:
    """Memory after each ``every`` tasks; the first sample is before any.

    Raises:
        AssertionError: a task is lost or not ended.
    """
    load = Load(db, seed)
    samples: list[Sample] = []
    async with load.manager as manager:
        samples.append(Sample(0, resident_mb()))
        for number in range(1, tasks + 1):
            await load.add(number)
            if number % _WINDOW == 0:
                while number - load.ended() > _WINDOW:  # noqa: ASYNC110  (looking is all there is)
                    await asyncio.sleep(0.001)
            if number % every == 0:
                gc.collect()
                samples.append(Sample(number, resident_mb()))
        while load.ended() < tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        metrics = await manager.operations.metrics()
        assert metrics.total == tasks, (metrics.total, tasks)
    return samples


def growth_mb(samples: list[Sample], after: int) -> float:
    """By how much memory grew after so many tasks, to its highest."""
    settled = next(sample.mb for sample in samples if sample.tasks >= after)
    return max(sample.mb for sample in samples if sample.tasks >= after) - settled


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trust.soak", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--durable", action="store_true", help="on SQLite, in a temporary file")
    given = parser.parse_args()
    # One task in a hundred fails, and says so.
    logging.getLogger("fastapi_taskflow").setLevel(logging.CRITICAL)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "tasks.db" if given.durable else None
        every = max(1, given.tasks // 20)
        samples = asyncio.run(soak(given.tasks, db=db, seed=given.seed, every=every))
    for sample in samples:
        print(f"{sample.tasks:>10,} tasks  {sample.mb:8.1f} MB")
    grown = growth_mb(samples, given.tasks // 10)
    print(f"grown by {grown:.1f} MB after the first tenth; {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
