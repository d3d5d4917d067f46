"""Kill child processes among many tasks (TRUST, R22).

``python -m trust.kills --tasks 2000 --kills 200``: half of the kills hit a child from outside at a
random moment, the others are tasks that end their own process, in four ways. Half of the tasks may
run again. A task that no kill has hit is SUCCESS with one run and one effect; one that was hit
is INTERRUPTED with the signal or exit code in its error, or has run again. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow import TaskManager, TaskRecord, TaskStatus
from trust.children import alive, ended, lines_of, requeued, work

__all__ = ["measure"]

_SLOTS = 4
_WAYS = {
    "exit": "its process ended with exit code 3 while it ran",
    "SIGKILL": "its process was killed by SIGKILL (signal 9) while it ran",
    "SIGSEGV": "its process was killed by SIGSEGV (signal 11) while it ran",
    "SIGABRT": "its process was killed by SIGABRT (signal 6) while it ran",
}
_OUTSIDE = _WAYS["SIGKILL"]
_TASK_SECONDS = 0.02


class Killer:
    """One manager, its tasks, and somebody who kills its children."""

    def __init__(self, place: Path, db: Path | None, tasks: int, kills: int) -> None:
        self.manager = TaskManager(snapshot_db=db, max_process_workers=_SLOTS)
        self.manager.task(executor="process", persist=db is not None)(work)
        self.manager.task(executor="process", requeue_on_interrupt=True)(requeued)
        self._place = place
        self._tasks, self._kills = tasks, kills
        self._chance = random.Random(tasks + kills)
        # By task: how it ends its own process.
        self.ways: dict[str, str | None] = {}
        self.killed: set[int] = set()
        # Not of the manager's pool.
        self.others = frozenset(_children())
        self.faults: list[str] = []
        self.ends: Counter[str] = Counter()

    async def run(self) -> None:
        async with self.manager:
            await self._add()
            killing = asyncio.create_task(self._kill(self._kills - self._kills // 2))
            for task_id in self.ways:
                self._check(await ended(self.manager, task_id))
            killing.cancel()

    async def _add(self) -> None:
        ways = [list(_WAYS)[number % len(_WAYS)] for number in range(self._kills // 2)]
        dying: list[str | None] = [*ways, *[None] * (self._tasks - len(ways))]
        self._chance.shuffle(dying)
        for number, dies in enumerate(dying):
            func = requeued if number % 2 else work
            enqueued = await self.manager.enqueue(func, str(self._place), _TASK_SECONDS, dies)
            self.ways[enqueued.task_id] = dies

    async def _kill(self, kills: int) -> None:
        """From outside, one child after the other, as long as there are tasks."""
        for done in range(kills):
            # As tasks go, so that the kills are spread over them.
            while len(list(self._place.iterdir())) < self._tasks * done // (kills + 1):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            pids: list[int] = []
            while not pids:
                await asyncio.sleep(self._chance.uniform(0.0, 0.02))
                # In the middle of a task, or whatever it is at: also while it starts.
                found = (self._running() if done % 2 else []) or _children()
                pids = [pid for pid in found if pid not in self.killed | self.others]
            pid = self._chance.choice(pids)
            self.killed.add(pid)
            os.kill(pid, signal.SIGKILL)

    def _running(self) -> list[int]:
        """Children at a task."""
        newest = sorted(self._place.iterdir(), key=lambda path: path.stat().st_mtime)[-2 * _SLOTS :]
        last = [lines[-1] for path in newest if (lines := lines_of(self._place, path.name))]
        return [one["pid"] for one in last if one["what"] == "begin" and alive(one["pid"])]

    def _check(self, record: TaskRecord) -> None:
        dies, lines = self.ways[record.task_id], lines_of(self._place, record.task_id)
        begins = [line["pid"] for line in lines if line["what"] == "begin"]
        effects = sum(line["what"] == "effect" for line in lines)
        hit = [pid for pid in begins if pid in self.killed]
        again = record.func_name == "requeued"
        status, error = record.status, record.error or ""
        allowed = {TaskStatus.SUCCESS} if again else {TaskStatus.SUCCESS, TaskStatus.INTERRUPTED}
        lost = status is TaskStatus.INTERRUPTED
        name = f"{'requeued' if again else 'plain'}, {dies or ('hit' if hit else 'neighbour')}"
        self.ends[f"{name}: {status.value}, began {len(begins)}, effects {effects}"] += 1
        own = _WAYS[dies] if dies is not None else ""
        wrong = {
            "ended so": status not in allowed,
            "succeeded without its effect": not lost and not effects,
            "survived itself": dies is not None and not again and not lost,
            # A kill may come before the first line of the function, and after its last one.
            "is lost, and nobody killed it": lost and dies is None and not hit and bool(begins),
            "ran again": not again and len(begins) > 1,
            "ran again, and nobody killed it": len(begins) > 1 + len(hit) + (dies is not None),
            "was a neighbour": not hit and dies is None and bool(begins) and (lost or effects != 1),
            "tells another error": lost and error[13:] not in {own, _OUTSIDE},
        }
        told = f"{name}: {record.task_id} ({status.value}, {error})"
        self.faults += [f"{told} {what}" for what, is_so in wrong.items() if is_so]


def _children() -> list[int]:
    """Of this process, those that run."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        try:
            stat = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == os.getpid() and alive(int(name)):
            found.append(int(name))
    return found


async def measure(tasks: int, kills: int, *, durable: bool) -> dict[str, Any]:
    """The figures of so many tasks; ``faults`` should be empty."""
    with TemporaryDirectory(prefix="taskflow-kills-") as folder, TemporaryDirectory() as store:
        run = Killer(Path(folder), Path(store) / "tasks.db" if durable else None, tasks, kills)
        begun = time.monotonic()
        await run.run()
        took = time.monotonic() - begun
    left = set(_children()) - run.others
    by_themselves = sum(way is not None for way in run.ways.values())
    return {
        "tasks": tasks,
        "seconds": round(took, 1),
        "killed_from_outside": len(run.killed),
        "ended_themselves": by_themselves,
        "ends": dict(sorted(run.ends.items())),
        "faults": run.faults + [f"child {pid} outlived its manager" for pid in left],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trust.kills", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--memory", action="store_true", help="without a store")
    given = parser.parse_args()
    logging.getLogger("fastapi_taskflow").setLevel(logging.CRITICAL)
    figures = asyncio.run(measure(given.tasks, given.kills, durable=not given.memory))
    print(json.dumps(figures, indent=1))
    sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
