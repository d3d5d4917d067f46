"""The ways in which an endpoint gets managed tasks."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus

Make = Callable[..., TaskManager]


def statuses(tasks: TaskManager) -> list[tuple[str, TaskStatus]]:
    """What the manager knows, oldest first."""
    return [(record.func_name, record.status) for record in reversed(tasks.store.list())]


def test_a_plain_parameter_is_managed_after_install(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note(word: str) -> None:
        ran.append(word)

    @app.post("/async")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note, "async")

    @app.post("/sync")
    def plain_endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note, "sync")

    with TestClient(app) as client:
        assert client.post("/async").is_success
        assert client.post("/sync").is_success

    assert ran == ["async", "sync"]
    assert statuses(tasks) == [("note", TaskStatus.SUCCESS)] * 2


def test_an_explicit_annotation_is_managed_after_install(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)

    async def note() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> str:
        assert background_tasks.task_manager is tasks
        return background_tasks.add_task(note, tags={"kind": "explicit"})

    with TestClient(app) as client:
        task_id = client.post("/").json()

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.tags == {"kind": "explicit"}
    assert record.status is TaskStatus.SUCCESS


@pytest.mark.parametrize("name", ["get_tasks", "background_tasks"])
def test_a_dependency_gives_managed_tasks_without_install(tasks: TaskManager, name: str) -> None:
    app = FastAPI()
    tasks.init_app(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    def note(word: str) -> None:
        ran.append(word)

    @app.post("/")
    def endpoint(managed: Annotated[ManagedBackgroundTasks, Depends(getattr(tasks, name))]) -> str:
        return managed.add_task(note, "one")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["one"]


def test_all_parts_of_a_request_share_one_object(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    seen: list[object] = []

    def plain_dependency(background_tasks: BackgroundTasks) -> None:
        seen.append(background_tasks)

    async def nested(
        background_tasks: BackgroundTasks, _: Annotated[None, Depends(plain_dependency)]
    ) -> BackgroundTasks:
        seen.append(background_tasks)
        return background_tasks

    @app.post("/", dependencies=[Depends(plain_dependency)])
    async def endpoint(
        background_tasks: BackgroundTasks,
        other: Annotated[BackgroundTasks, Depends(nested)],
        again: Annotated[ManagedBackgroundTasks, Depends(tasks.get_tasks, use_cache=False)],
    ) -> None:
        seen.extend([background_tasks, other, again])

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert len(seen) == 5
    assert {id(each) for each in seen} == {id(seen[0])}
    assert isinstance(seen[0], ManagedBackgroundTasks)


def test_tasks_added_in_dependencies_of_nested_routers_run(tasks: TaskManager) -> None:
    app = FastAPI()
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note(word: str) -> None:
        ran.append(word)

    def add(word: str) -> Callable[[BackgroundTasks], None]:
        def dependency(background_tasks: BackgroundTasks) -> None:
            background_tasks.add_task(note, word)

        return dependency

    inner = APIRouter(prefix="/inner", dependencies=[Depends(add("inner router"))])
    outer = APIRouter(prefix="/outer", dependencies=[Depends(add("outer router"))])

    @inner.post("/leaf", dependencies=[Depends(add("route"))])
    async def leaf() -> None: ...

    outer.include_router(inner)
    app.include_router(outer, dependencies=[Depends(add("inclusion"))])
    tasks.install(app)

    with TestClient(app) as client:
        assert client.post("/outer/inner/leaf").is_success

    assert sorted(ran) == ["inclusion", "inner router", "outer router", "route"]
    assert statuses(tasks) == [("note", TaskStatus.SUCCESS)] * 4


def test_an_app_beside_keeps_the_stock_class(tasks: TaskManager) -> None:
    managed, stock = FastAPI(), FastAPI()
    tasks.install(managed)
    seen: dict[str, type] = {}

    for name, app in (("managed", managed), ("stock", stock)):

        @app.get("/")
        async def endpoint(background_tasks: BackgroundTasks, name: str = name) -> None:
            seen[name] = type(background_tasks)

    with TestClient(managed) as one, TestClient(stock) as other:
        assert one.get("/", params={"name": "managed"}).is_success
        assert other.get("/", params={"name": "stock"}).is_success

    assert seen == {"managed": ManagedBackgroundTasks, "stock": BackgroundTasks}


def test_two_apps_have_a_manager_each(make_manager: Make) -> None:
    managers = [make_manager(), make_manager()]
    clients = []

    async def work() -> None: ...

    def endpoint_for(task: Callable[[], Any]) -> Callable[..., None]:
        def endpoint(background_tasks: BackgroundTasks) -> None:
            background_tasks.add_task(task)

        return endpoint

    for number, each in enumerate(managers):
        app = FastAPI()
        each.install(app)

        app.post("/")(endpoint_for(each.task(persist=True, name=f"task of {number}")(work)))
        clients.append(TestClient(app))

    with clients[0], clients[1]:
        assert clients[0].post("/").is_success
        assert clients[1].post("/").is_success

    assert [statuses(each) for each in managers] == [
        [("task of 0", TaskStatus.SUCCESS)],
        [("task of 1", TaskStatus.SUCCESS)],
    ]


@pytest.mark.parametrize("installed", [False, True])
def test_two_managers_share_one_request(make_manager: Make, installed: bool) -> None:
    mails, reports = make_manager(), make_manager()
    app = FastAPI()
    ran: list[str] = []
    mails.init_app(app)
    reports.init_app(app)
    if installed:
        mails.install(app)

    @mails.task(persist=True)
    async def mail(word: str) -> None:
        ran.append(word)

    @reports.task(persist=True)
    async def report(word: str) -> None:
        ran.append(word)

    @app.post("/")
    async def endpoint(
        one: Annotated[ManagedBackgroundTasks, Depends(mails.get_tasks)],
        other: Annotated[ManagedBackgroundTasks, Depends(reports.get_tasks)],
    ) -> None:
        one.add_task(mail, "first")
        other.add_task(report, "second")
        one.add_task(mail, "third")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["first", "second", "third"]
    assert statuses(mails) == [("mail", TaskStatus.SUCCESS)] * 2
    assert statuses(reports) == [("report", TaskStatus.SUCCESS)]


def test_a_second_manager_cannot_take_the_same_parameters(make_manager: Make) -> None:
    app = FastAPI()
    first, second = make_manager(), make_manager()
    first.install(app)
    first.install(app)

    with pytest.raises(ValueError, match=re.escape("Depends(task_manager.get_tasks)")):
        second.install(app)

    with TestClient(app):
        assert first.runtime.running_engine() is not None
        assert second.runtime.running_engine() is None


@pytest.mark.parametrize("handled", [True, False])
def test_tasks_of_a_websocket_run_when_its_handler_ends(tasks: TaskManager, handled: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    def note(word: str) -> None:
        ran.append(word)

    @app.websocket("/ws")
    async def handler(
        websocket: WebSocket,
        background_tasks: BackgroundTasks,
        managed: Annotated[ManagedBackgroundTasks, Depends(tasks.get_tasks)],
    ) -> None:
        assert background_tasks is managed
        await websocket.accept()
        try:
            while True:
                managed.add_task(note, await websocket.receive_text())
                await websocket.send_text(str(len(ran)))
        except WebSocketDisconnect:
            if not handled:
                raise

    left = nullcontext() if handled else pytest.raises(WebSocketDisconnect)
    with TestClient(app) as client, left, client.websocket_connect("/ws") as session:
        session.send_text("one")
        assert session.receive_text() == "0"
        session.send_text("two")
        assert session.receive_text() == "0"

    assert sorted(ran) == ["one", "two"]
    assert statuses(tasks) == [("note", TaskStatus.SUCCESS)] * 2


def test_a_websocket_handler_that_fails_drops_its_tasks(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=True)
    def note() -> None: ...

    @app.websocket("/ws")
    async def handler(websocket: WebSocket, background_tasks: BackgroundTasks) -> None:
        await websocket.accept()
        background_tasks.add_task(note)
        raise LookupError("broken")

    broken = pytest.raises(LookupError)
    with TestClient(app) as client, broken, client.websocket_connect("/ws"):
        pass

    assert statuses(tasks) == []


def test_managed_tasks_are_the_stock_class_with_another_name() -> None:
    # A request's only object becomes managed by assignment of its class: that works while
    # both classes lay their objects out alike.
    assert "__slots__" not in vars(ManagedBackgroundTasks)
    assert ManagedBackgroundTasks.__basicsize__ == BackgroundTasks.__basicsize__
    stock = BackgroundTasks()

    stock.__class__ = ManagedBackgroundTasks

    assert isinstance(stock, ManagedBackgroundTasks)


def test_an_install_that_comes_too_late_changes_nothing(make_manager: Make) -> None:
    late, later = make_manager(), make_manager()
    app = FastAPI()
    app.get("/")(lambda: "up")
    with TestClient(app) as client:
        client.get("/")
        for manager in (late, later):
            with pytest.raises(RuntimeError, match="where the app is made"):
                manager.install(app)
        assert client.get("/").json() == "up"

    with TestClient(app):
        assert late.runtime.running_engine() is None
