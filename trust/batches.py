"""Every callback once: batches whose workers, and whose client, are killed at random.

``python -m trust.batches`` adds 500 batches of 20, of which every fifth is a chain, while 200
processes are killed: three that work, and now and then the one that adds. Then it compares what the
store says of each batch with its tasks, its callbacks, and what the functions themselves noted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi_taskflow import SqliteBackend, TaskManager, get_task_context
from fastapi_taskflow.backends.base import Backend, Query, StoredBatch, StoredTask
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.models import TaskStatus
from trust.evidence import Evidence, read_lines
from trust.forks import fork, is_over, kill, still
from trust.stores import looking

SIZE = 20
WORKERS = 3
BETWEEN_KILLS = 0.05, 0.6
# Of a busy machine, for all that is left after the last kill.
PATIENCE_SECONDS = 300.0
QUICK = {"heartbeat_interval": 0.2, "instance_ttl": 2.0, "drain_timeout": 5.0}


@dataclass
class Found:
    """What a run came to. ``faults``: what must not be."""

    batches: int = 0
    kills: int = 0
    called: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.batches > 0 and not self.faults


class Work:
    """The functions, and a manager on the store."""

    def __init__(self, folder: Path, roles: set[str]) -> None:
        self.noted = Evidence(folder / "noted")
        backend = SqliteBackend(folder / "tasks.db")
        settings: dict[str, Any] = {**QUICK, "roles": roles}
        self.manager = tasks = TaskManager(snapshot_backend=backend, **settings)

        @tasks.task(persist=True)
        async def once(number: int) -> int:
            return await self._work(number)

        @tasks.task(requeue_on_interrupt=True)
        async def again(number: int) -> int:
            return await self._work(number)

        @tasks.task(requeue_on_interrupt=True)
        async def step(number: int) -> int:
            return await self._work(number) + 1

        @tasks.task(persist=True)
        async def told(kind: str) -> None:
            context = get_task_context()
            assert context is not None
            self.noted.write("told", batch=context.batch_id, kind=kind)

        self.once, self.again, self.step, self.told = once, again, step, told

    async def _work(self, number: int) -> int:
        await asyncio.sleep(random.uniform(0, 0.01))
        if number == -1:
            raise LookupError("meant to fail")
        return number

    async def add(self, number: int) -> None:
        """One batch: of each ten two are chains, one has a task that fails."""
        tasks = self.manager
        if number % 5 == 0:
            batch = await tasks.chain(tasks.call(self.step, 0), *[self.step] * (SIZE - 1))
        else:
            func = self.again if number % 2 else self.once
            calls = [tasks.call(func, n) for n in range(SIZE)]
            if number % 10 == 1:
                calls[SIZE // 2] = tasks.call(func, -1)
            kinds = ("success", "failure", "done")
            callbacks: Any = {f"on_{kind}": tasks.call(self.told, kind) for kind in kinds}
            batch = await tasks.batch(calls, **callbacks)
        self.noted.write("added", batch=batch.id)


async def work(folder: Path) -> None:
    async with Work(folder, {"execute", "maintain"}).manager:
        await asyncio.Event().wait()


async def add_all(folder: Path, number: int, pause: float) -> None:
    """Add what is missing, with pauses in seconds, and end."""
    client = Work(folder, {"enqueue"})
    async with client.manager:
        while (added := count(folder, "added")) < number:
            # What was not said to be stored may be: then there is one more.
            with suppress(StoreUnavailable):
                await client.add(added)
            await asyncio.sleep(pause)


def count(folder: Path, what: str) -> int:
    return sum(line["what"] == what for line in read_lines(folder / "noted"))


def run(folder: Path, number: int, kills: int, seed: int) -> Found:
    """Add, kill, wait for the end, and look."""
    chance, found = random.Random(seed), Found()
    # So that there is work for as long as there are kills.
    pause = sum(BETWEEN_KILLS) / 2 * kills / number
    client = fork(lambda: add_all(folder, number, pause))
    workers = [fork(lambda: work(folder)) for _ in range(WORKERS)]
    try:
        while found.kills < kills:
            time.sleep(chance.uniform(*BETWEEN_KILLS))
            client = client and still(client)
            if client and chance.random() < 0.125:
                kill(client)
                client = fork(lambda: add_all(folder, number, pause))
            else:
                victim = chance.randrange(WORKERS)
                kill(workers[victim])
                workers[victim] = fork(lambda: work(folder))
            found.kills += 1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while client and (client := still(client)) and time.monotonic() < deadline:
            time.sleep(0.1)
        while not asyncio.run(is_over(folder)) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        for pid in [*workers, *([client] if client else [])]:
            kill(pid)
    asyncio.run(check(folder, found))
    if found.batches < number:
        found.faults.append(f"only {found.batches} of {number} batches were added")
    return found


async def check(folder: Path, found: Found) -> None:
    """Compare batches, tasks, callbacks and what was noted."""
    async with looking(str(folder / "tasks.db")) as backend:
        await _compare(backend, folder, found)


async def _compare(backend: Backend, folder: Path, found: Found) -> None:
    assert backend.batches is not None
    lines = read_lines(folder / "noted")
    told = Counter((line["batch"], line["kind"]) for line in lines if line["what"] == "told")
    added = {line["batch"] for line in lines if line["what"] == "added"}
    cursor, stored = None, list[StoredBatch]()
    while True:
        page, cursor = await backend.batches.page(limit=200, cursor=cursor)
        stored += page
        if cursor is None:
            break
    if lost := added - {one.batch_id for one in stored}:
        found.faults.append(f"{len(lost)} batches that were accepted are gone")
    for one in stored:
        page_of = await backend.search(Query(batch_id=one.batch_id), limit=100)
        await _check(backend, one, page_of.tasks, told, found)
    found.batches = len(stored)


async def _check(
    backend: Backend,
    batch: StoredBatch,
    tasks: list[StoredTask],
    told: Counter[tuple[str, str]],
    found: Found,
) -> None:
    def fault(text: str) -> None:
        found.faults.append(f"batch {batch.batch_id}: {text}")

    members = [one.record for one in tasks if one.member and one.member.place is not None]
    callbacks = [one.record for one in tasks if one.member and one.member.place is None]
    states = Counter(one.status for one in members)
    found.tasks.update({status.value: number for status, number in states.items()})
    failed = states[TaskStatus.FAILED] + states[TaskStatus.INTERRUPTED]
    counts = states[TaskStatus.SUCCESS], failed, states[TaskStatus.CANCELLED]
    if counts != (batch.success, batch.failed, batch.cancelled) or sum(counts) != SIZE:
        fault(f"counts {batch}, and its tasks are {dict(states)}")
    if batch.ended_at is None:
        fault("is not done")
    if batch.chain:
        found.called["chain"] += batch.success == SIZE
        return
    good = states[TaskStatus.SUCCESS] == SIZE
    expected = {"success" if good else "failure", "done"}
    by_kind = Counter[str]()
    for stored in await backend.get([one.task_id for one in callbacks]):
        assert stored is not None
        text = (stored.payload or b"").decode()
        (kind,) = (kind for kind in ("success", "failure", "done") if f'"{kind}"' in text)
        by_kind[kind] += 1
        ran, status = told[batch.batch_id, kind], stored.record.status
        # It may have died after it noted that it ran.
        if ran != 1 and not (ran == 0 and status is TaskStatus.INTERRUPTED):
            fault(f"on_{kind} ran {ran} times and is {status.value}")
    if by_kind != Counter(expected):
        fault(f"has callbacks {dict(by_kind)}, expected {sorted(expected)}")
    found.called.update(by_kind)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        found = run(Path(name), given.batches, given.kills, given.seed)
    print(
        f"{found.batches} batches of {SIZE}, {found.kills} kills, {time.monotonic() - begun:.0f} s"
    )
    print(f"tasks by state: {dict(found.tasks)}")
    print(f"callbacks, and chains that succeeded: {dict(found.called)}")
    print(*(found.faults or ["no faults"]), sep="\n")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
