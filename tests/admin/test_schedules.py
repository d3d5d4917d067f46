"""The routes about schedules."""

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager
from fastapi_taskflow.testing import drain


@pytest.fixture
def tasks():
    tasks = TaskManager(queues={"small": QueueConfig(max_size=0)})

    @tasks.schedule(cron="0 6 * * *", name="daily / report", timezone="Asia/Kolkata")
    @tasks.schedule(every=3600, name="hourly", start=datetime(2100, 1, 1, tzinfo=UTC))
    @tasks.schedule(cron="@yearly", name="narrow", queue="small")
    async def report():
        pass

    return tasks


@pytest.fixture
def client(tasks):
    app = FastAPI()
    TaskAdmin(app, tasks)
    with TestClient(app) as client:
        yield client


def test_they_are_listed_with_what_comes(client):
    daily, hourly, narrow = client.get("/tasks/schedules").json()

    assert (daily["name"], daily["cron"], daily["func_name"]) == (
        "daily / report",
        "0 6 * * *",
        "report",
    )
    assert daily["description"] == "At 06:00 every day (Asia/Kolkata)"
    assert len(daily["next_runs"]) == 10
    assert daily["next_runs"][0].endswith("T00:30:00+00:00")
    assert (hourly["every"], hourly["next_runs"][0]) == (3600, "2100-01-01T00:00:00+00:00")
    assert (narrow["paused"], narrow["retired"], narrow["last_slots"]) == (False, False, [])


def test_a_page_links_to_the_next(client):
    first = client.get("/tasks/schedules?limit=2")
    second = client.get(first.links["next"]["url"])

    names = [one["name"] for one in first.json() + second.json()]
    assert names == ["daily / report", "hourly", "narrow"]
    assert "next" not in second.links


def test_one_is_run_now_and_its_task_is_among_the_last_slots(client, tasks):
    run = client.post("/tasks/schedules/hourly/run")
    drain(tasks, timeout=60)
    (slot,) = client.get("/tasks/schedules").json()[1]["last_slots"]

    assert run.status_code == 200
    assert (slot["kind"], slot["task_id"], slot["status"]) == (
        "manual",
        run.json()["task_id"],
        "success",
    )
    task = client.get(f"/tasks/{slot['task_id']}").json()
    assert (task["func_name"], task["source"]) == ("report", "scheduled")


def test_a_pause_and_its_end_are_audited(client):
    paused = client.post("/tasks/schedules/hourly/pause").json()
    resumed = client.post("/tasks/schedules/hourly/resume").json()
    entries = client.get("/tasks/audit").json()

    assert (paused["paused"], paused["next_runs"]) == (True, [])
    assert (resumed["paused"], len(resumed["next_runs"])) == (False, 10)
    assert [(entry["action"], entry["task_id"]) for entry in entries] == [
        ("resume_schedule", "hourly"),
        ("pause_schedule", "hourly"),
    ]


@pytest.mark.parametrize("act", ["run", "pause", "resume"])
def test_of_one_that_is_none_the_answer_is_404(client, act):
    answer = client.post(f"/tasks/schedules/nightly/{act}")

    assert answer.status_code == 404
    assert "'nightly'" in answer.json()["detail"]


def test_a_run_that_its_queue_has_no_room_for_is_429(client):
    answer = client.post("/tasks/schedules/narrow/run")

    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "more=1"])
def test_what_cannot_be_asked_is_422(client, query):
    assert client.get(f"/tasks/schedules?{query}").status_code == 422
