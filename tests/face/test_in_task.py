"""What a task sees of itself, through public names."""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    InMemoryLogger,
    ManagedBackgroundTasks,
    TaskContext,
    TaskManager,
    TaskStatus,
    get_task_context,
    task_log,
)
from tests.support.exchanges import Exchange
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def persist(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def helper(word: str) -> TaskContext | None:
    """Deep inside: knows nothing of tasks."""
    task_log(f"helper {word}")
    return get_task_context()


async def async_helper(word: str) -> TaskContext | None:
    return helper(word)


@pytest.mark.parametrize("is_async", [True, False])
def test_the_context_reaches_helpers_threads_and_child_tasks(
    tasks: TaskManager, persist: bool, is_async: bool
) -> None:
    app = FastAPI()
    tasks.install(app)
    seen: list[TaskContext | None] = []

    @tasks.task(persist=persist, name="renamed")
    async def on_loop() -> None:
        seen.append(get_task_context())
        seen.append(helper("called"))
        seen.append(await asyncio.to_thread(helper, "in thread"))
        seen.append(await asyncio.create_task(async_helper("in child")))

    @tasks.task(persist=persist, name="in thread")
    def in_thread() -> None:
        seen.append(get_task_context())
        seen.append(helper("called"))
        seen.append(asyncio.run(async_helper("in a loop of its own")))

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> str:
        assert get_task_context() is None
        return background_tasks.add_task(on_loop if is_async else in_thread, tags={"tenant": "a"})

    with TestClient(app) as client:
        task_id = client.post("/").json()

    assert len(seen) == (4 if is_async else 3)
    for context in seen:
        assert context is not None
        assert context.task_id == task_id
        assert context.func_name == ("renamed" if is_async else "in thread")
        assert context.attempt == 0
        assert context.tags == {"tenant": "a"}
        assert context.fence >= 1
    record = tasks.store.get(task_id)
    assert record is not None
    assert len(record.logs) == len(seen) - 1
    for line in record.logs:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d helper .+", line)


def test_tasks_of_one_chain_do_not_see_each_other(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    seen: list[str] = []

    @tasks.task(persist=persist)
    async def note(word: str) -> None:
        context = get_task_context()
        assert context is not None
        seen.append(context.task_id)
        task_log(word)

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> list[str]:
        return [background_tasks.add_task(note, word) for word in ("one", "two")]

    with TestClient(app) as client:
        ids = client.post("/").json()

    assert seen == ids
    logs = [tasks.store.get(task_id).logs for task_id in ids]  # type: ignore[union-attr]
    assert [line.split(" ", 1)[1] for lines in logs for line in lines] == ["one", "two"]


def test_attempts_are_counted_and_parted_in_the_log(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    attempts: list[int] = []

    @tasks.task(persist=persist, retries=2)
    def flaky() -> None:
        context = get_task_context()
        assert context is not None
        attempts.append(context.attempt)
        task_log(f"attempt {context.attempt}")
        if context.attempt < 2:
            raise LookupError

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(flaky)

    @app.get("/")
    async def look() -> Any:
        (record,) = await tasks.merged_list()
        found = await tasks.get(record.task_id)
        return None if found is None else found.to_dict()

    with TestClient(app) as client:
        assert client.post("/").is_success
        shown = client.get("/").json()

    assert attempts == [0, 1, 2]
    assert shown["retries_used"] == 2
    assert [re.sub(r"^[\d:T-]+ (?=attempt)", "", line) for line in shown["logs"]] == [
        "attempt 0",
        "--- Retry 1 ---",
        "attempt 1",
        "--- Retry 2 ---",
        "attempt 2",
    ]


async def test_a_thread_learns_that_it_was_cancelled(tasks: TaskManager, persist: bool) -> None:
    started, may_look = threading.Event(), threading.Event()
    seen: list[bool] = []

    @tasks.task(persist=persist)
    def cooperative() -> None:
        context = get_task_context()
        assert context is not None
        context.check_cancelled()
        seen.append(context.cancelled)
        started.set()
        assert may_look.wait(10)
        seen.append(context.cancelled)
        context.check_cancelled()
        seen.append(False)

    async with tasks:
        task_id, *_ = await tasks.enqueue(cooperative)
        await asyncio.to_thread(started.wait, 10)
        record = await tasks.cancel(task_id)
        assert record.status is TaskStatus.RUNNING
        may_look.set()

        async def ended() -> bool:
            found = await tasks.get(task_id)
            return found is not None and found.status is TaskStatus.CANCELLED

        await wait_until(ended)

    assert seen == [False, True]


async def test_a_task_learns_that_its_instance_stops(tasks: TaskManager, persist: bool) -> None:
    gate = Gate()
    seen: list[tuple[bool, bool]] = []

    @tasks.task(persist=persist)
    async def careful() -> None:
        context = get_task_context()
        assert context is not None
        seen.append((context.stopping, context.cancelled))
        await gate.stand()
        seen.append((context.stopping, context.cancelled))

    async with tasks:
        await tasks.enqueue(careful)
        await gate.reached()
        tasks.runtime.engine().begin_drain()
        gate.open()

    assert seen == [(False, False), (True, False)]


def test_outside_a_task_lines_go_to_python_logging(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    tasks.install(app)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        helper("in the endpoint\x1b[2J")

    with caplog.at_level(logging.INFO), TestClient(app) as client:
        assert client.post("/").is_success

    (record,) = [each for each in caplog.records if each.name == "fastapi_taskflow.task"]
    assert record.message == "helper in the endpoint"


def test_lines_carry_their_level_and_values_to_observers(make_manager: Make, persist: bool) -> None:
    observer = InMemoryLogger()
    tasks = make_manager(loggers=[observer])
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=persist, retries=1)
    def talk() -> None:
        task_log("quiet", level="debug")
        task_log("values", level="warning", order=5, name="any", message_id=7)
        context = get_task_context()
        if context is not None and context.attempt == 0:
            raise LookupError

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> str:
        return background_tasks.add_task(talk, tags={"tenant": "a"})

    with TestClient(app) as client:
        task_id = client.post("/").json()

    record = tasks.store.get(task_id)
    assert record is not None
    assert [(entry.level, entry.message) for entry in record.log_entries()] == [
        ("debug", "quiet"),
        ("warning", "values"),
        (None, "--- Retry 1 ---"),
        ("debug", "quiet"),
        ("warning", "values"),
    ]
    events = observer.log_events
    assert [(event.message, event.level, event.attempt) for event in events] == [
        ("quiet", "debug", 0),
        ("values", "warning", 0),
        ("quiet", "debug", 1),
        ("values", "warning", 1),
    ]
    assert {event.task_id for event in events} == {task_id}
    assert events[1].extra == {"order": 5, "name": "any", "message_id": 7}
    assert events[1].tags == {"tenant": "a"}
    assert events[1].timestamp.tzinfo is not None


async def test_lines_are_seen_while_the_task_runs(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    gate = Gate()

    @tasks.task(persist=persist)
    async def talk() -> None:
        task_log("half way")
        await gate.stand()

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(talk)

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        await gate.reached()
        (task_id,) = [record.task_id for record in tasks.store.list()]

        async def stored() -> bool:
            (found,) = await tasks.runtime.backend.get([task_id])
            return found is not None and len(found.record.logs) == 1

        await wait_until(stored)
        gate.open()
        await exchange.task
