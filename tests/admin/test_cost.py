"""What `TaskAdmin` costs the routes of the app that it is added to."""

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin, TaskManager

# Its routes are over thirty, and each would be asked with several calls.
FEW = 12


async def plain() -> dict[str, bool]:
    return {"plain": True}


def add_admin(app: FastAPI) -> None:
    TaskAdmin(app, TaskManager(), auto_install=True)


def add_plain(app: FastAPI) -> None:
    app.get("/plain")(plain)


def calls_of_a_request(app: FastAPI, path: str) -> int:
    """Python calls that one request makes, after the first."""

    async def ask() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
        }
        await app(scope, receive, send)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 200))

    statuses: list[int] = []
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    asyncio.run(ask())
    sys.setprofile(count)
    try:
        asyncio.run(ask())
    finally:
        sys.setprofile(None)
    assert set(statuses) == {200}
    return calls


@pytest.mark.parametrize("steps", [(add_admin, add_plain), (add_plain, add_admin)])
def test_a_route_of_the_apps_own_pays_nothing_for_the_admins(
    steps: tuple[Callable[[FastAPI], None], ...],
) -> None:
    stock, app = FastAPI(), FastAPI()
    add_plain(stock)
    for step in steps:
        step(app)

    assert calls_of_a_request(app, "/plain") < calls_of_a_request(stock, "/plain") + FEW


def test_it_answers_where_a_router_includes_the_apps_own_routes() -> None:
    app, outer = FastAPI(), FastAPI()
    router = APIRouter()
    add_admin(app)
    router.include_router(app.router, prefix="/inner")
    outer.include_router(router, prefix="/outer")

    with TestClient(app):
        client = TestClient(outer)

        assert client.get("/outer/inner/tasks").json() == []
        assert client.get("/outer/inner/tasks/").json() == []  # after FastAPI's redirection


def test_paths_that_only_begin_alike_are_the_apps_own() -> None:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), path="/t")
    app.get("/tasks-of-mine")(plain)
    app.get("/{anything:path}")(plain)

    client = TestClient(app)

    assert client.get("/tasks-of-mine").json() == {"plain": True}
    assert client.get("/to").json() == {"plain": True}


def test_a_guard_that_takes_background_tasks_gets_managed_ones() -> None:
    kinds = []

    async def check(background_tasks: BackgroundTasks) -> None:
        kinds.append(type(background_tasks))

    async def check_again(background_tasks: BackgroundTasks) -> None:
        await check(background_tasks)

    app = FastAPI()
    TaskAdmin(app, TaskManager(), auto_install=True, dependencies=[Depends(check)])

    with TestClient(app) as client:
        assert client.get("/tasks").status_code == 200
        app.dependency_overrides[check] = check_again
        assert client.get("/tasks").status_code == 200

    assert kinds == [ManagedBackgroundTasks, ManagedBackgroundTasks]
