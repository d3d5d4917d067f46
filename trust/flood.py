"""A task that floods its log while observers are slow (TRUST, R24).

``python -m trust.flood --lines 1000000``: a thread writes so many lines as fast as it can.
Memory must stay bounded, what is dropped must be counted and shown, and the event loop must
answer meanwhile. It shows one such task on SQLite, not many at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow import (
    SqliteBackend,
    TaskManager,
    TaskObserver,
    TaskRecord,
    TaskStatus,
    task_log,
)
from fastapi_taskflow.loggers.base import TaskEvent

__all__ = ["measure"]

MOST_GROWTH_BYTES = 64 * 2**20
_TICK_SECONDS = 0.01
_KEPT_LINES = 1_000


class Slow(TaskObserver):
    """Takes a tenth of a second for each handful of events."""

    def __init__(self) -> None:
        super().__init__("debug")
        self.seen = 0

    async def on_events(self, events: Sequence[TaskEvent]) -> None:
        await asyncio.sleep(0.1)
        self.seen += len(events)


class Watch:
    """How much memory is used at most, and how late the loop answers."""

    def __init__(self) -> None:
        self.begun_with = self.most = _resident_bytes()
        self.lags: list[float] = []

    async def run(self) -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)
            self.lags.append(time.monotonic() - asked - _TICK_SECONDS)
            self.most = max(self.most, _resident_bytes())


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096


def _size(path: str) -> int:
    return Path(path).stat().st_size


async def _ended(manager: TaskManager, task_id: str) -> TaskRecord:
    while True:
        record = await manager.get(task_id)
        if record is not None and record.end_time is not None:
            return record
        await asyncio.sleep(0.05)


async def measure(lines: int) -> dict[str, Any]:
    """The figures of one flood; ``faults`` should be empty."""
    observer = Slow()
    with TemporaryDirectory(prefix="taskflow-flood-") as place:
        backend = SqliteBackend(f"{place}/tasks.db")
        manager = TaskManager(snapshot_backend=backend, loggers=[observer])

        @manager.task(persist=True)
        def flood() -> None:
            for number in range(lines):
                task_log(f"line {number} of a task that does not know when to stop")

        async with manager:
            watch = Watch()
            watching = asyncio.create_task(watch.run())
            begun = time.monotonic()
            task_id = (await manager.enqueue(flood)).task_id
            record = await _ended(manager, task_id)
            took = time.monotonic() - begun
            watching.cancel()
            dropped_events = manager.runtime.engine().feed.dropped
        stored = _size(f"{place}/tasks.db")
    lags = sorted(watch.lags)
    kept = len(record.logs) - record.logs[0].startswith("---")
    growth = watch.most - watch.begun_with
    faults = []
    if record.status is not TaskStatus.SUCCESS:
        faults.append(f"the task ended as {record.status.value}: {record.error}")
    if not 0 < kept <= _KEPT_LINES or not record.logs[-1].endswith("when to stop"):
        faults.append(f"{kept} lines were kept")
    if lines > _KEPT_LINES and record.logs[0] != (
        f"--- {lines - kept} earlier lines were dropped ---"
    ):
        faults.append(f"dropped lines are not counted: {record.logs[0]}")
    if growth > MOST_GROWTH_BYTES:
        faults.append(f"memory grew by {growth} bytes")
    return {
        "lines": lines,
        "seconds": round(took, 2),
        "lines_kept": kept,
        "events_dropped": dropped_events,
        "events_seen": observer.seen,
        "memory_growth_mib": round(growth / 2**20, 1),
        "store_mib": round(stored / 2**20, 2),
        "loop_lag_p99_ms": round(lags[int(len(lags) * 0.99)] * 1000, 1),
        "loop_lag_most_ms": round(lags[-1] * 1000, 1),
        "faults": faults,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    figures = asyncio.run(measure(parser.parse_args().lines))
    print(json.dumps(figures))
    sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
