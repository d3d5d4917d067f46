"""The routes about batches."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.testing import drain


@pytest.fixture
def tasks():
    return TaskManager()


@pytest.fixture
def client(tasks):
    app, broken = FastAPI(), {"bad"}
    TaskAdmin(app, tasks)

    @tasks.task()
    async def work(word):
        if word in broken:
            raise LookupError(word)

    async def begin(words: str) -> Any:
        batch = await tasks.batch([tasks.call(work, w) for w in words.split()], tags={"of": "x"})
        return batch.id

    app.post("/import")(begin)

    @app.post("/mend")
    async def mend():
        broken.clear()

    with TestClient(app) as client:
        yield client


def test_a_batch_is_listed_shown_and_retried(client, tasks):
    batch_id = client.post("/import?words=a bad b").json()
    drain(tasks, timeout=60)

    shown = client.get(f"/tasks/batches/{batch_id}").json()
    listed = client.get("/tasks/batches").json()
    members = client.get(f"/tasks?batch={batch_id}").json()
    client.post("/mend")
    done = client.post(f"/tasks/batches/{batch_id}/retry").json()
    drain(tasks, timeout=60)
    mended = client.get(f"/tasks/batches/{batch_id}").json()
    audit = client.get("/tasks/audit").json()

    assert listed == [shown]
    assert (shown["total"], shown["success"], shown["failed"], shown["done"]) == (3, 2, 1, True)
    assert shown["tags"] == {"of": "x"}
    assert [one["batch_id"] for one in members] == [batch_id] * 3
    assert (done["dispatched"], done["skipped"]) == (1, 0)
    assert (mended["success"], mended["failed"]) == (3, 0)
    assert [one["action"] for one in audit] == ["retry_batch"]


def test_a_page_of_batches_links_to_the_next(client):
    made = [client.post(f"/import?words=w{n}").json() for n in range(3)]

    first = client.get("/tasks/batches?limit=2")
    second = client.get(first.links["next"]["url"])

    assert [one["id"] for one in first.json() + second.json()] == made[::-1]
    assert client.get("/tasks/batches?cursor=none").status_code == 422


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_a_batch_that_is_none_is_not_found(client, method, path):
    assert client.request(method, f"/tasks/batches/none{path}").status_code == 404


def test_a_cancelled_batch_is_cancelled_and_audited(client, tasks):
    @tasks.task()
    async def wait():
        await asyncio.Event().wait()

    async def begin():
        return (await tasks.batch([wait, wait])).id

    batch_id = client.portal.call(begin)
    cancelled = client.post(f"/tasks/batches/{batch_id}/cancel")
    drain(tasks, timeout=60)

    assert cancelled.status_code == 200
    assert client.get(f"/tasks/batches/{batch_id}").json()["cancelled"] == 2
