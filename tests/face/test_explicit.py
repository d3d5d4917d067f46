"""`ManagedBackgroundTasks` in a signature needs `install`; without it the start is refused."""

from collections.abc import Callable
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.background import BackgroundTasks
from starlette.routing import Mount

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager
from fastapi_taskflow.exceptions import ConfigurationError

Make = Callable[..., TaskManager]


async def work(background_tasks: ManagedBackgroundTasks) -> None: ...


async def annotated(jobs: Annotated[ManagedBackgroundTasks, "documented"]) -> None: ...


async def quoted(jobs: "ManagedBackgroundTasks") -> None: ...


async def dependent(_: Annotated[None, Depends(work)]) -> None: ...


def routed(app: FastAPI) -> None:
    app.post("/work")(work)


def included(app: FastAPI) -> None:
    router = APIRouter()
    router.post("/work")(work)
    app.include_router(router, prefix="/v1")


def mounted(app: FastAPI) -> None:
    inner = FastAPI()
    inner.post("/work")(work)
    app.mount("/inner", inner)


def mounted_in_an_included_router(app: FastAPI) -> None:
    router, inner = APIRouter(), APIRouter()
    inner.post("/work")(work)
    router.routes.append(Mount("/routes", routes=inner.routes))
    app.include_router(router)


def started(app: FastAPI) -> str:
    """What the app's start is refused with."""
    with pytest.raises(ConfigurationError) as refused, TestClient(app):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    "add", [routed, included, mounted, mounted_in_an_included_router], ids=lambda f: f.__name__
)
def test_the_start_is_refused_wherever_the_route_stands(
    tasks: TaskManager, add: Callable[[FastAPI], None]
) -> None:
    app = FastAPI()
    tasks.init_app(app)
    add(app)

    message = started(app)

    assert "work(background_tasks) for /" in message
    assert "task_manager.install(app)" in message
    assert tasks.runtime.running_engine() is None


@pytest.mark.parametrize(
    ("endpoint", "named"),
    [
        (annotated, "annotated(jobs)"),
        (quoted, "quoted(jobs)"),
        (dependent, "work(background_tasks)"),
    ],
)
def test_every_way_to_write_it_is_seen(
    tasks: TaskManager, endpoint: Callable[..., object], named: str
) -> None:
    app = FastAPI()
    tasks.init_app(app)
    app.post("/")(endpoint)

    assert f"{named} for /" in started(app)


def test_many_routes_are_counted(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.init_app(app)
    for number in range(7):
        app.post(f"/{number}")(work)

    assert "and 2 more" in started(app)


def test_what_gets_managed_tasks_is_not_refused(make_manager: Make) -> None:
    tasks, inner_tasks = make_manager(), make_manager()
    app, inner = FastAPI(), FastAPI()
    tasks.init_app(app)
    inner_tasks.init_app(app)
    inner_tasks.install(inner)
    inner.post("/work")(work)
    app.mount("/inner", inner)

    @app.post("/depends")
    async def depends(
        managed: Annotated[ManagedBackgroundTasks, Depends(tasks.get_tasks)],
        background_tasks: ManagedBackgroundTasks,
    ) -> bool:
        return managed is background_tasks

    with TestClient(app) as client:
        assert client.post("/depends").json() is True
        assert client.post("/inner/work").is_success


def test_install_after_the_routes_is_enough(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.init_app(app)
    mounted(app)
    routed(app)
    tasks.install(app)

    with TestClient(app) as client:
        assert client.post("/work").is_success
        assert client.post("/inner/work").is_success


async def stock(background_tasks: BackgroundTasks) -> None: ...


def start_with_a_retried_task(tasks: TaskManager, app: FastAPI) -> None:
    @tasks.task(retries=3)
    async def send() -> None: ...

    app.post("/stock")(stock)
    with TestClient(app):
        pass


def test_settings_that_stock_tasks_would_not_have_are_told_once(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    tasks.init_app(app)

    start_with_a_retried_task(tasks, app)
    with TestClient(app):
        pass

    (told,) = [each.message for each in caplog.records if "is installed" in each.message]
    assert "tasks (send, say) would have no record, retries or limits" in told
    assert "stock(background_tasks) for /stock" in told
    assert "auto_install=True" in told


@pytest.mark.parametrize("way", ["install", "a route that asks"])
def test_stock_tasks_beside_ours_are_nobodys_mistake(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    app = FastAPI()
    tasks.init_app(app)
    if way == "install":
        tasks.install(app)
    else:

        @app.post("/ours")
        async def ours(managed: Annotated[object, Depends(tasks.get_tasks)]) -> None: ...

    start_with_a_retried_task(tasks, app)

    assert "is installed" not in caplog.text
