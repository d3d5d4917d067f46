"""Which task runs next, and how many at a time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    QueueConfig,
    QueueFullError,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.exceptions import ConfigurationError
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Gate:
    """Tasks that stand here until they are let go; knows how many stood at a time."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.names: list[str] = []
        self._open = asyncio.Event()

    async def pass_through(self, name: str) -> None:
        self.names.append(name)
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self._open.wait()
        self.inside -= 1

    def open(self) -> None:
        self._open.set()


def gated(tasks: TaskManager, gate: Gate, *, persist: bool) -> Callable[..., object]:
    @tasks.task(persist=persist)
    async def stand(name: str) -> None:
        await gate.pass_through(name)

    return stand


@pytest.mark.parametrize("persist", [False, True])
async def test_a_queue_runs_as_many_as_its_concurrency(manager: Make, persist: bool) -> None:
    tasks = manager(queues={"mail": QueueConfig(concurrency=2)})
    gate = Gate()
    stand = gated(tasks, gate, persist=persist)

    async with tasks:
        ids = [(await tasks.enqueue(stand, str(n), queue="mail")).task_id for n in range(7)]
        await wait_until(lambda: gate.inside == 2)
        gate.open()
        for task_id in ids:
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    assert gate.most == 2


@pytest.mark.parametrize("persist", [False, True])
async def test_the_highest_priority_runs_first(manager: Make, persist: bool) -> None:
    tasks = manager(queues={"one": QueueConfig(concurrency=1)})
    gate = Gate()
    stand = gated(tasks, gate, persist=persist)

    async with tasks:
        first = await tasks.enqueue(stand, "first", queue="one")
        await wait_until(lambda: gate.inside == 1)
        waiting = [
            await tasks.enqueue(stand, name, queue="one", priority=priority)
            for name, priority in [("low", -1), ("none", None), ("high", 9), ("also none", None)]
        ]
        gate.open()
        for task in (first, *waiting):
            assert await ended(tasks, task.task_id) is TaskStatus.SUCCESS

    assert gate.names == ["first", "high", "none", "also none", "low"]


@pytest.mark.parametrize("persist", [False, True])
async def test_a_paused_queue_starts_nothing_until_it_is_resumed(
    manager: Make, persist: bool
) -> None:
    tasks = manager(queues={"mail": QueueConfig()})
    gate = Gate()
    gate.open()
    stand = gated(tasks, gate, persist=persist)

    async with tasks:
        await tasks.pause("mail")
        paused = await tasks.enqueue(stand, "paused", queue="mail")
        other = await tasks.enqueue(stand, "other")
        assert await ended(tasks, other.task_id) is TaskStatus.SUCCESS
        assert gate.names == ["other"]

        await tasks.resume("mail")
        assert await ended(tasks, paused.task_id) is TaskStatus.SUCCESS


@pytest.mark.parametrize("persist", [False, True])
async def test_slots_can_be_resized_while_tasks_run(manager: Make, persist: bool) -> None:
    tasks = manager(queues={"mail": QueueConfig(concurrency=1)})
    gate = Gate()
    stand = gated(tasks, gate, persist=persist)

    async with tasks:
        ids = [(await tasks.enqueue(stand, str(n), queue="mail")).task_id for n in range(4)]
        await wait_until(lambda: gate.inside == 1)
        tasks.update_queue_config("mail", 3, None)
        await wait_until(lambda: gate.inside == 3)
        tasks.update_queue_config("mail", 1, None)
        gate.open()
        for task_id in ids:
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    assert gate.most == 3


async def test_a_changed_limit_reaches_other_instances_and_the_next_start(manager: Make) -> None:
    first, second, third = (manager(queues={"mail": QueueConfig(concurrency=1)}) for _ in range(3))

    async with first:
        async with second:
            first.update_queue_config("mail", 5, 7)
            await wait_until(lambda: second.queue_stats()[1]["concurrency"] == 5)
            assert second.queue_stats()[1]["max_size"] == 7
        await first.operations.update_queue("mail", {"concurrency": 6})

    async with third:
        assert third.queue_stats()[1]["concurrency"] == 6
        assert third.queue_stats()[1]["max_size"] == 7
    with pytest.raises(ConfigurationError, match="Did you mean 'mail'"):
        async with third:
            await third.pause("mial")


async def test_a_limit_that_is_left_out_stays_as_it_is(manager: Make) -> None:
    tasks = manager(queues={"mail": QueueConfig(concurrency=1, max_size=7)})

    def limits() -> tuple[int | None, int | None]:
        (mail,) = (queue for queue in tasks.queue_stats() if queue["name"] == "mail")
        return mail["concurrency"], mail["max_size"]

    async with tasks:
        tasks.update_queue_config("mail", concurrency=None)
        assert limits() == (None, 7)
        tasks.update_queue_config("mail", max_size=3)
        assert limits() == (None, 3)
        tasks.update_queue_config("mail", 5, None)
        assert limits() == (5, None)
        with pytest.raises(ConfigurationError, match="give concurrency=, max_size= or another"):
            tasks.update_queue_config("mail")


class Slow(MemoryBackend):
    """A store whose first change of a queue takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()
        self.asked: list[Mapping[str, Any]] = []

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(settings)
        if len(self.asked) == 1:
            await self.first.wait()
        return await super().set_queue(queue, settings)


async def test_the_last_limit_said_is_the_last_one_stored() -> None:
    store = Slow()
    async with TaskManager(snapshot_backend=store, queues={"mail": QueueConfig()}) as tasks:
        for limit in range(1, 10):
            tasks.update_queue_config("mail", max_size=limit)
        await wait_until(lambda: store.asked)
        tasks.update_queue_config("mail", max_size=10)
        pausing = asyncio.ensure_future(tasks.pause("mail"))
        await asyncio.sleep(0)
        store.first.set()
        await pausing
        (mail,) = (queue for queue in tasks.queue_stats() if queue["name"] == "mail")
        stored = await store.set_queue("mail", {})

    assert [each.get("max_size", "paused") for each in store.asked[:-1]] == [
        *range(1, 11),
        "paused",
    ]
    assert (mail["max_size"], mail["paused"]) == (10, True)
    assert (stored["max_size"], stored["paused"]) == (10, True)


async def test_a_limit_is_stored_although_whoever_was_storing_it_was_cancelled() -> None:
    store = Slow()
    async with TaskManager(snapshot_backend=store, queues={"mail": QueueConfig()}) as tasks:
        tasks.update_queue_config("mail", max_size=7)
        pausing = asyncio.ensure_future(tasks.pause("mail"))
        await wait_until(lambda: store.asked)
        pausing.cancel()
        await asyncio.wait([pausing])
        await tasks.resume("mail")
        stored = await store.set_queue("mail", {})

    assert pausing.cancelled()
    assert stored.get("max_size") == 7


async def test_a_queue_tells_of_the_executors_that_its_tasks_are_at(manager: Make) -> None:
    gate = Gate()
    tasks = manager(max_concurrent_tasks=3)
    stand = gated(tasks, gate, persist=False)

    async with tasks:
        added = ManagedBackgroundTasks(tasks)
        for number in range(4):
            added.add_task(stand, str(number), queue="default")
        await added()
        await wait_until(lambda: gate.inside == 3)
        (stats,) = tasks.queue_stats()
        gate.open()
        await wait_until(lambda: tasks.queue_stats()[0]["finished"] == 4)
        (after,) = tasks.queue_stats()

    assert (stats["running"], stats["pending"]) == (3, 1)
    assert stats["executors"] == [{"name": "async", "slots": 3, "running": 3}]
    assert "executors" not in after


async def test_what_has_no_slot_here_runs_where_there_is_one(manager: Make) -> None:
    gate = Gate()
    busy, idle = (manager(queues={"mail": QueueConfig(concurrency=1)}) for _ in range(2))
    stand, _ = (gated(tasks, gate, persist=True) for tasks in (busy, idle))

    async with busy, idle:
        added = ManagedBackgroundTasks(busy)
        ids = [added.add_task(stand, str(n), queue="mail") for n in range(3)]
        await added()
        await wait_until(lambda: gate.inside == 2)
        gate.open()
        for task_id in ids:
            assert await ended(busy, task_id) is TaskStatus.SUCCESS

    assert sorted(gate.names) == ["0", "1", "2"]


async def test_of_tasks_of_one_request_the_most_urgent_gets_the_only_slot(manager: Make) -> None:
    gate = Gate()
    tasks = manager(queues={"mail": QueueConfig(concurrency=1)})
    stand = gated(tasks, gate, persist=True)
    gate.open()

    async with tasks:
        added = ManagedBackgroundTasks(tasks)
        urgency = {"low": -1, "plain": None, "high": 5, "higher": 6}
        ids = [
            added.add_task(stand, name, queue="mail", priority=priority)
            for name, priority in urgency.items()
        ]
        await added()
        for task_id in ids:
            await ended(tasks, task_id)

    assert gate.names == ["higher", "high", "plain", "low"]


async def test_the_event_loop_runs_as_many_as_its_limit(manager: Make) -> None:
    tasks = manager(max_concurrent_tasks=3, queues={"a": QueueConfig(), "b": QueueConfig()})
    gate = Gate()
    plain = gated(tasks, gate, persist=False)

    @tasks.task(persist=True)
    async def durable(name: str) -> None:
        await gate.pass_through(name)

    async with tasks:
        ids = [
            (await tasks.enqueue(func, str(n), queue=queue)).task_id
            for n in range(3)
            for func in (plain, durable)
            for queue in ("a", "b")
        ]
        await wait_until(lambda: gate.inside == 3)
        gate.open()
        for task_id in ids:
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    assert gate.most == 3


@pytest.mark.parametrize("persist", [False, True])
async def test_a_full_queue_rejects_and_keeps_a_record(manager: Make, persist: bool) -> None:
    tasks = manager(queues={"mail": QueueConfig(concurrency=1, max_size=2)})
    gate = Gate()
    stand = gated(tasks, gate, persist=persist)

    async with tasks:
        running = await tasks.enqueue(stand, "running", queue="mail")
        await wait_until(lambda: gate.inside == 1)
        await tasks.enqueue(stand, "waits", queue="mail")
        waiting = await tasks.enqueue(stand, "waits too", queue="mail")
        with pytest.raises(QueueFullError) as refused:
            await tasks.enqueue(stand, "too many", queue="mail")

        assert refused.value.queue == "mail"
        assert refused.value.max_size == 2
        assert refused.value.task_id is not None
        rejected = await tasks.get(refused.value.task_id)
        assert rejected is not None
        assert rejected.status is TaskStatus.REJECTED

        gate.open()
        assert await ended(tasks, running.task_id) is TaskStatus.SUCCESS
        assert await ended(tasks, waiting.task_id) is TaskStatus.SUCCESS
        accepted = await tasks.enqueue(stand, "room again", queue="mail")
        assert await ended(tasks, accepted.task_id) is TaskStatus.SUCCESS

    assert "too many" not in gate.names


async def test_an_unknown_queue_means_the_default_one(
    manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = manager()
    gate = Gate()
    gate.open()
    stand = gated(tasks, gate, persist=False)

    async with tasks:
        task_id, *_ = await tasks.enqueue(stand, "x", queue="nowhere")
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS
        record = await tasks.get(task_id)

    assert record is not None
    assert record.queue == "default"
    assert "nowhere" in caplog.text


async def test_thousands_of_tasks_all_run(manager: Make) -> None:
    tasks = manager(queues={"narrow": QueueConfig(concurrency=50)})
    ran: list[int] = []

    @tasks.task(persist=True)
    async def note(number: int) -> None:
        ran.append(number)

    async with tasks:
        await asyncio.gather(*(tasks.enqueue(note, n, queue="narrow") for n in range(3000)))
        await wait_until(lambda: len(ran) == 3000, within=30)

    assert sorted(ran) == list(range(3000))
