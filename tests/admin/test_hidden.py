"""``include_in_schema=False``: the routes are served, and nobody who looks at the app sees them."""

from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException
from fastapi.exceptions import FastAPIError
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin, TaskManager


def app_with(app: FastAPI | None = None, **settings: Any) -> FastAPI:
    app = app or FastAPI()
    TaskAdmin(app, TaskManager(), **settings, include_in_schema=False)
    return app


def test_who_walks_the_apps_routes_finds_only_its_own() -> None:
    app = app_with(FastAPI(openapi_url=None))
    router = APIRouter()
    router.get("/own", name="list_tasks")(lambda: "own")
    assert list(iter_route_contexts(app.routes)) == []

    app.include_router(router, prefix="/v1")

    with TestClient(app) as client:
        assert [one.path for one in iter_route_contexts(app.routes)] == ["/v1/own"]
        assert app.url_path_for("list_tasks") == "/v1/own"
        assert client.get("/tasks").json() == []
        assert [one.path for one in iter_route_contexts(app.routes)] == ["/v1/own"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tasks", 200),
        ("HEAD", "/tasks", 200),
        ("GET", "/tasks/dashboard", 200),
        ("GET", "/tasks/dashboard/", 200),
        ("PUT", "/tasks", 405),
        ("GET", "/tasks/unknown", 404),
        ("GET", "/tasks/a/b/c", 404),
        ("GET", "/tasks/mine/too", 200),
        ("GET", "/nothing", 404),
    ],
)
def test_it_answers_as_one_that_is_seen(method: str, path: str, status: int) -> None:
    answers = []
    for include_in_schema in (False, True):
        app = FastAPI()
        TaskAdmin(app, TaskManager(), include_in_schema=include_in_schema)
        app.get("/tasks/mine/too")(lambda: "mine")
        with TestClient(app, follow_redirects=False) as client:
            answer = client.request(method, path)
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        answers.append((answer.status_code, headers, len(answer.content)))

    assert answers[0] == answers[1]
    assert answers[0][0] == status


def test_the_dependencies_of_app_and_admin_guard_it() -> None:
    def check(app: str = Header()) -> None:
        if app != "open":
            raise HTTPException(401)

    def check_too(admin: str = Header()) -> None:
        if admin != "open":
            raise HTTPException(403)

    app = app_with(FastAPI(dependencies=[Depends(check)]), dependencies=[Depends(check_too)])

    with TestClient(app) as client:
        assert client.get("/tasks", headers={"app": "no", "admin": "open"}).status_code == 401
        assert client.get("/tasks", headers={"app": "open", "admin": "no"}).status_code == 403
        assert client.get("/tasks", headers={"app": "open", "admin": "open"}).status_code == 200
        app.dependency_overrides = {check: lambda: None, check_too: lambda: None}
        assert client.get("/tasks").status_code == 200


def test_strangers_are_refused() -> None:
    client = TestClient(app_with(), client=("203.0.113.5", 4711))

    assert client.get("/tasks").status_code == 403


def test_its_guards_get_managed_background_tasks() -> None:
    kinds = []

    def check(background_tasks: BackgroundTasks) -> None:
        kinds.append(type(background_tasks))

    app = app_with(auto_install=True, dependencies=[Depends(check)])

    with TestClient(app) as client:
        assert client.get("/tasks").status_code == 200
    assert kinds == [ManagedBackgroundTasks]


def test_a_guard_that_cannot_work_is_refused_at_once() -> None:
    class Unknown: ...

    def check(unknown: Unknown) -> None: ...

    with pytest.raises(FastAPIError):
        app_with(dependencies=[Depends(check)])


def test_it_stands_under_mounts_and_root_paths() -> None:
    app, outer = app_with(), FastAPI()
    outer.mount("/inner", app)

    with TestClient(app):
        assert TestClient(outer).get("/inner/tasks").json() == []
        assert TestClient(app, root_path="/proxied").get("/proxied/tasks").json() == []
        assert TestClient(app, root_path="/tasks").get("/tasks/tasks").json() == []
