"""Routes for probes."""

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import MemoryBackend, SqliteBackend, StoreUnavailable, TaskAdmin, TaskManager
from fastapi_taskflow.backends.base import Finding, Level


def test_an_instance_that_is_well_is_ready(desk, store):
    response = desk.client.get("/tasks/health")

    told = response.json()
    letter = "A" if isinstance(store, SqliteBackend) else "C"
    assert response.status_code == 200
    assert told.pop("lag") >= 0
    assert [one["name"] for one in told.pop("executors")] == ["async", "process", "thread"]
    assert all(one["level"] == "ok" for one in told.pop("store_findings"))
    assert told == {
        "status": "ok",
        "reasons": [],
        "grade": letter,
        "grade_means": store.grade.value,
        "instance": desk.manager.runtime.engine().instance_id,
        "draining": False,
        "store": "ok",
        "unsettled": 0,
        "strained": False,
        "late": 0,
        "events_dropped": 0,
        "states_dropped": 0,
        "unreadable": {},
        "states_cut": 0,
        "damaged": [],
    }


def test_one_that_drains_is_alive_and_not_ready(desk):
    async def drain() -> None:
        desk.manager.runtime.engine().begin_drain()

    desk.call(drain)
    ready, alive = desk.client.get("/tasks/health"), desk.client.get("/tasks/health/live")

    assert ready.status_code == 503
    assert int(ready.headers["Retry-After"]) >= 1
    assert (ready.json()["status"], ready.json()["reasons"]) == ("unavailable", ["draining"])
    assert (ready.json()["draining"], ready.json()["store"]) == (True, "ok")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


class Outage(MemoryBackend):
    """A store that fails when told to: at once, or by never answering."""

    how = ""

    async def signals(self, instance):
        if self.how == "refuses":
            raise StoreUnavailable("The store is gone")
        if self.how == "hangs":
            await asyncio.Event().wait()
        return await super().signals(instance)


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_store_that_does_not_answer_makes_it_unready_in_bounded_time(open_desk, how):
    store = Outage()
    desk = open_desk(store)
    store.how = how

    ready, alive = desk.client.get("/tasks/health"), desk.client.get("/tasks/health/live")
    store.how = ""
    again = desk.client.get("/tasks/health")

    told = ready.json()
    assert (ready.status_code, alive.status_code, again.status_code) == (503, 200, 200)
    why = ": The store is gone" if how == "refuses" else ""
    assert told["store"] == "unavailable"
    assert told["reasons"] == [f"the store does not answer{why}"]
    assert (told["grade"], told["lag"]) == ("C", None)
    assert ready.elapsed.total_seconds() < 5


class Evicting(MemoryBackend):
    """A store whose server is set up badly, and counts who asks."""

    asked = 0

    async def vitals(self):
        self.asked += 1
        return [
            Finding("eviction", Level.PROBLEM, "policy allkeys-lru", "Set noeviction."),
            Finding("memory", Level.WARNING, "nearly full", "Give it more."),
        ]


def test_a_problem_of_the_store_is_told_and_asked_for_once(open_desk):
    store = Evicting()
    desk = open_desk(store)

    told = [desk.client.get("/tasks/health").json() for _ in range(3)][-1]

    assert store.asked == 1
    assert told["status"] == "degraded"
    assert told["reasons"] == ["the store: policy allkeys-lru. Set noeviction."]
    assert [one["check"] for one in told["store_findings"]] == ["eviction", "memory"]
    assert told["store_findings"][0]["level"] == "problem"


def test_without_an_engine_it_is_alive_and_not_ready():
    app = FastAPI()
    TaskAdmin(app, TaskManager())
    client = TestClient(app)

    ready, alive = client.get("/tasks/health"), client.get("/tasks/health/live")

    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.json()["instance"] is None
    assert "No engine of this TaskManager runs" in ready.json()["reasons"][0]


def test_ends_that_pile_up_make_it_unready(memory_desk):
    engine = memory_desk.manager.runtime.engine()
    engine.settling.unsettled += engine.settings.outbox_limit

    response = memory_desk.client.get("/tasks/health")
    engine.settling.unsettled -= engine.settings.outbox_limit

    assert response.status_code == 503
    assert response.json()["reasons"] == ["too many ends of tasks wait for the store"]


def test_probes_from_elsewhere_are_refused_like_everybody():
    app = FastAPI()
    TaskAdmin(app, TaskManager())
    client = TestClient(app, client=("203.0.113.5", 1))

    assert [client.get(f"/tasks/health{path}").status_code for path in ("", "/live")] == [403, 403]
