"""Observers are told of every transition, in order, and cannot harm a task."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Cancel,
    InMemoryLogger,
    LifecycleEvent,
    LogEvent,
    QueueConfig,
    QueueFullError,
    Retry,
    Snooze,
    StdoutLogger,
    TaskManager,
    TaskObserver,
    TaskStatus,
    task_log,
)
from tests.support.exchanges import Exchange
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def persist(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def observer() -> InMemoryLogger:
    return InMemoryLogger()


@pytest.fixture
def watched(make_manager: Make, observer: InMemoryLogger) -> TaskManager:
    return make_manager(loggers=[observer], queues={"full": QueueConfig(max_size=0)})


def request(
    tasks: TaskManager, function: Callable[..., Any], *args: object, **settings: Any
) -> None:
    """One request that adds the function as a task, from start to end of its app."""
    app = FastAPI()
    tasks.install(app)
    registered = tasks.task(**settings)(function)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(registered, *args)

    with TestClient(app) as client:
        assert client.post("/").is_success


def story(observer: InMemoryLogger) -> list[tuple[TaskStatus, int]]:
    return [(event.status, event.attempt) for event in observer.lifecycle_events]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_success(
    watched: TaskManager, observer: InMemoryLogger, persist: bool, is_async: bool
) -> None:
    async def on_loop() -> None: ...

    def in_thread() -> None: ...

    request(watched, on_loop if is_async else in_thread, persist=persist)

    assert story(observer) == [(PENDING, 0), (RUNNING, 0), (TaskStatus.SUCCESS, 0)]
    pending, running, success = observer.lifecycle_events
    assert {event.task_id for event in observer.lifecycle_events} == {pending.task_id}
    assert (pending.duration, running.duration) == (None, None)
    assert success.duration is not None
    assert success.error is None
    assert pending.timestamp <= running.timestamp <= success.timestamp


def test_a_failure_after_a_retry(
    watched: TaskManager, observer: InMemoryLogger, persist: bool
) -> None:
    async def fail() -> None:
        raise LookupError("broken")

    request(watched, fail, persist=persist, retries=1)

    assert story(observer) == [
        (PENDING, 0),
        (RUNNING, 0),
        (PENDING, 0),
        (RUNNING, 1),
        (TaskStatus.FAILED, 1),
    ]
    again, _, failed = observer.lifecycle_events[2:]
    for event in (again, failed):
        assert event.error == "broken"
        assert event.stacktrace is not None
        assert "LookupError: broken" in event.stacktrace
        assert event.duration is not None
    assert (again.retries_used, failed.retries_used) == (0, 1)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Cancel("gone"), TaskStatus.CANCELLED),
        (Retry(reason="not yet"), TaskStatus.FAILED),
        (SystemExit(2), TaskStatus.FAILED),
    ],
)
def test_a_task_that_ends_itself(
    watched: TaskManager,
    observer: InMemoryLogger,
    persist: bool,
    error: BaseException,
    status: TaskStatus,
) -> None:
    def end() -> None:
        raise error

    request(watched, end, persist=persist)

    assert story(observer) == [(PENDING, 0), (RUNNING, 0), (status, 0)]
    assert observer.lifecycle_events[-1].error == (str(error) or None)


async def test_a_snooze(make_manager: Make, observer: InMemoryLogger, persist: bool) -> None:
    tasks = make_manager(loggers=[observer])
    seen: list[int] = []

    @tasks.task(persist=persist)
    async def patient() -> None:
        seen.append(1)
        if len(seen) == 1:
            raise Snooze(0.01)

    async with tasks:
        await tasks.enqueue(patient)
        await wait_until(lambda: len(observer.lifecycle_events) == 5)

    assert story(observer) == [
        (PENDING, 0),
        (RUNNING, 0),
        (PENDING, 0),
        (RUNNING, 0),
        (TaskStatus.SUCCESS, 0),
    ]


def test_a_rejection(watched: TaskManager, observer: InMemoryLogger, persist: bool) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=persist, queue="full")
    async def refused() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(refused)

    with TestClient(app) as client:
        assert client.post("/").status_code == 429

    (event,) = observer.lifecycle_events
    assert event.status is TaskStatus.REJECTED
    assert event.error is not None
    assert "full" in event.error


def test_what_was_never_accepted_is_not_told(
    watched: TaskManager, observer: InMemoryLogger, persist: bool
) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=persist)
    async def note() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note)
        raise LookupError

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/").status_code == 500

    assert observer.lifecycle_events == []


@pytest.mark.parametrize("running", [False, True])
async def test_a_cancellation(
    make_manager: Make, observer: InMemoryLogger, persist: bool, running: bool
) -> None:
    tasks = make_manager(loggers=[observer])
    gate = Gate()

    @tasks.task(persist=persist)
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        if not running:
            await tasks.pause("default")
        task_id, *_ = await tasks.enqueue(stand)
        if running:
            await gate.reached()
        await tasks.cancel(task_id)
        end = (TaskStatus.CANCELLED, 0)
        await wait_until(lambda: story(observer)[-1:] == [end])

    begun = [(RUNNING, 0)] if running else []
    assert story(observer) == [(PENDING, 0), *begun, end]


async def test_a_drain(make_manager: Make, observer: InMemoryLogger, persist: bool) -> None:
    tasks = make_manager(loggers=[observer], drain_timeout=0.05)
    gate = Gate()

    @tasks.task(persist=persist)
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        await tasks.enqueue(stand)
        await gate.reached()

    assert story(observer) == [(PENDING, 0), (RUNNING, 0), (TaskStatus.INTERRUPTED, 0)]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_timeout_is_told_and_logged(
    make_manager: Make,
    observer: InMemoryLogger,
    persist: bool,
    is_async: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = make_manager(loggers=[observer])
    release = threading.Event()

    async def on_loop() -> None:
        await asyncio.Event().wait()

    def in_thread() -> None:
        release.wait(60)

    registered = tasks.task(persist=persist, timeout=0.02)(on_loop if is_async else in_thread)
    async with tasks:
        task_id, *_ = await tasks.enqueue(registered)
        await wait_until(lambda: len(observer.lifecycle_events) == 3)
        release.set()

    assert story(observer)[-1] == (TaskStatus.FAILED, 0)
    (logged,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert task_id in logged.message
    assert "Timed out" in logged.message


def failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the engine has logged of failed attempts."""
    return [
        each for each in caplog.records if each.name.startswith("fastapi_taskflow.engine.end.rep")
    ]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failure_is_a_line_while_it_is_retried_and_a_traceback_at_the_end(
    tasks: TaskManager, persist: bool, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError("broken\nin two")

    async def async_fail() -> None:
        fail()

    request(tasks, async_fail if is_async else fail, persist=persist, retries=1, name="failing")

    first, last = failures(caplog)
    assert (first.levelno, last.levelno) == (logging.WARNING, logging.ERROR)
    assert first.message.endswith("(failing) will run again in 0 s: broken in two")
    assert last.message.endswith("(failing) failed: broken in two")
    assert first.exc_info is None
    assert last.exc_info is not None
    assert last.exc_info[0] is LookupError
    assert caplog.text.count("in fail\n") == 1


def test_where_debug_is_on_every_failure_has_its_traceback(
    tasks: TaskManager, persist: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError("broken")

    with caplog.at_level(logging.DEBUG, logger="fastapi_taskflow"):
        request(tasks, fail, persist=persist, retries=1)

    assert [each.levelno for each in failures(caplog)] == [logging.WARNING, logging.ERROR]
    assert caplog.text.count("in fail\n") == 2


@pytest.mark.parametrize("secret", ["", "hidden"])
def test_nothing_that_a_task_raises_steers_a_terminal(
    tasks: TaskManager, persist: bool, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(password: str = "") -> None:
        raise ValueError(f"\x1b[2J\x1b]0;owned\x07{password} \x9b31m said the page")

    request(tasks, fail, secret, persist=persist, retries=1)

    first, last = failures(caplog)
    assert "said the page" in first.message
    assert "said the page" in last.message
    assert "in fail\n" in caplog.text
    assert not {"\x1b", "\x07", "\x9b"} & set(caplog.text)


def test_lines_and_transitions_come_in_order(make_manager: Make, persist: bool) -> None:
    seen: list[str] = []

    class Listener(TaskObserver):
        async def on_log(self, event: LogEvent) -> None:
            seen.append(event.message)

        async def on_lifecycle(self, event: LifecycleEvent) -> None:
            seen.append(event.status.value)

    def talk() -> None:
        task_log("one")
        task_log("two", level="debug")
        task_log("three")

    request(make_manager(loggers=[Listener()]), talk, persist=persist)

    assert seen == ["pending", "running", "one", "three", "success"]


class Harmful(TaskObserver):
    """Fails or hangs at one of its methods."""

    def __init__(self, where: str, *, hangs: bool) -> None:
        super().__init__()
        self._where = where
        self._hangs = hangs
        self.called: list[str] = []

    async def _harm(self, here: str) -> None:
        self.called.append(here)
        if here == self._where:
            if self._hangs:
                await asyncio.Event().wait()
            raise ZeroDivisionError("an observer's defect")

    async def startup(self) -> None:
        await self._harm("startup")

    async def close(self) -> None:
        await self._harm("close")

    async def on_log(self, event: LogEvent) -> None:
        await self._harm("on_log")

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        await self._harm("on_lifecycle")


@pytest.mark.parametrize("hangs", [False, True], ids=["raises", "hangs"])
@pytest.mark.parametrize("where", ["startup", "on_log", "on_lifecycle", "close"])
async def test_an_observer_never_touches_a_task(
    make_manager: Make, observer: InMemoryLogger, where: str, hangs: bool
) -> None:
    harmful = Harmful(where, hangs=hangs)
    tasks = make_manager(loggers=[harmful, observer])
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=True)
    async def talk() -> None:
        task_log("line")

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(talk)

    async with tasks:
        for _ in range(3):
            exchange = Exchange(app, "POST", "/")
            await asyncio.wait_for(exchange.task, 60)
            assert exchange.status == 200
        await wait_until(lambda: where in harmful.called or where == "close")

    assert where in harmful.called
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}
    # The observer beside it hears everything.
    assert len(observer.lifecycle_events) == 9
    assert len(observer.log_events) == 3


def test_log_files_and_stdout_through_settings(
    make_manager: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tasks.log"
    tasks = make_manager(log_file=str(path), log_lifecycle=True, loggers=[StdoutLogger()])

    async def talk() -> None:
        task_log("hello\nworld")

    request(tasks, talk, persist=True)

    lines = path.read_text().splitlines()
    assert [line.split("] ")[1] for line in lines] == ["[talk"] * 4
    assert [line.split(" ", 3)[-1] for line in lines] == [
        "-- PENDING",
        "-- RUNNING",
        "hello\\nworld",
        "-- SUCCESS",
    ]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert printed[0].endswith("hello\\nworld")


async def test_enqueue_that_is_refused_tells_of_the_rejection_once(
    make_manager: Make, observer: InMemoryLogger, persist: bool
) -> None:
    tasks = make_manager(loggers=[observer], queues={"full": QueueConfig(max_size=0)})

    @tasks.task(persist=persist, queue="full")
    async def refused() -> None: ...

    async with tasks:
        with pytest.raises(QueueFullError):
            await tasks.enqueue(refused)

    assert [event.status for event in observer.lifecycle_events] == [TaskStatus.REJECTED]


def test_a_success_after_a_failure_carries_no_error(
    watched: TaskManager, observer: InMemoryLogger, persist: bool
) -> None:
    attempts: list[int] = []

    async def flaky() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise LookupError("broken")

    request(watched, flaky, persist=persist, retries=1)

    told = [(event.status, event.error is None) for event in observer.lifecycle_events[2:]]
    assert told == [(PENDING, False), (RUNNING, True), (TaskStatus.SUCCESS, True)]
    assert all(event.stacktrace is None for event in observer.lifecycle_events[3:])
