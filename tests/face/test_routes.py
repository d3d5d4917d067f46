"""Every route that takes background tasks is managed, wherever and whenever it is added."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, routing
from fastapi.exceptions import ResponseValidationError
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager
from fastapi_taskflow.app import integration

Make = Callable[..., TaskManager]


async def kind(background_tasks: BackgroundTasks) -> str:
    """An endpoint that says what it was given."""
    return type(background_tasks).__name__


MANAGED, STOCK = ManagedBackgroundTasks.__name__, BackgroundTasks.__name__


def test_routes_may_be_declared_before_and_after_install(tasks: TaskManager) -> None:
    app = FastAPI()
    app.get("/before")(kind)
    tasks.install(app)
    app.get("/after")(kind)

    with TestClient(app) as client:
        assert client.get("/before").json() == MANAGED
        assert client.get("/after").json() == MANAGED


def test_routes_may_be_added_while_the_app_runs(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    router, nested, late = APIRouter(), APIRouter(), APIRouter()
    router.include_router(nested, prefix="/nested")
    app.include_router(router, prefix="/router")
    router.get("/early")(kind)

    with TestClient(app) as client:
        assert client.get("/router/early").json() == MANAGED

        app.get("/late")(kind)
        router.get("/late")(kind)
        nested.get("/late")(kind)
        late.get("/leaf")(kind)
        router.include_router(late, prefix="/late")

        for path in ("/late", "/router/late", "/router/nested/late", "/router/late/leaf"):
            assert client.get(path).json() == MANAGED
        # A rebuild of the included router drops what was inserted before.
        assert client.get("/router/early").json() == MANAGED
        late.get("/later")(kind)
        assert client.get("/router/late/later").json() == MANAGED
        assert client.get("/router/late/leaf").json() == MANAGED


def test_apps_may_be_mounted_and_routes_replaced_while_the_app_runs(tasks: TaskManager) -> None:
    app, late = FastAPI(), FastAPI()
    router = APIRouter()
    router.get("/old")(kind)
    late.get("/leaf")(kind)
    app.include_router(router)
    tasks.install(app)

    with TestClient(app) as client:
        assert client.get("/old").json() == MANAGED

        router.routes.pop()
        router.get("/new")(kind)
        assert client.get("/new").json() == MANAGED
        app.mount("/late", late)
        assert client.get("/late/leaf").json() == MANAGED


def test_one_router_may_be_included_twice(tasks: TaskManager) -> None:
    app = FastAPI()
    router = APIRouter()
    router.get("/leaf")(kind)
    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b")
    tasks.install(app)

    with TestClient(app) as client:
        assert client.get("/a/leaf").json() == MANAGED
        assert client.get("/b/leaf").json() == MANAGED


def test_mounted_apps_are_managed_too(tasks: TaskManager) -> None:
    app, sub, deep, wrapped, hosted, inner = (FastAPI() for _ in range(6))
    for each in (sub, deep, wrapped, hosted, inner):
        each.get("/leaf")(kind)
    router, mounted_router = APIRouter(), APIRouter()
    mounted_router.get("/leaf")(kind)
    sub.mount("/deep", deep)
    app.mount("/sub", sub)
    router.mount("/in-router", sub)
    app.include_router(router, prefix="/router")
    app.router.routes.append(
        Mount("/wrapped", app=wrapped, middleware=[Middleware(GZipMiddleware)])
    )
    app.router.routes.append(Mount("/routes", routes=mounted_router.routes))
    app.router.routes.append(Host("api.example.org", app=hosted))
    app.mount("/starlette", Starlette(routes=[Mount("/inner", app=inner)]))
    app.mount("/foreign", Starlette(routes=[Route("/", lambda _: PlainTextResponse("-"))]))
    tasks.install(app)

    paths = [
        "/sub/leaf",
        "/sub/deep/leaf",
        "/router/in-router/leaf",
        "/wrapped/leaf",
        "/routes/leaf",
        "/starlette/inner/leaf",
    ]
    with TestClient(app) as client:
        assert {path: client.get(path).json() for path in paths} == dict.fromkeys(paths, MANAGED)
        assert client.get("/leaf", headers={"host": "api.example.org"}).json() == MANAGED
        assert client.get("/foreign/").text == "-"
        sub.get("/late")(kind)
        assert client.get("/sub/late").json() == MANAGED


def test_a_mounted_app_with_a_manager_of_its_own_keeps_it(make_manager: Make) -> None:
    outer, inner = make_manager(), make_manager()
    app, sub = FastAPI(), FastAPI()
    seen: list[object] = []

    @sub.get("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
        seen.append(background_tasks.task_manager)

    app.mount("/sub", sub)
    outer.install(app)
    inner.install(sub)

    with TestClient(app) as client:
        assert client.get("/sub/").is_success

    assert seen == [inner]


def test_an_app_is_managed_without_its_lifespan(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    app.get("/")(kind)

    assert TestClient(app).get("/").json() == MANAGED


def test_an_override_may_take_background_tasks(tasks: TaskManager) -> None:
    app, sub = FastAPI(), FastAPI()
    app.mount("/sub", sub)
    tasks.install(app)

    def plain() -> str:
        return "plain"

    def deeper(word: Annotated[str, Depends(plain)]) -> str:
        return word

    async def endpoint(word: Annotated[str, Depends(deeper)]) -> str:
        return word

    app.get("/")(endpoint)
    sub.get("/")(endpoint)

    with TestClient(app) as client:
        assert client.get("/").json() == "plain"
        for each in (app, sub):
            each.dependency_overrides[plain] = kind
        assert client.get("/").json() == MANAGED
        assert client.get("/sub/").json() == MANAGED
        app.dependency_overrides.clear()
        assert client.get("/").json() == "plain"


def test_the_manager_can_be_overridden_like_any_dependency(make_manager: Make) -> None:
    real, fake = make_manager(), make_manager()
    app = FastAPI()
    fake.init_app(app)
    ran: list[str] = []

    @fake.task(persist=True)
    async def note() -> None:
        ran.append("faked")

    @app.get("/")
    async def endpoint(managed: Annotated[Any, Depends(real.get_tasks)]) -> None:
        managed.add_task(note)

    app.dependency_overrides[real.get_tasks] = fake.get_tasks
    with TestClient(app) as client:
        assert client.get("/").is_success

    assert ran == ["faked"]


class Unheard:
    """Nothing that could come out of a request."""


def test_a_broken_override_breaks_no_other_route(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)

    def plain() -> None: ...

    def broken(what: Unheard) -> None: ...

    @app.get("/uses-it")
    def endpoint(word: Annotated[None, Depends(plain)]) -> None: ...

    app.get("/other")(kind)
    app.dependency_overrides[plain] = broken

    with TestClient(app) as client:
        assert client.get("/other").json() == MANAGED


def documented(app: FastAPI) -> dict[str, Any]:
    router = APIRouter(dependencies=[Depends(kind)])

    @router.post("/items/{item}", responses={404: {"description": "none"}})
    def endpoint(item: int, background_tasks: BackgroundTasks, q: str | None = None) -> list[int]:
        return []

    app.include_router(router, prefix="/v1", tags=["items"])
    app.post("/plain")(endpoint)
    app.get("/other")(kind)
    return app.openapi()


@pytest.mark.parametrize("has_stacks", [True, False])
def test_install_leaves_openapi_as_it_is(tasks: TaskManager, has_stacks: bool) -> None:
    stock = documented(FastAPI())
    app = FastAPI()
    integration.install(tasks, app, has_stacks=has_stacks)

    assert documented(app) == stock
    with TestClient(app) as client:
        assert client.get("/openapi.json").json() == stock
        app.openapi_schema = None
        assert client.get("/openapi.json").json() == stock


async def kind_by_dependency(found: Annotated[str, Depends(kind)]) -> str:
    return found


def test_a_walk_does_nothing_twice(tasks: TaskManager) -> None:
    app = FastAPI()
    sub = FastAPI()
    app.mount("/sub", sub)
    sub.get("/leaf")(kind)
    sub.get("/branch")(kind_by_dependency)
    tasks.install(app)
    tasks.install(sub)

    with TestClient(app) as client:
        for number in range(3):
            app.get(f"/{number}")(kind)
            sub.get(f"/{number}")(kind)
            assert client.get("/sub/leaf").json() == MANAGED

    found: dict[str, Any] = {getattr(each, "path", ""): each for each in sub.routes}
    # One per app, and one that looks at what it returns.
    assert found["/leaf"].dependant.call.__wrapped__.__wrapped__.__wrapped__ is kind
    assert not hasattr(kind, "__wrapped__")
    assert len(found["/branch"].dependant.dependencies) == 3


def test_a_wrong_answer_is_blamed_on_the_endpoints_own_place(
    tasks: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # FastAPI knows places by the ids of functions, which are used again after them.
    monkeypatch.setattr(routing, "_endpoint_context_cache", {})

    def blamed(app: FastAPI) -> str:
        @app.get("/")
        async def wrong(background_tasks: BackgroundTasks) -> int:
            return "no number"  # type: ignore[return-value]

        with TestClient(app) as client, pytest.raises(ResponseValidationError) as caught:
            client.get("/")
        return str(caught.value)

    app = FastAPI()
    tasks.install(app)

    assert __file__ in blamed(app)
    assert blamed(app) == blamed(FastAPI())


def test_an_override_may_move_to_another_dependency(tasks: TaskManager) -> None:
    def first() -> str:
        return STOCK

    def second() -> str:
        return STOCK

    app = FastAPI()
    tasks.install(app)

    @app.get("/first")
    def read_first(found: Annotated[str, Depends(first)]) -> str:
        return found

    @app.get("/second")
    def read_second(found: Annotated[str, Depends(second)]) -> str:
        return found

    with TestClient(app) as client:
        app.dependency_overrides = {first: kind}
        assert client.get("/first").json() == MANAGED
        app.dependency_overrides = {second: kind}
        assert client.get("/second").json() == MANAGED
