"""How attempts run, fail, wait and end."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import (
    Cancel,
    Retry,
    Snooze,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
    get_task_context,
    task_log,
)
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.words.ids import new_id
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


async def ended(manager: TaskManager, task_id: str) -> TaskStatus:
    """The task's final state."""

    async def status() -> TaskStatus | None:
        record = await manager.get(task_id)
        live = record is None or record.status in (TaskStatus.PENDING, TaskStatus.RUNNING)
        return None if live or record is None else record.status

    found = await wait_until(status)
    assert isinstance(found, TaskStatus)
    return found


@pytest.mark.parametrize("persist", [False, True])
async def test_a_task_runs_and_its_record_says_so(manager: Make, persist: bool) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def greet(name: str, *, loud: bool = False) -> None:
        task_log(f"hello {name} {loud}")

    async with tasks:
        task_id, duplicate, _ = await tasks.enqueue(greet, "Ann", loud=True, tags={"tenant": "a"})
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS
        record = await tasks.get(task_id)

    assert not duplicate
    assert record is not None
    assert record.args == ("Ann",)
    assert record.kwargs == {"loud": True}
    assert record.tags == {"tenant": "a"}
    assert record.executor == "async"
    assert [line.split(" ", 1)[1] for line in record.logs] == ["hello Ann True"]
    assert record.error is None
    assert record.duration is not None
    assert record.due_at is None


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize(("fails", "status"), [(2, TaskStatus.SUCCESS), (3, TaskStatus.FAILED)])
async def test_it_is_tried_once_more_per_retry(
    manager: Make, persist: bool, fails: int, status: TaskStatus
) -> None:
    tasks = manager()
    seen: list[int] = []

    @tasks.task(persist=persist, retries=2, delay=0.01)
    def flaky() -> None:
        context = get_task_context()
        assert context is not None
        seen.append(context.attempt)
        if len(seen) <= fails:
            raise ValueError(f"failure {len(seen)}")

    async with tasks:
        task_id, *_ = await tasks.enqueue(flaky)
        assert await ended(tasks, task_id) is status
        record = await tasks.get(task_id)

    assert seen == [0, 1, 2]
    assert record is not None
    assert record.retries_used == 2
    assert [line for line in record.logs if line.startswith("---")] == [
        "--- Retry 1 ---",
        "--- Retry 2 ---",
    ]
    if status is TaskStatus.FAILED:
        assert record.error == "failure 3"
        assert record.stacktrace is not None
        assert "ValueError: failure 3" in record.stacktrace
    else:
        assert record.error is None
        assert record.stacktrace is None


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit()]
)
async def test_whatever_a_task_raises_is_its_own_failure(
    manager: Make, persist: bool, is_async: bool, error: BaseException
) -> None:
    tasks = manager()

    def raise_it() -> None:
        raise error

    async def raise_it_async() -> None:
        raise error

    func = raise_it_async if is_async else raise_it
    tasks.task(persist=persist)(func)
    async with tasks:
        task_id, *_ = await tasks.enqueue(func)
        assert await ended(tasks, task_id) is TaskStatus.FAILED


@pytest.mark.parametrize("persist", [False, True])
async def test_a_task_that_cancels_itself_has_failed(manager: Make, persist: bool) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def give_up() -> None:
        raise asyncio.CancelledError

    async with tasks:
        task_id, *_ = await tasks.enqueue(give_up)
        assert await ended(tasks, task_id) is TaskStatus.FAILED


@pytest.mark.parametrize("persist", [False, True])
async def test_snooze_waits_without_spending_a_retry(manager: Make, persist: bool) -> None:
    tasks = manager()
    attempts: list[int] = []

    @tasks.task(persist=persist)
    async def patient() -> None:
        context = get_task_context()
        assert context is not None
        attempts.append(context.attempt)
        if len(attempts) < 4:
            raise Snooze(0.01)

    async with tasks:
        task_id, *_ = await tasks.enqueue(patient)
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    assert attempts == [0, 0, 0, 0]


@pytest.mark.parametrize("persist", [False, True])
async def test_retry_asks_for_another_attempt_while_there_are_some(
    manager: Make, persist: bool
) -> None:
    tasks = manager()
    attempts: list[int] = []

    @tasks.task(persist=persist, retries=1, delay=3600)
    async def again() -> None:
        attempts.append(1)
        raise Retry(after=0.01, reason="not yet")

    async with tasks:
        task_id, *_ = await tasks.enqueue(again)
        assert await ended(tasks, task_id) is TaskStatus.FAILED
        record = await tasks.get(task_id)

    assert len(attempts) == 2
    assert record is not None
    assert record.error == "not yet"


@pytest.mark.parametrize("persist", [False, True])
async def test_cancel_raised_ends_a_task_without_retry(manager: Make, persist: bool) -> None:
    tasks = manager()

    @tasks.task(persist=persist, retries=5)
    def stop() -> None:
        raise Cancel("gone")

    async with tasks:
        task_id, *_ = await tasks.enqueue(stop)
        assert await ended(tasks, task_id) is TaskStatus.CANCELLED
        record = await tasks.get(task_id)

    assert record is not None
    assert record.error == "gone"


@pytest.mark.parametrize("persist", [False, True])
async def test_a_coroutine_that_takes_too_long_is_cancelled(manager: Make, persist: bool) -> None:
    tasks = manager()
    cleaned = asyncio.Event()

    @tasks.task(persist=persist, timeout=0.05)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with tasks:
        task_id, *_ = await tasks.enqueue(slow)
        assert await ended(tasks, task_id) is TaskStatus.FAILED
        record = await tasks.get(task_id)

    assert cleaned.is_set()
    assert record is not None
    assert record.error is not None
    assert "0.05 s" in record.error


@pytest.mark.parametrize("persist", [False, True])
async def test_a_coroutine_that_catches_its_timeout_has_failed_too(
    manager: Make, persist: bool
) -> None:
    tasks = manager()
    calls: list[str] = []

    @tasks.task(persist=persist, timeout=0.05, retries=1)
    async def stubborn() -> str:
        calls.append("called")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done"

    async with tasks:
        task_id, *_ = await tasks.enqueue(stubborn)
        assert await ended(tasks, task_id) is TaskStatus.FAILED
        record = await tasks.get(task_id)

    assert calls == ["called", "called"]
    assert record is not None
    assert record.error is not None
    assert "0.05 s" in record.error


@pytest.mark.parametrize("persist", [False, True])
async def test_a_thread_that_takes_too_long_keeps_its_slot(manager: Make, persist: bool) -> None:
    tasks = manager(max_sync_threads=1)
    release = threading.Event()
    order: list[str] = []

    @tasks.task(persist=persist, timeout=0.05, retries=3)
    def stuck() -> None:
        release.wait()
        order.append("stuck returned")

    @tasks.task(persist=persist)
    def other() -> None:
        order.append("other ran")

    async with tasks:
        first, *_ = await tasks.enqueue(stuck)
        second, *_ = await tasks.enqueue(other)
        assert await ended(tasks, first) is TaskStatus.FAILED
        waiting = await tasks.get(second)
        assert waiting is not None
        assert waiting.status is TaskStatus.PENDING

        release.set()
        assert await ended(tasks, second) is TaskStatus.SUCCESS

    assert order == ["stuck returned", "other ran"]


async def test_a_delay_is_kept_by_the_store(manager: Make) -> None:
    first = manager()
    second = manager()
    ran = asyncio.Event()

    async def later() -> None:
        ran.set()

    for tasks in (first, second):
        tasks.task(persist=True, name="later")(later)

    async with first:
        task_id, *_ = await first.enqueue(later, delay=0.4)
        record = await first.get(task_id)
    assert record is not None
    assert record.due_at is not None
    assert (record.due_at - record.created_at).total_seconds() == pytest.approx(0.4, abs=0.1)
    assert not ran.is_set()

    async with second:
        assert await ended(second, task_id) is TaskStatus.SUCCESS


async def test_stored_arguments_that_cannot_be_read_fail_the_task(
    manager: Make, open_store: Callable[[], object]
) -> None:
    tasks = manager()
    called = threading.Event()

    @tasks.task(persist=True, retries=5)
    def victim(*args: object) -> None:
        called.set()

    async with tasks:
        await tasks.pause("default")
        task_id, *_ = await tasks.enqueue(victim, 1, delay=0.01)
        backend = tasks.runtime.backend
        (stored,) = await backend.get([task_id])
        assert stored is not None
        hostile = NewTask(
            new_id(), "victim", b"\x80\x04garbage", "default", stored.record.created_at
        )
        await backend.insert([[hostile]])
        await tasks.resume("default")
        assert await ended(tasks, hostile.task_id) is TaskStatus.FAILED
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS


@pytest.mark.parametrize(
    "options",
    [
        {"tags": {1: "a"}},
        {"tags": ["a"]},
        {"tags": {"half \ud800": "b"}},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"idempotency_key": 7},
        {"idempotency_key": "half \ud800"},
    ],
)
async def test_labels_that_cannot_be_stored_are_refused_at_the_door(
    manager: Make, options: dict[str, Any]
) -> None:
    tasks = manager()

    @tasks.task()
    async def work() -> None:
        pass

    async with tasks:
        with pytest.raises(TaskArgumentError):
            await tasks.enqueue(work, **options)


async def test_a_coroutine_that_cancels_itself_has_failed(manager: Make) -> None:
    tasks = manager()

    @tasks.task()
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with tasks:
        made = await tasks.enqueue(cancels_itself)
        record = tasks.store.get(made.task_id)
        assert record is not None
        await wait_until(lambda: record.end_time is not None)

    assert (record.status.value, record.error) == ("failed", "CancelledError")


@pytest.mark.parametrize("persist", [False, True])
async def test_a_record_that_was_read_is_the_readers(manager: Make, persist: bool) -> None:
    tasks = manager()
    release = asyncio.Event()

    @tasks.task(persist=persist)
    async def talk() -> None:
        await release.wait()
        task_log("heard later")

    async with tasks:
        task_id, *_ = await tasks.enqueue(talk, tags={"tenant": "a"})
        early = await tasks.get(task_id)
        assert early is not None
        status = early.status
        early.tags["tenant"] = "b"
        early.logs.append("mine")
        release.set()
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS
        late = await tasks.get(task_id)
        assert late is not None
        late.tags["tenant"] = "c"
        last = await tasks.get(task_id)

    assert (early.status, early.logs) == (status, ["mine"])
    assert last is not None
    assert last.tags == {"tenant": "a"}
    assert [line.split(" ", 1)[1] for line in last.logs] == ["heard later"]
