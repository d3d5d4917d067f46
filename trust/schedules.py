"""Every slot once: instances that are killed, and one whose clock is ahead; and many at a time.

``python -m trust.schedules`` runs ``every=1`` on three instances for 60 s, kills and restarts two
of them, while the clock of the third is 90 s ahead (and once more while it is not); then it counts
what the store has of each slot, and what the function itself noted.
``python -m trust.schedules --many 10000`` tells how long as many schedules that are due in one
minute take, and their start; ``--store`` is the address of an empty store, or else it is a file.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from fastapi_taskflow import SqliteBackend, TaskManager, get_task_context
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.words.clock import SystemClock, from_micros
from trust.stores import looking

NAME = "each second"
AHEAD_SECONDS = 90
# Of a busy machine that starts processes.
PATIENCE_SECONDS = 180.0
QUICK = {"heartbeat_interval": 0.2, "instance_ttl": 2.0, "drain_timeout": 5.0}


class AheadClock(SystemClock):
    """The machine's clock, set forward."""

    def __init__(self, seconds: int) -> None:
        self._micros = seconds * 1_000_000

    def now(self) -> datetime:
        return from_micros(self.micros())

    def micros(self) -> int:
        return super().micros() + self._micros


class Found(NamedTuple):
    """What a run came to. ``slots``: how many there were from the first to the last."""

    slots: int
    missing: list[datetime]
    doubled: list[datetime]
    ran_twice: list[str]
    states: Counter[str]

    @property
    def good(self) -> bool:
        return self.slots > 0 and not (self.missing or self.doubled or self.ran_twice)


def make_manager(folder: Path, ahead: int = 0) -> TaskManager:
    backend = SqliteBackend(folder / "tasks.db", clock=AheadClock(ahead))
    manager = TaskManager(snapshot_backend=backend, **QUICK)  # type: ignore[arg-type]

    @manager.schedule(every=1, name=NAME, misfire="all")
    async def note() -> None:
        context = get_task_context()
        assert context is not None
        with (folder / "ran").open("a") as ran:
            ran.write(context.tags["slot"] + "\n")

    return manager


async def serve(folder: Path, ahead: int) -> None:
    """One instance, until it is told to stop."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with make_manager(folder, ahead):
        await stopped.wait()


def start(folder: Path, ahead: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "trust.schedules", "--serve", str(folder)]
    return subprocess.Popen([*command, "--ahead", str(ahead)])


def run(folder: Path, seconds: float, ahead: int = AHEAD_SECONDS) -> Found:
    """Two instances, and one whose clock is ahead; each of the two is killed and comes again."""
    begun = time.monotonic()

    def until(part: float, more: int = 1) -> None:
        """For a part of the time, and until so many more slots have run."""
        seen = noted(folder)
        time.sleep(max(0.0, begun + part * seconds - time.monotonic()))
        while noted(folder) < seen + more and time.monotonic() < begun + PATIENCE_SECONDS:
            time.sleep(0.05)

    def replace(victim: int) -> None:
        running[victim].kill()
        running[victim].wait()
        time.sleep(1.0)
        running[victim] = start(folder)

    running = [start(folder), start(folder)]
    try:
        until(0.3)
        replace(0)
        until(0.5)
        running.append(start(folder, ahead))
        # What lies between the clocks comes at once.
        until(0.7, more=max(1, ahead - 5))
        replace(1)
        until(1.0)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return asyncio.run(count(folder))


def noted(folder: Path) -> int:
    """How many runs the function has noted."""
    with suppress(FileNotFoundError):
        return (folder / "ran").read_text().count("\n")
    return 0


async def count(folder: Path) -> Found:
    """What the store has of each slot, and how often it ran."""
    records, cursor = [], None
    async with looking(str(folder / "tasks.db")) as backend:
        while True:
            page = await backend.search(Query(source="scheduled"), limit=1_000, cursor=cursor)
            records += [task.record for task in page.tasks]
            if (cursor := page.cursor) is None:
                break
    slots = Counter(datetime.fromisoformat(record.tags["slot"]) for record in records)
    first, last = min(slots), max(slots)
    number = int((last - first).total_seconds()) + 1
    expected = {first + timedelta(seconds=n) for n in range(number)}
    ran = Counter((folder / "ran").read_text().splitlines())
    return Found(
        number,
        sorted(expected - slots.keys()),
        sorted(slot for slot, times in slots.items() if times > 1),
        [slot for slot, times in ran.items() if times > 1],
        Counter(record.status.value for record in records),
    )


async def many(store: str, number: int) -> None:
    """Schedules that are due in the same minute: how long until the last is a task."""
    manager = TaskManager(snapshot_backend=store)
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    manager.task()(note)
    for n in range(number):
        manager.schedule(cron="* * * * *", name=f"job {n}", args=(n,))(note)
    for which in ("first", "second"):
        wall, cpu = time.perf_counter(), time.process_time()
        await manager.startup()
        _tell(f"{which} start", wall, cpu)
        if which == "first":
            await manager.shutdown()
    port = manager.runtime.engine().backend.schedules
    assert port is not None
    due = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
    wall, cpu = time.perf_counter(), time.process_time()
    while (wait := (await port.due(limit=0)).wait) is not None and wait <= 0:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    _tell(f"{number:,} schedules fired", wall, cpu)
    while len(ran) < number:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    _tell("and run", wall, cpu)
    await manager.shutdown()


def _tell(what: str, wall: float, cpu: float) -> None:
    spent, used = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what}: {spent:.2f} s, of which {used:.2f} s of processor time")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--store")
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--ahead", type=int, default=AHEAD_SECONDS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve, given.ahead))
        return 0
    if given.many:
        with tempfile.TemporaryDirectory() as name:
            store = given.store or f"sqlite:///{Path(name) / 'tasks.db'}"
            asyncio.run(many(store, given.many))
        return 0
    good = True
    for ahead in (given.ahead, 0):
        with tempfile.TemporaryDirectory() as name:
            found = run(Path(name), given.seconds, ahead)
        print(f"{found.slots} slots, tasks by state: {dict(found.states)}")
        for what in ("missing", "doubled", "ran_twice"):
            print(f"{what}: {getattr(found, what)}")
        good &= found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
