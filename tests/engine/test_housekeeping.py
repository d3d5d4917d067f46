"""Retention, queues that only the store knows, and memory that stays bounded."""

import gc
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fastapi_taskflow import (
    Backend,
    MemoryBackend,
    SqliteBackend,
    TaskAdmin,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.backends.base import NewTask, Purged, Query
from fastapi_taskflow.backends.base.forwarding import Forwarding
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.rules.codec import encode
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.words.ids import new_id
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio

Make = Callable[..., TaskManager]

ROUNDS: dict[str, Any] = {"snapshot_interval": 0.02}


class Watched(Forwarding):
    """Notes what each purge was asked for and what it deleted."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.purges: list[tuple[int, Purged]] = []

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        purged = await super().purge(before, limit=limit)
        self.purges.append((limit, purged))
        return purged


@pytest.fixture
def clock() -> ManualClock:
    """Of the store: two days ago."""
    return ManualClock(datetime.now(UTC) - timedelta(days=2))


@pytest.fixture(params=["memory", "sqlite"])
def open_aged(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> Callable[[], Watched]:
    """Gives handles to one store on its own clock."""
    if request.param == "sqlite":
        return lambda: Watched(SqliteBackend(str(tmp_path / "aged.db"), clock=clock))
    shared = MemoryBackend(clock=clock)
    return lambda: Watched(shared)


@pytest.fixture
def aged(open_aged: Callable[[], Watched]) -> Watched:
    return open_aged()


def waiting(queue: str = "default", func_name: str = "work") -> NewTask:
    """A durable task, as another process would have stored it."""
    payload = encode((), {}, TaskManager().registry.types)
    return NewTask(new_id(), func_name, payload, queue, datetime.now(UTC))


async def has_ended(manager: TaskManager, task_id: str) -> bool:
    record = await manager.get(task_id)
    return record is not None and record.status is TaskStatus.SUCCESS


async def store_old(store: Backend, clock: ManualClock, number: int) -> list[str]:
    """Records that ended two days ago, when the clock is done."""
    made = [waiting() for _ in range(number)]
    await store.open(lambda: None)
    await store.insert([made])
    await store.cancel([one.task_id for one in made])
    await store.close()
    clock.advance(2 * 86_400)
    return [one.task_id for one in made]


async def test_old_records_go_and_younger_ones_stay(aged: Watched, clock: ManualClock) -> None:
    old = await store_old(aged, clock, 3)
    manager = TaskManager(snapshot_backend=aged, retention_days=1.5, **ROUNDS)

    @manager.task(persist=True)
    async def work() -> None: ...

    async with manager:
        young = (await manager.enqueue(work)).task_id
        await wait_until(lambda: any(purged.task_ids for _, purged in aged.purges))
        found = [await manager.get(task_id) for task_id in (*old, young)]

    assert [record and record.task_id for record in found] == [None, None, None, young]


async def test_a_clock_that_jumps_forward_deletes_nothing(
    aged: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ManualClock(datetime.now(UTC))
    monkeypatch.setattr("fastapi_taskflow.operations.runtime.SYSTEM_CLOCK", machine)
    manager = TaskManager(snapshot_backend=aged, retention_days=30, **ROUNDS)

    @manager.task(persist=True)
    async def work() -> None: ...

    async with manager:
        young = (await manager.enqueue(work)).task_id
        await wait_until(lambda: has_ended(manager, young))
        machine.set_by(400 * 86_400)
        rounds = len(aged.purges)
        await wait_until(lambda: len(aged.purges) >= rounds + 3)

        assert await manager.get(young) is not None
        assert not any(purged.task_ids for _, purged in aged.purges)


async def test_a_backlog_goes_in_batches(aged: Watched, clock: ManualClock) -> None:
    await store_old(aged, clock, 450)
    manager = TaskManager(snapshot_backend=aged, retention_days=1, **ROUNDS)

    async with manager:
        await wait_until(lambda: sum(len(purged.task_ids) for _, purged in aged.purges) == 450)

    sizes = [len(purged.task_ids) for limit, purged in aged.purges]
    assert max(sizes) <= max(limit for limit, _ in aged.purges) < 450


async def test_a_long_backlog_does_not_wait_for_the_next_round(
    aged: Watched, clock: ManualClock
) -> None:
    await store_old(aged, clock, 650)
    manager = TaskManager(snapshot_backend=aged, retention_days=1, snapshot_interval=3_600)
    manager.runtime.settings = replace(manager.runtime.settings, purge_limit=200)

    async with manager:
        await wait_until(lambda: sum(len(purged.task_ids) for _, purged in aged.purges) == 650)


async def test_totals_outlive_their_records(aged: Watched, clock: ManualClock) -> None:
    await store_old(aged, clock, 5)
    manager = TaskManager(snapshot_backend=aged, retention_days=1, **ROUNDS)

    async with manager:
        await wait_until(lambda: any(purged.task_ids for _, purged in aged.purges))
        metrics = await manager.operations.metrics()
        left = await manager.operations.count(Query())

    assert (metrics.cancelled, left.number) == (5, 0)


async def test_several_instances_share_the_work(
    open_aged: Callable[[], Watched], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stores = [open_aged(), open_aged()]
    old = await store_old(stores[0], clock, 600)
    one, two = (TaskManager(snapshot_backend=each, retention_days=1, **ROUNDS) for each in stores)

    def gone() -> list[str]:
        return [i for each in stores for _, purged in each.purges for i in purged.task_ids]

    with caplog.at_level(logging.WARNING):
        async with one, two:
            await wait_until(lambda: len(gone()) >= 600)

    assert sorted(gone()) == sorted(old)
    assert caplog.records == []


async def test_this_process_forgets_what_was_purged(manager: Make) -> None:
    one = manager(retention_days=0.2 / 86_400, **ROUNDS)

    @one.task()
    async def work() -> None: ...

    async with one:
        task_id = (await one.enqueue(work)).task_id
        await wait_until(lambda: _ended(one, task_id))

        await wait_until(lambda: one.store.get(task_id) is None)


def _ended(manager: TaskManager, task_id: str) -> bool:
    record = manager.store.get(task_id)
    return record is None or record.status is TaskStatus.SUCCESS


async def test_without_retention_only_expired_keys_go(aged: Watched, clock: ManualClock) -> None:
    await store_old(aged, clock, 3)
    manager = TaskManager(snapshot_backend=aged, **ROUNDS)

    async with manager:
        await wait_until(lambda: len(aged.purges) >= 2)
        left = await manager.operations.count(Query())

    assert left.number == 3


# Queues


async def test_a_queue_that_left_the_configuration_strands_nothing(
    manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    task = waiting("gone")
    one = manager(**ROUNDS)
    ran: list[str] = []

    @one.task(persist=True)
    async def work() -> None:
        ran.append("once")

    async with one:
        await one.runtime.engine().backend.insert([[task], [waiting("gone")]])
        with caplog.at_level(logging.WARNING):
            await wait_until(lambda: len(ran) == 2)
        await one.runtime.engine().backend.insert([[waiting("gone")]])
        await wait_until(lambda: len(ran) == 3)
        stats = {each["name"]: each for each in one.queue_stats()}

    assert (stats["gone"]["concurrency"], stats["gone"]["max_size"]) == (None, None)
    told = [record for record in caplog.records if "'gone'" in record.getMessage()]
    assert len(told) == 1


async def test_a_queue_of_others_functions_is_left_to_them(manager: Make) -> None:
    one = manager(**ROUNDS)
    ran: list[str] = []

    @one.task(persist=True)
    async def work() -> None:
        ran.append("once")

    async with one:
        backend = one.runtime.engine().backend
        await backend.insert([[waiting("theirs", "their_work")], [waiting("gone")]])
        await wait_until(lambda: ran)
        names = [each["name"] for each in one.queue_stats()]

    assert names == ["default", "gone"]


# Memory


async def test_many_tasks_leave_a_bounded_number_in_memory() -> None:
    manager = TaskManager(snapshot_backend=MemoryBackend(keep=100))
    manager.runtime.store = TaskStore(keep=100)

    @manager.task()
    async def work(number: int) -> None: ...

    async def run(batches: int) -> None:
        for _ in range(batches):
            added = [
                (await manager.enqueue(work, n, idempotency_key=new_id())).task_id
                for n in range(500)
            ]
            await wait_until(partial(_all_ended, manager, added))

    async with manager:
        await run(2)
        # Reading writes what is behind first; what waits for that is in memory too.
        await manager.merged_list()
        early = _live_tasks()
        await run(4)
        stored, _ = await manager.operations.search(Query(), limit=1_000)
        late = _live_tasks()

        assert len(manager.store.list()) <= 100
        assert len(stored) <= 100
    assert late <= early + 50


def _all_ended(manager: TaskManager, task_ids: list[str]) -> bool:
    return all(_ended(manager, task_id) for task_id in task_ids)


def _live_tasks() -> int:
    gc.collect()
    # By type: other tests leave objects behind that lie about their class.
    return sum(type(one) is LiveTask for one in gc.get_objects())


# Settings


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), 1e9, True, "30"])
def test_a_retention_that_cannot_work_is_refused(days: Any) -> None:
    with pytest.raises(ConfigurationError, match="retention_days"):
        TaskManager(retention_days=days)
    with pytest.raises(ConfigurationError, match="retention_days"):
        TaskAdmin(FastAPI(), TaskManager(), retention_days=days)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), True, "60"])
def test_an_interval_that_cannot_work_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="snapshot_interval"):
        TaskManager(snapshot_interval=seconds)


@pytest.mark.parametrize(("own", "kept"), [(None, 7), (0.5, 0.5)])
def test_the_admin_says_where_the_manager_does_not(own: float | None, kept: float) -> None:
    manager = TaskManager(retention_days=own)

    TaskAdmin(FastAPI(), manager, retention_days=7)

    assert manager.runtime.settings.retention_days == kept


async def test_rounds_fold_the_rollups(tmp_path: Path, clock: ManualClock) -> None:
    store = Watched(SqliteBackend(str(tmp_path / "aged.db"), clock=clock))
    await store_old(store, clock, 3)
    clock.advance(60)

    async with TaskManager(snapshot_backend=store, **ROUNDS):
        await wait_until(lambda: store.purges)
        assert store.purges[0][1].sums > 0
        assert (await store.purge(None, limit=9)).sums == 0
