"""What 300,000 finished tasks in the store cost the ones that come after them.

Two stores are open at the same time, one with a short history and one with a long one, and
every sample is taken on both, in turn. The ratio must stay near 1.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.figures import Bar, Figure, compare
from fastapi_taskflow import ManagedBackgroundTasks, SqliteBackend, TaskManager
from fastapi_taskflow.backends.base import InstanceInfo, Lease, NewTask, Outcome, Query
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.states import Move

__all__ = ["Effort", "measure"]

SHORT = 1_000
FLAT = Bar(limit=1.2)

_BATCH = 2_000
_FUNCTIONS = ("send_mail", "charge", "report", "render", "noop")
_BUILDER = InstanceInfo(
    instance_id="builder",
    host="localhost",
    pid=1,
    started_at=datetime.now(UTC),
    roles=frozenset({"execute"}),
    ttl=3600.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured. ``tasks`` is the length of the long history."""

    rounds: int
    samples: int
    tasks: int = 300_000


async def build(path: Path, tasks: int) -> None:
    """A store with so many finished tasks, made by the backend's own verbs."""
    backend = SqliteBackend(path, synchronous="NORMAL")
    await backend.open(lambda: None)
    await backend.enlist(_BUILDER)
    numbers = iter(range(tasks))
    while batch := list(itertools.islice(numbers, _BATCH)):
        new = [_task(number) for number in batch]
        await backend.insert([new])
        leases = [Lease(task.task_id, 1) for task in new]
        await backend.start(leases)
        outcomes = [
            Outcome(lease, Move.FAIL, 0.0, "ValueError: no", None, 0.1)
            if number % 10 == 0
            else Outcome(lease, Move.SUCCEED, 0.0, None, None, 0.1)
            for number, lease in zip(batch, leases, strict=True)
        ]
        await backend.finish(outcomes)
    await backend.retire(_BUILDER.instance_id)
    await backend.close()


def _task(number: int) -> NewTask:
    return NewTask(
        new_id(),
        _FUNCTIONS[number % len(_FUNCTIONS)],
        b'[["ada@example.com"],{}]',
        "default",
        datetime.now(UTC),
        tags={"customer": str(number % 1000)} if number % 3 == 0 else {},
        idempotency_key=f"key-{number}" if number % 4 == 0 else None,
        fingerprint=b"fingerprint",
        owner=_BUILDER.instance_id,
    )


@dataclass(slots=True)
class Shop:
    """A manager on one of the stores."""

    path: Path
    manager: TaskManager = field(init=False)
    _keys: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.manager = TaskManager(snapshot_db=self.path)
        self.manager.task(persist=True)(noop)

    async def add_task(self, key: str | None = None) -> None:
        """Add a task outside a request: stored, run and finished."""
        tasks = ManagedBackgroundTasks(self.manager)
        tasks.add_task(noop, idempotency_key=key)
        await tasks()

    async def add_task_with_a_new_key(self) -> None:
        await self.add_task(f"new-{next(self._keys)}")

    async def list_page(self) -> None:
        page, _ = await self.manager.operations.search(Query(), limit=100)
        assert len(page) == 100

    async def list_failed(self) -> None:
        query = Query(statuses=frozenset({TaskStatus.FAILED}), func_name="send_mail")
        page, _ = await self.manager.operations.search(query, limit=50)
        assert len(page) == 50

    async def list_tag(self) -> None:
        await self.manager.operations.search(Query(tag=("customer", "7")), limit=1)

    async def metrics(self) -> None:
        assert (await self.manager.operations.metrics()).total >= SHORT


async def noop() -> None:
    pass


async def measure(effort: Effort, folder: Path) -> list[Figure]:
    group = f"With {effort.tasks:,} finished tasks, against {SHORT:,}"
    long, short = folder / "long.db", folder / "short.db"
    await build(short, SHORT)
    await build(long, effort.tasks)
    figures = [await _start_up(group, effort, long, short)]
    async with _open(long) as ours, _open(short) as peer:
        assert (await ours.manager.operations.metrics()).success == effort.tasks * 9 // 10
        steps: dict[str, Callable[[Shop], Awaitable[None]]] = {
            "add_task, stored and run": Shop.add_task,
            "  with an idempotency key": Shop.add_task_with_a_new_key,
            "first list page (100)": Shop.list_page,
            "list page, failed of one function (50)": Shop.list_failed,
            "newest with a tag": Shop.list_tag,
            "metrics": Shop.metrics,
        }
        for name, step in steps.items():
            rounds = [
                await _interleaved(effort.samples, step, ours, peer)
                for _ in range(effort.rounds + 1)
            ]
            bar = None if step is Shop.list_tag else FLAT
            figures.append(compare(group, name, "us", rounds[1:], bar))
    return figures


async def _interleaved(
    samples: int, step: Callable[[Shop], Awaitable[None]], ours: Shop, peer: Shop
) -> tuple[float, float]:
    """Median microseconds on both stores."""
    taken: dict[Path, list[float]] = {ours.path: [], peer.path: []}
    for number in range(samples):
        # Who is first changes, so that neither always finds warm caches.
        for shop in (ours, peer) if number % 2 else (peer, ours):
            begun = perf_counter()
            await step(shop)
            taken[shop.path].append((perf_counter() - begun) * 1e6)
    return median(taken[ours.path]), median(taken[peer.path])


async def _start_up(group: str, effort: Effort, long: Path, short: Path) -> Figure:
    rounds: list[tuple[float, float]] = []
    for _ in range(effort.rounds + 1):
        taken: list[float] = []
        for path in (long, short):
            manager = TaskManager(snapshot_db=path)
            begun = perf_counter()
            await manager.startup()
            taken.append((perf_counter() - begun) * 1e3)
            await manager.shutdown()
        rounds.append((taken[0], taken[1]))
    return compare(group, "start-up", "ms", rounds[1:], FLAT)


@asynccontextmanager
async def _open(path: Path) -> AsyncIterator[Shop]:
    shop = Shop(path)
    async with shop.manager:
        await asyncio.sleep(0.2)  # what a start leaves to do is not what is measured
        yield shop
