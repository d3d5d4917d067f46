"""Order, limits and rates, over three processes that are killed at random.

``python -m trust.flow`` adds 3,000 tasks of ten keys, of a queue with a limit over all instances,
and of a function with a rate, while 60 workers are killed. Then it reads what the functions noted:
no two tasks of a key at a time, none before one that was accepted earlier, never more at once in
the queue than may be, and no more starts than the rate has.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi_taskflow import QueueConfig, SqliteBackend, TaskManager
from fastapi_taskflow.words.errors import StoreUnavailable
from trust.evidence import Evidence, read_lines
from trust.forks import fork, is_over, kill

WORKERS = 3
KEYS = 10
MOST = 2
RATE = 20
BETWEEN_KILLS = 0.1, 0.6
# Of a busy machine, for all that is left after the last kill.
PATIENCE_SECONDS = 300.0
# From a claim, which takes the token, to the function's first line.
SLACK_SECONDS = 10.0
QUICK = {"heartbeat_interval": 0.2, "instance_ttl": 2.0, "drain_timeout": 5.0}


@dataclass
class Found:
    """What a run came to. ``faults``: what must not be."""

    ran: int = 0
    kills: int = 0
    most: int = 0
    faults: list[str] = field(default_factory=list)


class Work:
    """The functions, and a manager on the store."""

    def __init__(self, folder: Path, roles: set[str]) -> None:
        self.noted = Evidence(folder / "noted")
        settings: dict[str, Any] = {**QUICK, "roles": roles}
        settings["queues"] = {"few": QueueConfig(global_concurrency=MOST)}
        backend = SqliteBackend(folder / "tasks.db")
        self.manager = tasks = TaskManager(snapshot_backend=backend, **settings)

        @tasks.task(key="key", persist=True)
        async def once(key: int, number: int) -> None:
            await self._inside(f"once {key}", number)

        @tasks.task(key="key", requeue_on_interrupt=True, retries=1)
        async def again(key: int, number: int) -> None:
            await self._inside(f"again {key}", number)
            if random.random() < 0.1:
                raise RuntimeError("sometimes")

        @tasks.task(persist=True, queue="few")
        async def few(_: int, number: int) -> None:
            await self._inside("few", number)

        @tasks.task(persist=True, rate_limit=f"{RATE}/s")
        async def rated(_: int, number: int) -> None:
            await self._inside("rated", number)

        self.functions = once, again, few, rated

    async def _inside(self, of: str, number: int) -> None:
        self.noted.write("in", of=of, number=number)
        await asyncio.sleep(random.uniform(0, 0.02))
        self.noted.write("out", of=of, number=number)


async def work(folder: Path) -> None:
    """A worker, until it is killed."""
    async with Work(folder, {"execute", "maintain"}).manager:
        await asyncio.Event().wait()


async def add_all(folder: Path, number: int, pause: float) -> None:
    """Add tasks one after the other, and end."""
    client = Work(folder, {"enqueue"})
    async with client.manager:
        for one in range(number):
            func = client.functions[one % len(client.functions)]
            key = one // len(client.functions) % KEYS
            # What was not said to be stored may be: then there are two of this number.
            while not await _added(client.manager.enqueue(func, key, one)):
                pass
            await asyncio.sleep(pause)


async def _added(enqueue: Coroutine[Any, Any, object]) -> bool:
    with suppress(StoreUnavailable):
        await enqueue
        return True
    return False


def run(folder: Path, number: int, kills: int, seed: int) -> Found:
    """Add, kill, wait for the end, and look."""
    chance, found, noted = random.Random(seed), Found(), Evidence(folder / "noted")
    pause = sum(BETWEEN_KILLS) / 2 * kills / number
    client = fork(lambda: add_all(folder, number, pause))
    workers = [fork(lambda: work(folder)) for _ in range(WORKERS)]
    try:
        while found.kills < kills:
            time.sleep(chance.uniform(*BETWEEN_KILLS))
            victim = chance.randrange(WORKERS)
            kill(workers[victim])
            noted.write("killed", victim=workers[victim])
            workers[victim] = fork(lambda: work(folder))
            found.kills += 1
        os.waitpid(client, 0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not asyncio.run(is_over(folder)) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        for pid in workers:
            kill(pid)
    check(read_lines(folder / "noted"), found)
    if not asyncio.run(is_over(folder)):
        found.faults.append("tasks were left")
    return found


def check(lines: Iterable[dict[str, Any]], found: Found) -> None:
    """Lines are in the order in which they were written, whoever wrote them."""
    # Who is inside: by what and number, its process.
    inside: dict[tuple[str, int], int] = {}
    latest: dict[str, int] = {}
    starts: list[float] = []
    for line in lines:
        if line["what"] == "killed":
            inside = {one: pid for one, pid in inside.items() if pid != line["victim"]}
            continue
        of, number = line["of"], line["number"]
        if line["what"] == "out":
            inside.pop((of, number), None)
            continue
        found.ran += 1
        beside = [one for kind, one in inside if kind == of]
        if of == "few":
            found.most = max(found.most, len(beside) + 1)
            if len(beside) >= MOST:
                found.faults.append(f"{number} beside {beside} of {MOST} in the queue")
        elif of == "rated":
            starts.append(line["at"])
        else:
            if beside:
                found.faults.append(f"{of}: {number} beside {beside}")
            if number < latest.get(of, -1):
                found.faults.append(f"{of}: {number} after {latest[of]}")
            latest[of] = max(number, latest.get(of, -1))
        inside[of, number] = line["pid"]
    if starts and len(starts) > RATE * (1 + max(starts) - min(starts) + SLACK_SECONDS):
        found.faults.append(f"{len(starts)} starts in {max(starts) - min(starts):.1f} s")


def main() -> int:
    """From the command line; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m trust.flow", description=__doc__)
    parser.add_argument("--tasks", type=int, default=3_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taskflow-flow-") as folder:
        found = run(Path(folder), given.tasks, given.kills, given.seed)
    print(f"{found.ran} starts, {found.kills} kills, {found.most} of {MOST} in the queue at once")
    print("\n".join(found.faults) or "nothing was wrong")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
