"""Cancels and timeouts that race the ends of tasks in child processes (TRUST, R21).

``python -m trust.cancel --races 1000``: half of the tasks are cancelled, half time out, each
about when its function returns; beside them tasks run that nobody stops. The moment is moved
after each race towards where both ends are as likely. What the record says, what the function
wrote into a file, and whether its child lives must agree. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow import TaskManager, TaskRecord, TaskStatus
from fastapi_taskflow.errors import TaskStateError
from trust.children import alive, ended, limited, lines_of, work

__all__ = ["measure"]

_GRACE_SECONDS = 1.0
_TIMEOUT_SECONDS = 0.1
_STEP_SECONDS = 0.0005
_LOOK_SECONDS = 0.001
_SUCCESS, _CANCELLED, _FAILED = TaskStatus.SUCCESS, TaskStatus.CANCELLED, TaskStatus.FAILED

Seen = tuple[TaskStatus, list[dict[str, Any]]]


class Races:
    """One manager, and races until there were enough."""

    def __init__(self, place: Path, db: Path | None, races: int) -> None:
        self.manager = TaskManager(
            snapshot_db=db, max_process_workers=4, process_shutdown_timeout=_GRACE_SECONDS
        )
        task, durable = self.manager.task, db is not None
        task(executor="process", persist=durable)(work)
        task(executor="process", persist=durable, timeout=_TIMEOUT_SECONDS)(limited)
        self._place = place
        self._left = races
        self._chance = random.Random(races)
        self.faults: list[str] = []
        self.ends: Counter[str] = Counter()
        # By task: how it ended, and what it had written by then.
        self.seen: dict[str, Seen] = {}
        self.longest_stop = 0.0

    async def run(self) -> None:
        async with self.manager:
            racing = [self._cancels(), self._timeouts(), self._neighbours(), self._neighbours()]
            await asyncio.gather(*racing)
        for task_id, (_, lines) in self.seen.items():
            if lines_of(self._place, task_id) != lines:
                self.faults.append(f"{task_id} went on after its end")
            if any(alive(line["pid"]) for line in lines):
                self.faults.append(f"the child of {task_id} outlived its manager")

    def _next(self) -> bool:
        self._left -= 1
        return self._left >= 0

    async def _added(self, func: Callable[..., None], seconds: float) -> str:
        seconds = max(0.0, seconds)
        return (await self.manager.enqueue(func, str(self._place), seconds)).task_id

    def _about(self, seconds: float) -> float:
        return max(0.0, seconds + self._chance.uniform(-0.002, 0.002))

    async def _cancels(self) -> None:
        lead = 0.015
        while self._next():
            task_id = await self._added(work, 0.02)
            while not lines_of(self._place, task_id):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.sleep(self._about(lead))
            asked = time.monotonic()
            try:
                answer = (await self.manager.cancel(task_id)).status.value
            except TaskStateError:
                answer = "too late"
            record = await ended(self.manager, task_id)
            self.longest_stop = max(self.longest_stop, time.monotonic() - asked)
            lead += _STEP_SECONDS if record.status is _CANCELLED else -_STEP_SECONDS
            self._check(record, "cancel", {_SUCCESS, _CANCELLED}, answer)

    async def _timeouts(self) -> None:
        seconds = _TIMEOUT_SECONDS - 0.01
        while self._next():
            task_id = await self._added(limited, self._about(seconds))
            record = await ended(self.manager, task_id)
            if lines_of(self._place, task_id):
                won = record.status is _SUCCESS
                seconds += _STEP_SECONDS if won else -_STEP_SECONDS
            else:  # its child was not ready in time, which is no race
                self._left += 1
            self._check(record, "timeout", {_SUCCESS, _FAILED})

    async def _neighbours(self) -> None:
        while self._left > 0:
            record = await ended(self.manager, await self._added(work, 0.005))
            self._check(record, "neighbour", {_SUCCESS})

    def _check(
        self, record: TaskRecord, kind: str, allowed: set[TaskStatus], answer: str = ""
    ) -> None:
        """Record, effect and child of a task that was seen to have ended."""
        status, lines = record.status, lines_of(self._place, record.task_id)
        self.seen[record.task_id] = status, lines
        written = [line["what"] for line in lines]
        told = f"{kind} {answer}".strip()
        self.ends[f"{told}: {status.value}, wrote {' '.join(written) or 'nothing'}"] += 1
        success = status is _SUCCESS
        lives = bool(lines) and alive(lines[0]["pid"])
        wrong = {
            "ended so": status not in allowed,
            "succeeded without its effect": success and written != ["begin", "effect"],
            "ran twice": written.count("begin") > 1,
            # A function may have returned before its timeout, and its end have come after it.
            "left its child alive": lives and not success and "effect" not in written,
            "was cancelled, and is not": answer == "cancelled" and status is not _CANCELLED,
            "had ended, and has not": answer == "too late" and not success,
            "tells another error": kind == "timeout" and not success and not _timed_out(record),
        }
        told = f"{told}: {record.task_id} ({status.value}, {record.error})"
        self.faults += [f"{told} {what}" for what, is_so in wrong.items() if is_so]


def _timed_out(record: TaskRecord) -> bool:
    return (record.error or "").startswith("Timed out")


async def _stored(db: Path, seen: dict[str, Seen]) -> list[str]:
    """Where the store says something else than the record did."""
    manager = TaskManager(snapshot_db=db)
    async with manager:
        found = {task_id: await manager.get(task_id) for task_id in seen}
    return [
        f"{task_id} ended as {status.value}, and is stored as {record and record.status.value}"
        for task_id, (status, _) in seen.items()
        if (record := found[task_id]) is None or record.status is not status
    ]


async def measure(races: int, *, durable: bool) -> dict[str, Any]:
    """The figures of so many races; ``faults`` should be empty."""
    with TemporaryDirectory(prefix="taskflow-cancel-") as folder:
        place = Path(folder)
        db = place / "tasks.db" if durable else None
        begun = time.monotonic()
        run = Races(place, db, races)
        await run.run()
        took = time.monotonic() - begun
        faults = run.faults + (await _stored(db, run.seen) if db is not None else [])
    return {
        "races": races,
        "seconds": round(took, 1),
        "ends": dict(sorted(run.ends.items())),
        "longest_stop_s": round(run.longest_stop, 3),
        "faults": faults,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trust.cancel", description=__doc__)
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--memory", action="store_true", help="without a store")
    given = parser.parse_args()
    logging.getLogger("fastapi_taskflow").setLevel(logging.CRITICAL)
    figures = asyncio.run(measure(given.races, durable=not given.memory))
    print(json.dumps(figures, indent=1))
    sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
