"""An app's own routes at addresses of `TaskAdmin` are told of when the app starts."""

from collections.abc import Callable

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from fastapi_taskflow import TaskAdmin, TaskManager


def todos(app: FastAPI) -> None:
    app.get("/tasks")(lambda: "todo")
    app.get("/tasks/{number}")(lambda number: number)


def included(app: FastAPI) -> None:
    router = APIRouter(prefix="/tasks")
    router.get("/mine")(lambda: "mine")
    app.include_router(router)


def twice(app: FastAPI) -> None:
    TaskAdmin(app, TaskManager())


def elsewhere(app: FastAPI) -> None:
    app.get("/{kind}")(lambda kind: kind)
    app.put("/tasks")(lambda: "other method")
    app.get("/tasks/{number}/steps")(lambda number: number)
    app.get("/tasks-of-mine")(lambda: "mine")


def catching_all(app: FastAPI) -> None:
    app.get("/{path:path}")(lambda path: path)


def mounted(app: FastAPI) -> None:
    app.router.routes.append(Mount("/", app=PlainTextResponse("site")))


def told(app: FastAPI, caplog: pytest.LogCaptureFixture) -> str:
    with TestClient(app):
        pass
    return "".join(each.getMessage() for each in caplog.records if "TaskAdmin" in each.message)


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(
    ("add", "words"),
    [
        (todos, "GET /tasks, GET /tasks/{number}"),
        (included, "GET /tasks/mine"),
        (twice, "GET /tasks"),
        (elsewhere, ""),
        (catching_all, ""),
        (mounted, ""),
    ],
)
def test_routes_that_taskadmin_hides_are_named(
    add: Callable[[FastAPI], None], words: str, shown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), include_in_schema=shown)
    add(app)

    message = told(app, caplog)

    if words:
        assert f"TaskAdmin at /tasks answers in the place of {words}" in message
        assert "path='/admin/tasks'" in message
    else:
        assert message == ""


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(
    ("add", "words"),
    [
        (todos, "GET /tasks, GET /tasks/{number}"),
        (catching_all, "GET /{path}"),
        (mounted, "any /{path}"),
        (included, ""),
    ],
)
def test_routes_that_hide_taskadmins_are_named(
    add: Callable[[FastAPI], None], words: str, shown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    add(app)
    TaskAdmin(app, TaskManager(), include_in_schema=shown)

    message = told(app, caplog)

    if words:
        assert f"In the place of TaskAdmin at /tasks answers {words}" in message
    else:
        assert message == ""


def test_another_path_is_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), path="/admin/tasks")
    todos(app)

    assert told(app, caplog) == ""
    with TestClient(app) as client:
        assert client.get("/tasks").json() == "todo"
        assert client.get("/admin/tasks").json() == []
