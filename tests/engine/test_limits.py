"""What a task may bring along and leave behind: refused at the door, or cut with a mark."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import (
    QueueConfig,
    TaskArgumentError,
    TaskManager,
    TaskRecord,
    TaskStatus,
    task_log,
)
from fastapi_taskflow.exceptions import ConfigurationError
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

LOG_BYTES = 256 * 1024


async def finished(manager: TaskManager, task_id: str) -> TaskRecord:
    async def over() -> TaskRecord | None:
        record = await manager.get(task_id)
        live = record is None or record.status in (TaskStatus.PENDING, TaskStatus.RUNNING)
        return None if live else record

    found = await wait_until(over)
    assert isinstance(found, TaskRecord)
    return found


def messages(record: TaskRecord) -> list[str]:
    return [line if line.startswith("---") else line.split(" ", 1)[1] for line in record.logs]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"tags": {f"tag{n}": "x" for n in range(17)}}, "tags takes at most 16"),
        ({"tags": {"n" * 129: "x"}}, "1 to 128 characters, got 129"),
        ({"tags": {"name": "x" * 129}}, "1 to 128 characters, got 129"),
        ({"tags": {"name": "\ud800"}}, "not valid Unicode"),
        ({"tags": {"name": None}}, "text, a number, a date"),
        ({"idempotency_key": "k" * 256}, "1 to 255 characters, got 256 characters"),
        ({"idempotency_key": ""}, "1 to 255 characters"),
    ],
)
async def test_what_does_not_fit_is_refused_by_the_task_s_name_and_the_limit(
    manager: Make, persist: bool, options: dict[str, Any], limit: str
) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def work() -> None: ...

    async with tasks:
        with pytest.raises(TaskArgumentError, match=f"'work'.*{limit}"):
            await tasks.enqueue(work, **options)
        assert await tasks.merged_list() == []


async def test_tags_and_keys_of_the_largest_size_are_taken(manager: Make) -> None:
    tasks = manager()
    tags = {f"{n:0128}": "ä" * 128 for n in range(16)}

    @tasks.task(persist=True)
    async def work() -> None: ...

    async with tasks:
        answer = await tasks.enqueue(work, tags=tags, idempotency_key="k" * 255)
        assert (await finished(tasks, answer.task_id)).tags == tags


async def test_arguments_that_are_too_large_name_the_task_and_the_limit(manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def work(text: str) -> None: ...

    async with tasks:
        with pytest.raises(TaskArgumentError, match=r"'work'.*in text.*the limit is 262144"):
            await tasks.enqueue(work, "x" * 262_144)


@pytest.mark.parametrize("name", ["", "q" * 201, "two\nlines"])
def test_a_queue_name_that_no_store_could_index_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 200 printable characters"):
        TaskManager(queues={name: QueueConfig()})


@pytest.mark.parametrize("persist", [False, True])
async def test_an_error_of_any_size_is_cut_and_says_by_how_much(
    manager: Make, persist: bool
) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def work() -> None:
        raise ValueError("x" * 1_000_000 + "the end")

    async with tasks:
        record = await finished(tasks, (await tasks.enqueue(work)).task_id)

    assert record.error is not None
    assert record.stacktrace is not None
    assert len(record.error) <= 16 * 1024
    assert len(record.stacktrace) <= 64 * 1024
    assert "bytes or more left out" in record.error
    assert record.error.endswith("the end")


@pytest.mark.parametrize("persist", [False, True])
async def test_of_a_long_log_the_newest_lines_stay_and_the_others_are_counted(
    manager: Make, persist: bool
) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    def work() -> None:
        for number in range(20_000):
            task_log(str(number))

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        shown = await finished(tasks, task_id)
    async with manager() as later:
        stored = await later.get(task_id)

    assert stored is not None
    assert stored.logs == shown.logs
    first, *rest = messages(stored)
    assert 500 <= len(rest) < 1_000
    assert rest == [str(number) for number in range(20_000 - len(rest), 20_000)]
    assert first == f"--- {20_000 - len(rest)} earlier lines were dropped ---"


@pytest.mark.parametrize("persist", [False, True])
async def test_a_log_is_bounded_in_bytes_and_each_line_of_it_too(
    manager: Make, persist: bool
) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def work() -> None:
        for number in range(60):
            task_log(f"{number} " + "ä" * 20_000)
            await asyncio.sleep(0)

    async with tasks:
        record = await finished(tasks, (await tasks.enqueue(work)).task_id)

    sizes = [len(line.encode()) for line in record.logs]
    assert max(sizes) < 17 * 1024
    assert LOG_BYTES / 4 < sum(sizes) <= LOG_BYTES
    assert messages(record)[-1].startswith("59 ")


async def test_a_log_that_overflows_in_several_attempts_counts_on(manager: Make) -> None:
    tasks = manager()
    attempts: list[int] = []

    @tasks.task(persist=True, retries=2)
    async def work() -> None:
        attempts.append(len(attempts))
        for number in range(900):
            task_log(f"{attempts[-1]}.{number}")
            if number == 600:
                # Until it is written behind, as in a long attempt.
                await asyncio.sleep(0.1)
        raise ValueError("once more")

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        await finished(tasks, task_id)
    async with manager() as later:
        record = await later.get(task_id)

    assert record is not None
    first, *rest = messages(record)
    assert rest[-900:] == [f"2.{number}" for number in range(900)][-len(rest[-900:]) :]
    # Two separators are lines as well.
    assert first == f"--- {2_702 - len(rest)} earlier lines were dropped ---"
    assert len(record.logs) <= 1_000


async def test_lines_of_an_attempt_before_a_restart_are_there_once(manager: Make) -> None:
    first, second = manager(drain_timeout=0.0), manager()
    ran: list[int] = []

    async def work() -> None:
        ran.append(len(ran))
        task_log(f"attempt {ran[-1]}")
        if ran == [0]:
            await asyncio.Event().wait()

    for one in (first, second):
        one.task(persist=True, requeue_on_interrupt=True)(work)
    async with first:
        task_id = (await first.enqueue(work)).task_id
        await wait_until(lambda: ran)
    async with second:
        await finished(second, task_id)
    async with manager() as later:
        record = await later.get(task_id)

    assert record is not None
    assert messages(record) == ["attempt 0", "attempt 1"]
