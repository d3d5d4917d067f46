"""Everything at once on one database, and no deadlock reaches a caller.

``python -m trust.mixed --backend postgresql`` (or ``mysql``, or an address) lets three processes
work for 10 minutes: each enqueues (with idempotency keys, order keys and retries, and chains),
cancels, retries and looks, deletes what ended seconds ago, and recovers what the others held, one
of which is killed every few seconds. What callers are told is counted; a store that is unavailable
is a fault, because it was there all the time. The server says how many deadlocks it ended.
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
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow import QueueConfig, StoreUnavailable, TaskManager
from fastapi_taskflow.exceptions import TaskflowError
from trust.evidence import Evidence, read_lines
from trust.forks import fork, kill
from trust.ownstores import ask, own_store
from trust.servers import serving
from trust.stores import backend_of, kind_of, make

__all__ = ["measure"]

PROCESSES, CLIENTS, KEYS = 3, 6, 5
# Tasks that a process remembers, to cancel and retry them.
_REMEMBERED = 50
_KEPT_DAYS = 5 / 86_400
_DEADLOCKS = {
    "postgresql": "SELECT coalesce(sum(deadlocks), 0) FROM pg_stat_database",
    "mysql": (
        "SELECT variable_value FROM information_schema.global_status "
        "WHERE variable_name = 'INNODB_DEADLOCKS'"
    ),
}


class Work:
    """One process: a manager, and clients that use all of it."""

    def __init__(self, store: str, folder: Path) -> None:
        self._noted = Evidence(folder / "noted")
        self.manager = tasks = TaskManager(
            snapshot_backend=backend_of(store),
            heartbeat_interval=0.5,
            instance_ttl=4.0,
            retention_days=_KEPT_DAYS,
            queues={"few": QueueConfig(global_concurrency=3, max_size=200)},
        )
        runtime = tasks.runtime
        runtime.settings = replace(runtime.settings, housekeeping_interval=1.0)
        self._known: list[str] = []
        self._acts: list[Callable[[], Awaitable[object]]] = [
            *[self._plain, self._keyed, self._ordered, self._few] * 3,
            *[self._cancel, self._retry, self._look, self._chain],
        ]

        @tasks.task(requeue_on_interrupt=True, retries=2, delay=0.05)
        async def flaky(number: int) -> int:
            if random.random() < 0.3:
                raise RuntimeError("sometimes")
            return number

        @tasks.task(persist=True, key="key")
        async def ordered(key: int) -> int:
            await asyncio.sleep(0.001)
            return key

        @tasks.task(persist=True, queue="few")
        async def few() -> None:
            await asyncio.sleep(0.001)

        self._flaky, self._in_order, self._in_few = flaky, ordered, few

    async def run(self) -> None:
        """Until it is killed."""
        async with self.manager, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client())

    async def _client(self) -> None:
        while True:
            act = random.choice(self._acts)
            try:
                await act()
            except StoreUnavailable as exc:
                self._noted.write("unavailable", act=act.__name__, text=str(exc)[:300])
            # It said what does not go, as it should.
            except TaskflowError as exc:
                self._noted.write("refused", kind=type(exc).__name__)
            except Exception as exc:
                self._noted.write("error", act=act.__name__, text=repr(exc)[:300])
            else:
                self._noted.write("done", act=act.__name__)
            await asyncio.sleep(random.uniform(0, 0.02))

    def _remember(self, task_id: str) -> None:
        self._known = [*self._known[-_REMEMBERED:], task_id]

    async def _plain(self) -> None:
        self._remember((await self.manager.enqueue(self._flaky, 1)).task_id)

    async def _keyed(self) -> None:
        number = random.randrange(KEYS)
        await self.manager.enqueue(self._flaky, number, idempotency_key=f"key {number}")

    async def _ordered(self) -> None:
        self._remember((await self.manager.enqueue(self._in_order, random.randrange(KEYS))).task_id)

    async def _few(self) -> None:
        await self.manager.enqueue(self._in_few)

    async def _chain(self) -> None:
        await self.manager.chain(self.manager.call(self._flaky, 0), *[self._flaky] * 3)

    async def _cancel(self) -> None:
        if self._known:
            await self.manager.cancel(random.choice(self._known))

    async def _retry(self) -> None:
        if self._known:
            await self.manager.retry(random.choice(self._known))

    async def _look(self) -> None:
        await self.manager.merged_list()


def measure(backend: str, seconds: float, between_kills: float = 6.0) -> dict[str, Any]:
    """The figures of so many seconds; ``faults`` should be empty."""
    with (
        TemporaryDirectory(prefix="taskflow-mixed-") as name,
        serving(backend) as server,
        own_store(server, Path(name)) as store,
    ):
        folder, kills = Path(name), 0
        # Made before anybody races for it.
        asyncio.run(make(store))
        before = _deadlocks(server)
        processes = [_started(store, folder) for _ in range(PROCESSES)]
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                time.sleep(min(between_kills, seconds))
                victim = random.randrange(PROCESSES)
                kill(processes[victim])
                processes[victim] = _started(store, folder)
                kills += 1
        finally:
            for pid in processes:
                kill(pid)
        lines = read_lines(folder / "noted")
        after = _deadlocks(server)
    told = Counter(line["what"] for line in lines)
    wrong = Counter(line["text"] for line in lines if line["what"] in ("unavailable", "error"))
    return {
        "seconds": seconds,
        "kills": kills,
        "calls": dict(told),
        "by_act": dict(Counter(line["act"] for line in lines if line["what"] == "done")),
        "refusals": dict(Counter(line["kind"] for line in lines if line["what"] == "refused")),
        "deadlocks_ended_by_the_server": after - before,
        "faults": [f"{times} times: {text}" for text, times in wrong.most_common(20)]
        or ([] if told["done"] else ["nothing was done"]),
    }


def _started(store: str, folder: Path) -> int:
    return fork(lambda: Work(store, folder).run())


def _deadlocks(server: str) -> int:
    found: list[Any] = asyncio.run(ask(server, _DEADLOCKS[kind_of(server)]))
    return int(found[0][0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trust.mixed", description=__doc__)
    parser.add_argument("--backend", default="postgresql", help="postgresql, mysql or an address")
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    logging.getLogger("fastapi_taskflow").setLevel(logging.CRITICAL)
    figures = measure(given.backend, given.seconds)
    print(json.dumps(figures, indent=1))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
