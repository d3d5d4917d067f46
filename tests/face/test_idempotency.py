"""Idempotency keys over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from fastapi.testclient import TestClient

from fastapi_taskflow import Backend, ManagedBackgroundTasks, MemoryBackend, TaskManager, TaskStatus
from tests.support.exchanges import Exchange
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Till:
    """An app that charges once per key, and notes every request."""

    def __init__(self, tasks: TaskManager, *, persist: bool = True) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.charged: list[int] = []
        self.notes: list[str] = []
        self.served = 0
        tasks.install(self.app)

        @tasks.task(persist=persist)
        async def charge(amount: int) -> None:
            self.charged.append(amount)

        @tasks.task(persist=True)
        async def note(word: str) -> None:
            self.notes.append(word)

        @self.app.post("/charges")
        async def endpoint(
            amount: int,
            idempotency_key: Annotated[str, Header()],
            background_tasks: ManagedBackgroundTasks,
        ) -> str:
            background_tasks.add_task(note, f"request for {amount}")
            task_id = background_tasks.add_task(charge, amount, idempotency_key=idempotency_key)
            self.served += 1
            return task_id

        @self.app.get("/charges/{task_id}")
        async def look(task_id: str) -> dict[str, Any] | None:
            record = await tasks.get(task_id)
            return None if record is None else record.to_dict()


def post(client: TestClient, amount: int, key: str) -> Any:
    return client.post(f"/charges?amount={amount}", headers={"idempotency-key": key})


@pytest.mark.parametrize("persist", [False, True])
def test_the_same_key_gives_the_same_task(
    make_manager: Make, store: Backend, persist: bool
) -> None:
    till = Till(make_manager(store), persist=persist)

    with TestClient(till.app) as client:
        first = post(client, 5, "order 1").json()
        second = post(client, 5, "order 1").json()
        other = post(client, 5, "order 2").json()

    assert first == second
    assert other != first
    assert till.charged == [5, 5]
    assert till.notes == ["request for 5"] * 3


@pytest.mark.parametrize("persist", [False, True])
def test_a_key_for_other_work_is_a_conflict_and_nothing_is_stored(
    make_manager: Make, store: Backend, persist: bool
) -> None:
    till = Till(make_manager(store), persist=persist)

    with TestClient(till.app) as client:
        first = post(client, 5, "order 1").json()
        refused = post(client, 6, "order 1")

    assert refused.status_code == 409
    assert first in refused.json()["detail"]
    assert till.charged == [5]
    assert till.notes == ["request for 5"]


async def test_requests_at_the_same_time_get_ids_of_one_task(make_manager: Make) -> None:
    watched = WatchedStore()
    till = Till(make_manager(watched))
    headers = {"idempotency-key": "order 1"}

    async with till.tasks:
        watched.hold()
        exchanges = [
            Exchange(till.app, "POST", "/charges?amount=5", headers=headers) for _ in range(5)
        ]
        await wait_until(lambda: till.served == 5)
        watched.release()
        for exchange in exchanges:
            await exchange.task
        assert [exchange.status for exchange in exchanges] == [200] * 5

        # Nobody knew of the others, so each was told another id; all name the one task.
        ids = [exchange.body.decode().strip('"') for exchange in exchanges]
        assert len(set(ids)) == 5
        records = [await till.tasks.get(task_id) for task_id in ids]
        canonical = {record.duplicate_of for record in records if record} - {None}
        (executed,) = canonical
        assert executed in ids
        assert {record.status for record in records if record} == {TaskStatus.SUCCESS}
        page = Exchange(till.app, "GET", f"/charges/{ids[-1]}")
        assert await page.answered() == 200
        assert b'"status":"success"' in page.body

    assert till.charged == [5]


async def test_of_conflicting_requests_at_the_same_time_one_is_stored(make_manager: Make) -> None:
    watched = WatchedStore()
    till = Till(make_manager(watched))
    headers = {"idempotency-key": "order 1"}

    async with till.tasks:
        watched.hold()
        exchanges = [
            Exchange(till.app, "POST", f"/charges?amount={n}", headers=headers) for n in (5, 6)
        ]
        await wait_until(lambda: till.served == 2)
        watched.release()
        for exchange in exchanges:
            await exchange.task
        await wait_until(lambda: till.charged)

    (kept, refused) = sorted(exchanges, key=lambda each: each.status or 0)
    assert (kept.status, refused.status) == (200, 409)
    assert len(till.charged) == len(till.notes) == 1
    assert till.notes == [f"request for {till.charged[0]}"]
    assert len(till.tasks.store.list()) == 2


async def test_the_key_of_another_instance_counts(make_manager: Make) -> None:
    shared = MemoryBackend()
    one, other = Till(make_manager(shared)), Till(make_manager(shared))
    headers = {"idempotency-key": "order 1"}

    async with one.tasks, other.tasks:
        first = Exchange(one.app, "POST", "/charges?amount=5", headers=headers)
        await first.task
        same = Exchange(other.app, "POST", "/charges?amount=5", headers=headers)
        conflict = Exchange(other.app, "POST", "/charges?amount=6", headers=headers)
        await same.task
        await conflict.task
        alias = await other.tasks.get(same.body.decode().strip('"'))

    assert (same.status, conflict.status) == (200, 409)
    assert alias is not None
    assert alias.duplicate_of == first.body.decode().strip('"')
    assert one.charged == [5]
    assert other.charged == []
    assert other.notes == ["request for 5"]


@pytest.mark.parametrize("persist", [False, True])
def test_a_key_twice_in_one_request_is_one_task(make_manager: Make, persist: bool) -> None:
    tasks = make_manager()
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def note() -> None:
        ran.append("note")

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> list[str]:
        return [background_tasks.add_task(note, idempotency_key="k") for _ in range(2)]

    @app.get("/")
    async def look(task_id: str) -> str | None:
        record = await tasks.get(task_id)
        return None if record is None else record.status

    with TestClient(app) as client:
        ids = client.post("/").json()
        statuses = [client.get("/", params={"task_id": each}).json() for each in ids]

    assert ran == ["note"]
    assert statuses == ["success", "success"]


def test_a_raising_endpoint_takes_no_key(make_manager: Make) -> None:
    till = Till(make_manager())

    @till.app.post("/broken")
    async def broken(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(till.charged.append, 1, idempotency_key="order 1")
        raise LookupError

    with TestClient(till.app, raise_server_exceptions=False) as client:
        assert client.post("/broken").status_code == 500
        assert post(client, 5, "order 1").is_success

    assert till.charged == [5]


async def test_enqueue_says_whether_it_was_a_duplicate(tasks: TaskManager) -> None:
    ran: list[int] = []

    @tasks.task(persist=True)
    async def charge(amount: int) -> None:
        ran.append(amount)

    async with tasks:
        first = await tasks.enqueue(charge, 5, idempotency_key="k")
        second = await tasks.enqueue(charge, 5, idempotency_key="k")
        await wait_until(lambda: ran)

    assert first.disposition == "created"
    assert not first.duplicate
    assert second == (first.task_id, True, "existing")


async def test_arguments_that_cannot_be_stored_are_not_compared(tasks: TaskManager) -> None:
    @tasks.task()
    async def look(thing: object) -> None: ...

    async with tasks:
        first = await tasks.enqueue(look, object(), idempotency_key="k")
        bound = ManagedBackgroundTasks(tasks)
        added = bound.add_task(look, object(), idempotency_key="k")
        again = await tasks.enqueue(look, object(), idempotency_key="k")

    assert added == first.task_id
    assert again == (first.task_id, True, "existing")
