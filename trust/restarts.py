"""A server that goes and comes back, again and again, under tasks and clients.

``python -m trust.restarts --backend postgresql`` (or ``mysql``, ``redis``) starts a server of its
own and restarts it every 5 s for 60 s: in turn it is crashed, and told to end. Two managers run
tasks meanwhile, and clients enqueue, each with an idempotency key; what was refused is tried again
with the same. At the end each key has one task, which ended well and ran once.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import signal
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi_taskflow import StoreUnavailable, TaskManager
from fastapi_taskflow.backends.base import StoredTask
from trust.figures import quantiles
from trust.ledgers.reading import Reading
from trust.ownserver import OwnServer
from trust.ownstores import own_store
from trust.servers import own_server
from trust.stores import backend_of

__all__ = ["Options", "measure"]

MANAGERS, CLIENTS = 2, 8
# Of a busy machine, for what is left after the last restart.
_PATIENCE_SECONDS = 60.0
_TAG = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Spans in seconds. ``pause`` is between two enqueues of one client.

    It takes so long, and so many restarts at the least.
    """

    seconds: float = 60.0
    least: int = 2
    every: float = 5.0
    pause: float = 0.05
    ttl: float = 3.0


@dataclass
class Found:
    """What a run came to. ``faults``: what must not be."""

    restarts: int = 0
    accepted: int = 0
    refused: int = 0
    duplicates: int = 0
    # From the first try of an enqueue that was refused to its acceptance.
    gaps: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    settled_after: float = 0.0
    faults: list[str] = field(default_factory=list)


class Restarts:
    """One run on one server."""

    def __init__(self, options: Options, server: OwnServer, store: str) -> None:
        self._options = options
        self._server = server
        self._store = store
        self._reading = Reading(store)
        self._over = asyncio.Event()
        self._ran: Counter[int] = Counter()
        self._numbers = itertools.count()
        self._managers = [self._manager() for _ in range(MANAGERS)]
        self.found = Found()

    def _manager(self) -> TaskManager:
        manager = TaskManager(
            snapshot_backend=backend_of(self._store),
            heartbeat_interval=0.5,
            instance_ttl=self._options.ttl,
        )
        manager.task(persist=True, retries=0)(self.work)
        return manager

    async def work(self, number: int) -> None:
        self._ran[number] += 1
        await asyncio.sleep(0.01)

    async def run(self) -> Found:
        found = self.found
        async with AsyncExitStack() as stack:
            for manager in self._managers:
                await stack.enter_async_context(manager)
            names = [one.runtime.engine().instance_id for one in self._managers]
            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(self._client(self._managers[number % MANAGERS]))
                await self._restart()
                self._over.set()
            begun = time.monotonic()
            await self._settle()
            found.settled_after = time.monotonic() - begun
            if names != [one.runtime.engine().instance_id for one in self._managers]:
                found.faults.append("an instance was taken for dead")
        self._check(await self._reading.tasks())
        await self._reading.close()
        return found

    async def _restart(self) -> None:
        ends = itertools.cycle((None, self._server.end))
        until = time.monotonic() + self._options.seconds
        while time.monotonic() < until or self.found.restarts < self._options.least:
            await asyncio.sleep(self._options.every)
            await asyncio.to_thread(self._bounce, next(ends))
            self.found.restarts += 1

    def _bounce(self, how: signal.Signals | None) -> None:
        """In one, so that nobody is left without a server."""
        self._server.stop(how)
        self._server.start()

    async def _client(self, manager: TaskManager) -> None:
        while not self._over.is_set():
            await self._enqueue(manager, next(self._numbers))
            await asyncio.sleep(self._options.pause)

    async def _enqueue(self, manager: TaskManager, number: int) -> None:
        """Until it is accepted, as a client that is told to come back."""
        first, found, was_refused = time.monotonic(), self.found, False
        while True:
            begun = time.monotonic()
            try:
                told = await manager.enqueue(
                    self.work, number, idempotency_key=str(number), tags={_TAG: str(number)}
                )
            except StoreUnavailable:
                was_refused = True
                found.refused += 1
                found.refusals.append(time.monotonic() - begun)
            else:
                found.accepted += 1
                found.duplicates += told.duplicate
                if was_refused:
                    found.gaps.append(time.monotonic() - first)
                return

    async def _settle(self) -> None:
        """Until no task is left."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            tasks = await self._reading.tasks()
            if all(one.record.end_time is not None for one in tasks):
                return
            await asyncio.sleep(0.2)

    def _check(self, tasks: list[StoredTask]) -> None:
        stored = Counter(int(one.record.tags[_TAG]) for one in tasks)
        states = Counter(one.record.status.value for one in tasks)
        faults = self.found.faults
        if lost := self.found.accepted - len(stored):
            faults.append(f"{lost} tasks that were accepted are not there")
        if doubled := [number for number, times in stored.items() if times > 1]:
            faults.append(f"stored twice: {doubled}")
        if states != {"success": len(tasks)}:
            faults.append(f"tasks ended so: {dict(states)}")
        if wrong := {number: times for number, times in self._ran.items() if times != 1}:
            faults.append(f"ran so many times: {wrong}")
        if missing := stored.keys() - self._ran.keys():
            faults.append(f"never ran: {missing}")


def measure(server: OwnServer, options: Options) -> Found:
    """One run on a server, in a store of its own."""
    # Its folder is for files, of which it has none.
    with own_store(server.url, Path()) as store:

        async def main() -> Found:
            return await Restarts(options, server, store).run()

        return asyncio.run(main())


def figures(found: Found) -> dict[str, Any]:
    """For people."""
    return {
        "restarts": found.restarts,
        "accepted": found.accepted,
        "refused": found.refused,
        "answered_as_duplicates": found.duplicates,
        "accepted_after_refusals_in_seconds": quantiles(found.gaps),
        "refused_in_seconds": quantiles(found.refusals),
        "settled_after_seconds": round(found.settled_after, 2),
        "faults": found.faults,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trust.restarts", description=__doc__)
    parser.add_argument("--backend", default="postgresql", help="postgresql, mysql or redis")
    parser.add_argument("--seconds", type=float, default=Options().seconds)
    parser.add_argument("--every", type=float, default=Options().every)
    given = parser.parse_args()
    logging.getLogger("fastapi_taskflow").setLevel(logging.CRITICAL)
    with own_server(given.backend) as server:
        found = measure(server, Options(seconds=given.seconds, every=given.every))
    print(json.dumps(figures(found), indent=1))
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
