"""What the drivers of all peers share: `python -m benchmarks.peers.saq work|produce URL TASKS`.

A worker says when it is ready, and the instant at which all tasks had been called and their ends
were stored; a producer waits for a line, and says when it began to enqueue and when the last task
was acknowledged; both say last how many seconds of CPU time that took them. Instants are of the
machine's wall clock; the store is empty at first.

It runs in each peer's own environment, so it imports nothing else.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

__all__ = ["SLOTS", "Calls", "Driver", "Enqueue", "crowd", "run"]

SLOTS = 100
_LOOK_SECONDS = 0.002

Enqueue = Callable[[int], Awaitable[object]]
"""Enqueues so many tasks, and returns when all of them are stored."""


class Calls:
    """How often the no-op was called, on any thread."""

    def __init__(self) -> None:
        self._calls: list[None] = []

    def one(self) -> None:
        self._calls.append(None)

    def __len__(self) -> int:
        return len(self._calls)


class Driver(Protocol):
    """A peer on the store at an address."""

    def __init__(self, url: str) -> None: ...

    def working(self, calls: Calls) -> AbstractAsyncContextManager[object]:
        """A worker with `SLOTS` slots, whose function counts its calls."""

    async def left(self) -> int:
        """Tasks that wait, run, or have ended without it being stored."""

    def producing(self) -> AbstractAsyncContextManager[Enqueue]: ...


async def crowd(tasks: int, enqueue: Callable[[], Awaitable[Any]], *, at_once: int) -> None:
    """Enqueue one by one, several at a time."""
    remaining = iter(range(tasks))

    async def producer() -> None:
        for _ in remaining:
            await enqueue()

    await asyncio.gather(*(producer() for _ in range(at_once)))


async def _work(driver: Driver, tasks: int) -> None:
    calls = Calls()
    async with driver.working(calls):
        before = time.process_time()
        print("ready", flush=True)
        while len(calls) < tasks or await driver.left():  # noqa: ASYNC110  (of others' doing)
            await asyncio.sleep(_LOOK_SECONDS)
        print(time.time(), time.process_time() - before, flush=True)
        assert len(calls) == tasks, len(calls)
        # Some peers take seconds to stop.
        os._exit(0)


async def _produce(driver: Driver, tasks: int) -> None:
    async with driver.producing() as enqueue:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begun, before = time.time(), time.process_time()
        await enqueue(tasks)
        print(begun, time.time(), time.process_time() - before, flush=True)
        os._exit(0)


def run(peer: type[Driver]) -> None:
    """The program of a driver, on uvloop where that is installed."""
    part, url, tasks = sys.argv[1:]
    parts: dict[str, Callable[[Driver, int], Coroutine[Any, Any, None]]]
    parts = {"work": _work, "produce": _produce}

    async def main() -> None:
        await parts[part](peer(url), int(tasks))

    try:
        from uvloop import new_event_loop  # noqa: PLC0415
    except ImportError:
        new_event_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
