"""Tasks of a request that may not start before a time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Backend,
    EngineNotRunning,
    ManagedBackgroundTasks,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.testing import async_drain, drain
from tests.support.exchanges import Exchange
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


def soon() -> list[dict[str, Any]]:
    return [{"delay": 0.1}, {"run_at": datetime.now(UTC) + timedelta(seconds=0.1)}]


def late() -> list[dict[str, Any]]:
    return [{"delay": 3600}, {"run_at": datetime.now(UTC) + timedelta(hours=1)}]


class Desk:
    """An app that adds one task later, between two that run at once."""

    def __init__(self, tasks: TaskManager, *, persist: bool, eager: bool = False) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.options: dict[str, Any] = {}
        self.fails = False
        self.ran: list[str] = []
        self.ids: list[str] = []
        tasks.install(self.app)

        @tasks.task(persist=persist)
        async def work(word: str) -> None:
            self.ran.append(word)

        @self.app.post("/")
        async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
            background_tasks.add_task(work, "first")
            later = self.options | ({"eager": True} if eager else {})
            self.ids.append(background_tasks.add_task(work, "later", **later))
            background_tasks.add_task(work, "last")
            if self.fails:
                raise HTTPException(418)


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("how", [0, 1], ids=["delay", "run_at"])
def test_a_delayed_task_holds_up_neither_its_response_nor_the_next_task(
    make_manager: Make, store: Backend, persist: bool, how: int
) -> None:
    desk = Desk(make_manager(store), persist=persist)
    desk.options = late()[how]
    before = datetime.now(UTC)

    with TestClient(desk.app) as client:
        assert client.post("/").is_success
        ran = list(desk.ran)
        record = desk.tasks.store.get(desk.ids[0])
        assert record is not None
        status, due = record.status, record.due_at

    assert ran == ["first", "last"]
    assert status is TaskStatus.PENDING
    if not persist or how:
        assert due is not None
        assert timedelta(minutes=59) < due - before < timedelta(minutes=61)


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("how", [0, 1], ids=["delay", "run_at"])
async def test_a_delayed_task_runs_when_it_is_due(
    make_manager: Make, store: Backend, persist: bool, eager: bool, how: int
) -> None:
    desk = Desk(make_manager(store), persist=persist, eager=eager)

    async with desk.tasks:
        before = datetime.now(UTC)
        desk.options = soon()[how]
        await (exchange := Exchange(desk.app, "POST", "/")).task
        assert exchange.status == 200
        await wait_until(lambda: len(desk.ran) == 3)
        await async_drain(desk.tasks)
        record = await desk.tasks.get(desk.ids[0])

    assert desk.ran[-1] == "later"
    assert record is not None
    assert record.status is TaskStatus.SUCCESS
    assert record.start_time is not None
    # A delay counts from the call, a time from when the request was still to come.
    begun = before if how else record.created_at
    assert record.start_time - begun >= timedelta(seconds=0.09)


@pytest.mark.parametrize("persist", [False, True])
def test_a_time_that_has_passed_means_now(make_manager: Make, persist: bool) -> None:
    desk = Desk(make_manager(), persist=persist)

    with TestClient(desk.app) as client:
        for options in ({"delay": 0}, {"run_at": datetime(1999, 1, 1)}):  # noqa: DTZ001
            desk.options = options
            assert client.post("/").is_success
        drain(desk.tasks)

    assert sorted(desk.ran) == ["first"] * 2 + ["last"] * 2 + ["later"] * 2


@pytest.mark.parametrize("persist", [False, True])
def test_an_endpoint_that_raises_delays_nothing(make_manager: Make, persist: bool) -> None:
    desk = Desk(make_manager(), persist=persist)
    desk.options, desk.fails = late()[0], True

    with TestClient(desk.app) as client:
        assert client.post("/").status_code == 418
        assert desk.tasks.store.list() == []

    assert desk.ran == []


@pytest.mark.parametrize("persist", [False, True])
def test_an_eager_one_is_accepted_at_once_and_waits(make_manager: Make, persist: bool) -> None:
    desk = Desk(make_manager(), persist=persist, eager=True)
    desk.options, desk.fails = late()[0], True

    with TestClient(desk.app) as client:
        assert client.post("/").status_code == 418
        (record,) = desk.tasks.store.list()
        assert (record.task_id, record.status) == (desk.ids[0], TaskStatus.PENDING)

    assert desk.ran == []


async def test_a_delay_survives_a_restart(tmp_path: Any, make_manager: Make) -> None:
    from fastapi_taskflow import SqliteBackend  # noqa: PLC0415

    desk = Desk(make_manager(SqliteBackend(tmp_path / "tasks.db")), persist=True)
    desk.options = {"delay": 0.2}
    async with desk.tasks:
        await Exchange(desk.app, "POST", "/").task
    assert "later" not in desk.ran

    other = Desk(make_manager(SqliteBackend(tmp_path / "tasks.db")), persist=True)
    async with other.tasks:
        await wait_until(lambda: other.ran == ["later"])


@pytest.mark.parametrize("persist", [False, True])
async def test_outside_a_request_a_delay_is_kept_too(make_manager: Make, persist: bool) -> None:
    tasks = make_manager()
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def work(word: str) -> None:
        ran.append(word)

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(work, "later", delay=0.1)
        unbound.add_task(work, "now")
        await unbound()
        assert ran == ["now"]
        await wait_until(lambda: ran == ["now", "later"])


def test_without_an_engine_nothing_can_wait(make_manager: Make) -> None:
    desk = Desk(make_manager(), persist=False)
    desk.options = {"delay": 1}

    with pytest.raises(EngineNotRunning):
        TestClient(desk.app).post("/")

    assert desk.ran == []


def test_a_stock_function_keeps_a_delay_of_its_own() -> None:
    tasks, app = TaskManager(), FastAPI()
    tasks.install(app)
    got: list[float] = []

    def wait(delay: float) -> None:
        got.append(delay)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(wait, delay=0.5)

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert got == [0.5]
