"""A worker of the fleet's benchmarks: `python -m benchmarks.worker URL SLOTS`.

When its input ends, it says as JSON when each call began, by the number that the task was given.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable

from fastapi_taskflow import TaskManager

__all__ = ["make", "wait"]

began: dict[int, float] = {}


async def wait(number: int, seconds: float) -> None:
    began[number] = time.time()
    if seconds:
        await asyncio.sleep(seconds)


def make(url: str, roles: Iterable[str], slots: int | None = None) -> TaskManager:
    """A manager with the one task `wait`."""
    manager = TaskManager(snapshot_backend=url, roles=roles, max_concurrent_tasks=slots)
    # The worker's module is called otherwise than the one that the benchmarks import.
    manager.task(persist=True, name="wait")(wait)
    return manager


async def main(url: str, slots: str) -> None:
    async with make(url, ("execute", "maintain"), int(slots)):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(began), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
