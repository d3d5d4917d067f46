"""Full queues over HTTP: 429, Retry-After, and a record of what was rejected."""

from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Backend,
    ManagedBackgroundTasks,
    MemoryBackend,
    QueueConfig,
    QueueFullError,
    TaskManager,
    TaskStatus,
)
from tests.support.exchanges import Exchange
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Office:
    """An app that puts two mails in a paused queue, and one note in the lane."""

    def __init__(self, tasks: TaskManager, *, persist: bool) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.sent: list[str] = []
        self.noted: list[str] = []
        tasks.install(self.app)

        @tasks.task(persist=persist, queue="mail")
        async def mail(word: str) -> None:
            self.sent.append(word)

        @tasks.task(persist=persist)
        async def note(word: str) -> None:
            self.noted.append(word)

        @self.app.post("/")
        async def endpoint(background_tasks: BackgroundTasks, word: str) -> None:
            background_tasks.add_task(note, word)
            for _ in range(2):
                background_tasks.add_task(mail, word)

    def records(self, status: TaskStatus) -> list[str]:
        return [each.func_name for each in self.tasks.store.list() if each.status is status]


PAUSED = {"mail": QueueConfig(max_size=3, paused=True)}


@pytest.mark.parametrize("persist", [False, True])
def test_a_full_queue_answers_429_and_keeps_a_record(
    make_manager: Make, store: Backend, persist: bool
) -> None:
    tasks = make_manager(store, queues=PAUSED, drain_timeout=600.0)
    office = Office(tasks, persist=persist)

    with TestClient(office.app) as client:
        accepted = client.post("/?word=one")
        refused = client.post("/?word=two")

    # What waits in a paused queue holds up no shutdown: we are here.
    assert accepted.is_success
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"].startswith("Queue 'mail' is full: 3 tasks")
    # Nothing of the request was accepted, also not the note.
    assert office.noted == ["one"]
    assert office.records(TaskStatus.REJECTED) == ["mail"]


async def test_the_whole_store_counts_not_only_this_instance(make_manager: Make) -> None:
    shared = MemoryBackend()
    one = Office(make_manager(shared, queues=PAUSED), persist=True)
    other = Office(make_manager(shared, queues=PAUSED), persist=True)

    async with one.tasks, other.tasks:
        await (first := Exchange(one.app, "POST", "/?word=one")).task
        # The other instance holds none of them, so only its commit can tell.
        await (second := Exchange(other.app, "POST", "/?word=two")).task
        assert (first.status, second.status) == (200, 429)
        assert second.headers["retry-after"] == "1"
        assert other.noted == []
        (rejected,) = other.tasks.store.list()
        stored = await one.tasks.get(rejected.task_id)
        page = await one.tasks.merged_list()

        await one.tasks.resume("mail")
        await wait_until(lambda: len(one.sent + other.sent) == 2)

    assert stored is not None
    assert stored.status is TaskStatus.REJECTED
    assert len(page) == 4
    assert set(one.sent + other.sent) == {"one"}


@pytest.mark.parametrize("persist", [False, True])
def test_an_endpoint_may_handle_a_full_queue(make_manager: Make, persist: bool) -> None:
    tasks = make_manager(queues={"mail": QueueConfig(max_size=0)})
    office = Office(tasks, persist=persist)

    async def mail() -> None: ...

    tasks.task(persist=persist, name="other mail")(mail)

    @office.app.post("/careful")
    async def careful(background_tasks: ManagedBackgroundTasks) -> str:
        background_tasks.add_task(office.noted.append, "careful")
        try:
            background_tasks.add_task(mail, queue="mail")
        except QueueFullError as error:
            return str(error.task_id)
        return "accepted"

    with TestClient(office.app) as client:
        task_id = client.post("/careful").json()

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.status is TaskStatus.REJECTED
    assert record.end_time is not None
    assert record.error is not None
    assert office.noted == ["careful"]


@pytest.mark.parametrize("persist", [False, True])
def test_tasks_of_the_chain_count_towards_the_default_queue(
    make_manager: Make, persist: bool
) -> None:
    tasks = make_manager(max_size=2)
    app = FastAPI()
    tasks.install(app)
    ran: list[int] = []

    @tasks.task(persist=persist)
    async def note(number: int) -> None:
        ran.append(number)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks, count: int) -> None:
        for number in range(count):
            background_tasks.add_task(note, number)

    with TestClient(app) as client:
        assert client.post("/?count=2").status_code == 200
        assert client.post("/?count=3").status_code == 429
        # What was refused gave its places back.
        assert client.post("/?count=2").status_code == 200

    assert ran == [0, 1, 0, 1]


def test_a_websocket_handler_sees_a_full_queue_as_an_error(make_manager: Make) -> None:
    tasks = make_manager(max_size=0)
    app = FastAPI()
    tasks.install(app)

    @app.websocket("/")
    async def handler(websocket: WebSocket, background_tasks: BackgroundTasks) -> None:
        await websocket.accept()
        background_tasks.add_task(print)

    # There is no status to answer with: it is not swallowed either.
    full = pytest.raises(QueueFullError)
    with TestClient(app) as client, full, client.websocket_connect("/") as session:
        session.receive_text()


def test_an_unknown_queue_means_the_default_one(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> str:
        return background_tasks.add_task(ran.append, "x", queue="nowhere")

    with TestClient(app) as client:
        task_id = client.post("/").json()
        client.post("/")

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.queue == "default"
    assert ran == ["x", "x"]
    warned = [each for each in caplog.records if "nowhere" in each.message]
    assert len(warned) == 1
