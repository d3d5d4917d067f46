"""An app with `TaskAdmin` on each kind of store, and tasks that behave as they are told."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Backend,
    MemoryBackend,
    QueueConfig,
    SqliteBackend,
    TaskAdmin,
    TaskManager,
    TaskRecord,
    TaskStatus,
    task_log,
)
from tests.support.choosing import slow_but_the_first
from tests.support.waiting import wait_until

QUICK: dict[str, Any] = {"heartbeat_interval": 0.05, "instance_ttl": 0.5, "drain_timeout": 0.1}


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Making an app takes a fifth of a second: the first case of a test that does is enough."""
    slow_but_the_first(items, Path(__file__).parent, lambda test: "open_desk" in test.fixturenames)


class Desk:
    """A running app, its manager, and a client on the same machine.

    Tasks: ``succeed``, ``fail``, ``stand`` (until cancelled), ``refuse`` (does not stop when
    asked, until ``let_go`` is set), ``tell`` (logs its argument and raises it), ``chat`` (logs
    its arguments, each at the level before its first colon if there is one).
    """

    def __init__(self, manager: TaskManager, app: FastAPI, store: Backend) -> None:
        self.manager = manager
        self.app = app
        self.store = store
        self.client = TestClient(app)
        self.let_go = asyncio.Event()
        task = manager.task
        self.succeed = task(name="succeed")(self._succeed)
        self.fail = task(name="fail")(self._fail)
        self.flaky = task(name="flaky", persist=True, retries=2)(self._fail_again)
        self.stand = task(name="stand", persist=True)(self._stand)
        self.refuse = task(name="refuse", persist=True)(self._refuse)
        self.tell = task(name="tell", persist=True)(self._tell)
        self.chat = task(name="chat", persist=True)(self._chat)

    @staticmethod
    async def _succeed(*args: Any, **kwargs: Any) -> None:
        task_log("done")

    @staticmethod
    async def _fail(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no answer")

    async def _fail_again(self, *args: Any, **kwargs: Any) -> None:
        await self._fail()

    @staticmethod
    async def _stand() -> None:
        await asyncio.Event().wait()

    async def _refuse(self) -> None:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                task_log("not yet")

    @staticmethod
    async def _tell(text: str, **kwargs: Any) -> None:
        task_log(text)
        raise RuntimeError(text)

    @staticmethod
    async def _chat(*lines: str) -> None:
        for line in lines:
            level, colon, text = line.partition(":")
            task_log(text if colon else line, level=level)

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a coroutine function on the app's event loop."""
        portal = self.client.portal
        assert portal is not None
        return portal.call(partial(func, *args, **kwargs))

    def add(self, func: Callable[..., Any], *args: Any, **options: Any) -> str:
        """Enqueue a task; its id."""
        return str(self.call(self.manager.enqueue, func, *args, **options).task_id)

    def ended(self, func: Callable[..., Any], *args: Any, **options: Any) -> TaskRecord:
        """Enqueue a task and wait for its end."""
        return self.reached(self.add(func, *args, **options), *set(TaskStatus) - _LIVE)

    def reached(self, task_id: str, *statuses: TaskStatus) -> TaskRecord:
        """The record as soon as it is in one of these states."""

        async def look() -> TaskRecord | None:
            record = await self.manager.get(task_id)
            return record if record is not None and record.status in statuses else None

        found = self.call(wait_until, look)
        assert isinstance(found, TaskRecord)
        return found

    def logged(self, task_id: str, line: str) -> None:
        """Wait until the task's log has the line."""

        async def look() -> bool:
            record = await self.manager.get(task_id)
            return record is not None and any(each.endswith(line) for each in record.logs)

        self.call(wait_until, look)

    def running(self, func: Callable[..., Any], *args: Any, **options: Any) -> str:
        """Enqueue a task and wait until it runs."""
        return self.reached(self.add(func, *args, **options), TaskStatus.RUNNING).task_id


_LIVE = {TaskStatus.PENDING, TaskStatus.RUNNING}


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A store of each kind."""
    return (
        MemoryBackend() if request.param == "memory" else SqliteBackend(str(tmp_path / "tasks.db"))
    )


@pytest.fixture
def open_desk(request: pytest.FixtureRequest) -> Iterator[Callable[..., Desk]]:
    """Makes running apps; ``store=`` (default: memory) and the settings of `TaskAdmin`."""
    with ExitStack() as stack:

        def make(store: Backend | None = None, **settings: Any) -> Desk:
            store = store or MemoryBackend()
            queues = {"mail": QueueConfig(concurrency=2, max_size=50), **settings.pop("queues", {})}
            manager = TaskManager(snapshot_backend=store, queues=queues, **QUICK)
            app = FastAPI()
            TaskAdmin(app, manager, **settings)
            desk = Desk(manager, app, store)
            stack.enter_context(desk.client)
            app.state.portal = desk.client.portal
            stack.callback(desk.call, _set, desk.let_go)
            return desk

        yield make


async def _set(event: asyncio.Event) -> None:
    event.set()


@pytest.fixture
def desk(open_desk: Callable[..., Desk], store: Backend) -> Desk:
    """One app on each kind of store, that shows arguments."""
    return open_desk(store, display_func_args=True)


@pytest.fixture
def memory_desk(open_desk: Callable[..., Desk]) -> Desk:
    """One app in memory, where the store makes no difference."""
    return open_desk(display_func_args=True)
