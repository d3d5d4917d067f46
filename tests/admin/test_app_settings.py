"""What an app sets for all of its routes breaks none of TaskAdmin's, nor the other way round."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.exceptions import ConfigurationError

STOCK_ID = "list_tasks_tasks_get"


def by_tag(route: APIRoute) -> str:
    return f"{route.tags[0]}-{route.name}"


async def own() -> str:
    return "own"


def operation_ids(client: TestClient) -> dict[str, str]:
    paths = client.get("/openapi.json").json()["paths"]
    return {f"{m} {p}": one["operationId"] for p, path in paths.items() for m, one in path.items()}


@pytest.mark.parametrize("own_first", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"generate_unique_id_function": by_tag},
        {"default_response_class": PlainTextResponse},
        {"separate_input_output_schemas": False},
        {"redirect_slashes": False},
        {"responses": {418: {"description": "I'm a teapot"}}},
        {"servers": [{"url": "/v1"}]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_the_routes_are_what_they_are_in_any_app(settings: Any, own_first: bool) -> None:
    app = FastAPI(**settings)
    if own_first:
        app.get("/own", tags=["mine"])(own)
    TaskAdmin(app, TaskManager())
    TaskAdmin(app, TaskManager(), path="/other")
    if not own_first:
        app.get("/own", tags=["mine"])(own)

    with TestClient(app) as client:
        assert client.get("/tasks").json() == client.get("/other").json() == []
        assert client.get("/tasks").headers["content-type"] == "application/json"
        assert client.get("/tasks/dashboard").headers["content-type"].startswith("text/html")
        assert client.get("/own").text.strip('"') == "own"
        ids = operation_ids(client)
    assert ids["get /tasks"] == STOCK_ID
    assert ids["get /own"] == (
        "mine-own" if "generate_unique_id_function" in settings else "own_own_get"
    )
    assert len(set(ids.values())) == len(ids)


def test_every_route_has_a_tag() -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager())
    ours = [one for one in iter_route_contexts(app.router.routes) if "/tasks" in (one.path or "")]

    assert len(ours) > 20
    assert {tuple(getattr(one, "tags", ())) for one in ours} == {("tasks",)}


def test_an_app_may_leave_the_routes_out_of_its_schema() -> None:
    hidden, empty = FastAPI(), FastAPI()
    TaskAdmin(hidden, TaskManager(), include_in_schema=False)
    hidden.get("/own")(own)
    empty.get("/own")(own)

    assert hidden.openapi() == empty.openapi()
    with TestClient(hidden) as client:
        assert client.get("/tasks").json() == []


def test_refusals_do_not_go_through_the_apps_own_handlers() -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager())

    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValueError)
    async def handler(*_: object) -> PlainTextResponse:
        return PlainTextResponse("handled", 400)

    @app.get("/own")
    async def refuse() -> None:
        raise ValueError

    with TestClient(app) as client:
        answers = [client.get("/tasks/unknown"), client.get("/tasks?limit=no")]
        assert [one.status_code for one in answers] == [404, 422]
        assert all("detail" in one.json() for one in answers)
        assert client.get("/own").text == "handled"


def test_a_router_that_includes_the_app_names_its_operations_alone() -> None:
    app, outer = FastAPI(generate_unique_id_function=by_tag), FastAPI()
    TaskAdmin(app, TaskManager())
    router = APIRouter(generate_unique_id_function=lambda route: route.name.upper())
    router.include_router(app.router, prefix="/inner")
    outer.include_router(router)

    with TestClient(app):
        assert operation_ids(TestClient(outer))["get /inner/tasks"] == "list_tasks_inner_tasks_get"


@pytest.mark.parametrize("path", ["/..", "/.", "/../tasks", "/a/../b", "/a/./b", "/a/.."])
def test_a_path_that_no_client_would_ask_for_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path takes a path"):
        TaskAdmin(FastAPI(), TaskManager(), path=path)


@pytest.mark.parametrize("path", ["/.well-known/tasks", "/...", "/a..b", "/v1.0/tasks"])
def test_a_path_with_dots_in_its_names_serves(path: str) -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), path=path)

    with TestClient(app) as client:
        assert client.get(path).json() == []
