"""The engine lives as long as the app, whatever the app's style."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request
from fastapi.testclient import TestClient

from fastapi_taskflow import SqliteBackend, TaskManager, TaskObserver, TaskStatus
from fastapi_taskflow.exceptions import ConfigurationError, StoreUnavailable
from fastapi_taskflow.testing import drain
from tests.support.gates import Gate
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
LOGGERS = logging.Logger.manager.loggerDict
Lifespan = Callable[[Any], Any]


class Diary:
    """A lifespan that notes whether the engine runs at its start and end."""

    def __init__(self, tasks: TaskManager) -> None:
        self.tasks = tasks
        self.entries: list[tuple[str, bool]] = []

    def note(self, word: str) -> None:
        self.entries.append((word, self.tasks.runtime.running_engine() is not None))

    def lifespan(self, name: str) -> Lifespan:
        @asynccontextmanager
        async def context(app: Any) -> AsyncIterator[dict[str, str]]:
            self.note(f"{name} starts")
            yield {name: "state"}
            self.note(f"{name} ends")

        return context


def endpoint(tasks: TaskManager, ran: list[str]) -> Callable[[BackgroundTasks], None]:
    @tasks.task(persist=True)
    def note() -> None:
        ran.append("task")

    def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note)

    return add


@pytest.mark.parametrize("style", ["plain", "lifespan", "routers before", "routers after"])
@pytest.mark.parametrize("call", ["init_app", "install"])
def test_the_engine_spans_the_apps_own_lifespan(tasks: TaskManager, style: str, call: str) -> None:
    diary = Diary(tasks)
    ran: list[str] = []
    app = FastAPI(lifespan=diary.lifespan("app") if style == "lifespan" else None)
    router = APIRouter(lifespan=diary.lifespan("router"))
    router.post("/")(endpoint(tasks, ran))
    if style == "routers before":
        app.include_router(router, prefix="/router")
    getattr(tasks, call)(app)
    getattr(tasks, call)(app)
    tasks.install(app)
    if style == "routers after":
        app.include_router(router, prefix="/router")
    app.post("/")(endpoint(tasks, ran))

    assert tasks.runtime.running_engine() is None
    with TestClient(app) as client:
        assert client.post("/").is_success
        assert "router" not in style or client.post("/router/").is_success
        diary.note("app runs")
    diary.note("app is over")

    name = {"lifespan": "app", "routers before": "router", "routers after": "router"}.get(style)
    around = [(f"{name} starts", True)] if name else []
    after = [(f"{name} ends", True)] if name else []
    assert diary.entries == [*around, ("app runs", True), *after, ("app is over", False)]
    assert ran == ["task"] * (2 if "router" in style else 1)


def test_the_state_of_lifespans_reaches_requests(tasks: TaskManager) -> None:
    diary = Diary(tasks)
    app = FastAPI(lifespan=diary.lifespan("app"))
    tasks.init_app(app)
    app.include_router(APIRouter(lifespan=diary.lifespan("router")))

    @app.get("/")
    async def look(request: Request) -> list[str]:
        return [request.state.app, request.state.router]

    with TestClient(app) as client:
        assert client.get("/").json() == ["state", "state"]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("style", ["lifespan", "router before", "router after", "wrapped after"])
def test_tasks_run_only_within_the_apps_own_lifespan(
    tasks: TaskManager, style: str, persist: bool
) -> None:
    """What a lifespan opens is there for every task, also those it adds itself."""
    opened: list[bool] = []
    ran: list[tuple[str, bool]] = []

    @tasks.task(persist=persist)
    async def note(word: str) -> None:
        ran.append((word, bool(opened)))
        await asyncio.sleep(0)
        ran.append((word, bool(opened)))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await tasks.enqueue(note, "start")
        await asyncio.sleep(0.01)
        opened.append(True)
        yield
        opened.clear()
        await tasks.enqueue(note, "stop")
        await asyncio.sleep(0.01)

    app = FastAPI(lifespan=lifespan if style == "lifespan" else None)
    router = APIRouter(lifespan=lifespan)
    if style == "router before":
        app.include_router(router)
    tasks.init_app(app)
    if style == "router after":
        app.include_router(router)
    if style == "wrapped after":
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def wrapped(app: FastAPI) -> AsyncIterator[None]:
            async with inner(app), lifespan(app):
                yield

        app.router.lifespan_context = wrapped

    @app.get("/")
    async def late() -> None:
        await tasks.enqueue(note, "late")

    with TestClient(app) as client:
        drain(tasks)
        client.get("/")

    assert ran == [("start", True)] * 2 + [("late", True)] * 2
    last = tasks.store.list()[0]
    assert last.status is (TaskStatus.PENDING if persist else TaskStatus.INTERRUPTED)


def test_what_was_added_at_the_end_runs_after_the_next_start(tasks: TaskManager) -> None:
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note() -> None:
        ran.append("ran")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if not ran:
            await tasks.enqueue(note)

    app = FastAPI(lifespan=lifespan)
    tasks.init_app(app)
    with TestClient(app):
        pass
    assert ran == []

    with TestClient(app):
        drain(tasks)
    assert ran == ["ran"]


def test_a_lifespan_that_fails_waits_for_no_task(make_manager: Make) -> None:
    tasks = make_manager(drain_timeout=1000.0)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await tasks.enqueue(asyncio.sleep, 0)
        if app.title:
            raise LookupError("no configuration")
        yield

    app = FastAPI(lifespan=lifespan)
    tasks.init_app(app)
    with pytest.raises(LookupError), TestClient(app):
        pass

    assert tasks.runtime.running_engine() is None
    assert [record.status for record in tasks.store.list()] == [TaskStatus.INTERRUPTED]


def test_a_lifespan_that_fails_at_its_end_has_drained(tasks: TaskManager) -> None:
    ran: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        ran.append("end")
        raise LookupError("cannot be closed")

    app = FastAPI(lifespan=lifespan)
    tasks.init_app(app)

    async def work() -> None:
        await asyncio.sleep(0.05)
        ran.append("work")

    @app.get("/")
    async def add() -> None:
        await tasks.enqueue(work)

    with pytest.raises(LookupError), TestClient(app) as client:
        client.get("/")

    assert ran == ["work", "end"]
    assert tasks.runtime.running_engine() is None


async def test_two_managers_both_run_within(make_manager: Make) -> None:
    managers = [make_manager(), make_manager()]
    notes: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for each in managers:
            await each.enqueue(notes.append, "task")
        await asyncio.sleep(0.01)
        notes.append("started")
        yield
        notes.append("ending")

    app = FastAPI(lifespan=lifespan)
    for each in managers:
        each.init_app(app)
    async with app.router.lifespan_context(app):
        await wait_until(lambda: len(notes) == 3)

    assert notes == ["started", "task", "task", "ending"]


def test_one_app_may_live_several_times(make_manager: Make, store: Any) -> None:
    tasks = make_manager(store)
    app = FastAPI()
    ran: list[str] = []
    tasks.install(app)
    app.post("/")(endpoint(tasks, ran))
    instances = set()

    @app.get("/")
    async def count() -> int:
        return len(await tasks.merged_list())

    for number in range(1, 4):
        with TestClient(app) as client:
            assert client.post("/").is_success
            assert client.get("/").json() == number
            instances.add(tasks.runtime.engine().instance_id)

    assert ran == ["task"] * 3
    assert len(instances) == 3


async def test_a_manager_is_a_context_manager_of_its_own(tasks: TaskManager) -> None:
    ran: list[str] = []

    async with tasks as same:
        assert same is tasks
        await tasks.enqueue(ran.append, "inside")
        await wait_until(lambda: ran)

    assert tasks.runtime.running_engine() is None
    with pytest.raises(RuntimeError, match="async with task_manager"):
        await tasks.enqueue(ran.append, "outside")


async def test_the_engine_stops_with_its_last_user(tasks: TaskManager) -> None:
    one, other = FastAPI(), FastAPI()
    tasks.init_app(one)
    tasks.init_app(other)

    async with one.router.lifespan_context(one):
        engine = tasks.runtime.engine()
        async with other.router.lifespan_context(other), tasks:
            assert tasks.runtime.engine() is engine
        assert tasks.runtime.running_engine() is engine
    assert tasks.runtime.running_engine() is None


async def test_startup_and_shutdown_are_idempotent(tasks: TaskManager) -> None:
    await tasks.shutdown()
    await tasks.startup()
    await tasks.shutdown()
    await tasks.shutdown()
    assert tasks.runtime.running_engine() is None

    await tasks.startup()
    await tasks.startup()
    await tasks.shutdown()
    assert tasks.runtime.running_engine() is not None
    await tasks.shutdown()
    assert tasks.runtime.running_engine() is None


def test_two_managers_of_one_app_live_together(make_manager: Make) -> None:
    managers = [make_manager(), make_manager()]
    app = FastAPI()
    for each in managers:
        each.init_app(app)

    with TestClient(app):
        assert all(each.runtime.running_engine() for each in managers)
    assert not any(each.runtime.running_engine() for each in managers)


class Opened(TaskObserver):
    """Knows whether it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = 0

    async def startup(self) -> None:
        self.open += 1

    async def close(self) -> None:
        self.open -= 1


class Broken(WatchedStore):
    """Fails at a verb, as long as it is broken."""

    def __init__(self, verb: str) -> None:
        super().__init__()
        self.broken: str | None = verb

    async def around(self, verb: str, asked: Any, call: Any) -> Any:
        if verb == self.broken:
            raise StoreUnavailable(f"cannot {verb}")
        return await super().around(verb, asked, call)


@pytest.mark.parametrize("verb", ["open", "enlist", "signals"])
def test_a_store_that_cannot_be_used_fails_the_start(make_manager: Make, verb: str) -> None:
    broken, observer = Broken(verb), Opened()
    tasks = make_manager(broken, loggers=[observer])
    diary = Diary(tasks)
    app = FastAPI(lifespan=diary.lifespan("app"))
    tasks.install(app)
    app.post("/")(endpoint(tasks, []))

    with pytest.raises(StoreUnavailable, match=f"cannot {verb}"), TestClient(app):
        pass
    assert tasks.runtime.running_engine() is None
    assert diary.entries == []
    assert observer.open == 0

    broken.broken = None
    with TestClient(app) as client:
        assert client.post("/").is_success
        assert observer.open == 1
    assert observer.open == 0


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_backend=SqliteBackend(str(tmp_path / "missing" / "tasks.db")))
    app = FastAPI()
    tasks.init_app(app)

    with pytest.raises((StoreUnavailable, ConfigurationError), match="missing"), TestClient(app):
        pass


def test_an_app_that_fails_to_start_stops_the_engine(tasks: TaskManager) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert tasks.runtime.running_engine() is not None
        if app.title:
            raise LookupError("no configuration")
        yield

    app = FastAPI(lifespan=lifespan)
    tasks.init_app(app)

    with pytest.raises(LookupError), TestClient(app):
        pass
    assert tasks.runtime.running_engine() is None


async def test_a_shutdown_waits_for_what_runs(tasks: TaskManager) -> None:
    gate = Gate()

    @tasks.task(persist=True)
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        task_id, *_ = await tasks.enqueue(stand)
        await gate.reached()
        asyncio.get_running_loop().call_later(0.05, gate.open)

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.status is TaskStatus.SUCCESS
    assert gate.passed == 1


async def test_a_shutdown_ends_what_runs_too_long(make_manager: Make) -> None:
    tasks = make_manager(drain_timeout=0.05)
    gate = Gate()

    @tasks.task(persist=True)
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        task_id, *_ = await tasks.enqueue(stand)
        await gate.reached()

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.status is TaskStatus.INTERRUPTED
    assert gate.passed == 0


@pytest.fixture
def logging_config(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Disables every logger that exists, as `fileConfig` and `dictConfig` do."""

    def configure() -> None:
        for logger in LOGGERS.values():
            if isinstance(logger, logging.Logger):
                monkeypatch.setattr(logger, "disabled", True)

    return configure


@pytest.mark.parametrize("when", ["at import", "in the lifespan"])
def test_failures_are_logged_whatever_the_apps_logging_has_disabled(
    tasks: TaskManager,
    logging_config: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    when: str,
) -> None:
    @asynccontextmanager
    async def migrate(app: FastAPI) -> AsyncIterator[None]:
        if when == "in the lifespan":
            logging_config()
        yield

    app = FastAPI(lifespan=migrate)
    tasks.install(app)

    @tasks.task(persist=True)
    async def fail() -> None:
        raise ConnectionError("the bank is closed")

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(fail)

    others = logging.getLogger("tests.of_another_package")
    if when == "at import":
        logging_config()
    with TestClient(app) as client:
        client.post("/")

    assert "the bank is closed" in caplog.text
    assert others.disabled
    package = [one for name, one in LOGGERS.items() if name.startswith("fastapi_taskflow")]
    assert not any(one.disabled for one in package if isinstance(one, logging.Logger))


@pytest.mark.parametrize("key", [None, "a secret of some length"])
def test_the_log_says_at_the_start_which_file_tasks_are_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = TaskManager(snapshot_db="shop.db", encrypt_args_key=key)
    app = FastAPI()
    tasks.install(app)

    with caplog.at_level(logging.INFO, "fastapi_taskflow"), TestClient(app):
        pass

    assert f"Task store {tmp_path.resolve() / 'shop.db'}, " in caplog.text
