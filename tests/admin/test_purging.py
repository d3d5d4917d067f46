"""The route that deletes old records."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import MemoryBackend, TaskAdmin, TaskManager
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.words.ids import new_id

OLD = {"value": 1, "unit": "min"}


def purge(desk):
    """Delete all that has ended, however lately."""
    return desk.call(desk.manager.operations.purge_history, timedelta())


def test_what_has_ended_is_deleted_and_what_lives_stays(desk):
    ended = [desk.ended(desk.succeed).task_id, desk.ended(desk.tell, "text").task_id]
    runs = desk.running(desk.stand)

    assert purge(desk) == (2, 2, 2, False)

    assert [task["task_id"] for task in desk.client.get("/tasks").json()] == [runs]
    assert [desk.client.get(f"/tasks/{one}").status_code for one in ended] == [404, 404]
    assert desk.client.get("/tasks/metrics").json()["success"] == 1


def test_what_has_only_just_ended_is_written_first_and_then_deleted(desk):
    desk.ended(desk.succeed)

    assert purge(desk) == (1, 1, 1, False)
    assert desk.client.get("/tasks").json() == []


def test_what_ended_later_is_kept(desk):
    task_id = desk.ended(desk.succeed).task_id

    response = desk.client.delete("/tasks/history", params={"value": 1, "unit": "min"})

    assert response.json() == {"deleted": 0, "store": 0, "backend": 0}
    assert desk.client.get(f"/tasks/{task_id}").status_code == 200


def test_a_preview_says_how_many_and_deletes_none():
    store = MemoryBackend(clock=ManualClock(datetime.now(UTC) - timedelta(minutes=2)))
    app = FastAPI()
    TaskAdmin(app, TaskManager(snapshot_backend=store))
    tasks = [NewTask(new_id(), "f", None, "default", datetime.now(UTC)) for _ in range(3)]

    with TestClient(app) as client:
        assert client.portal is not None
        client.portal.call(store.insert, [tasks])
        client.portal.call(store.cancel, [one.task_id for one in tasks[:2]])
        preview = client.get("/tasks/history/preview", params=OLD).json()
        refused = client.get("/tasks/history/preview?value=1&unit=week")

        assert preview == {"count": 2, "more": False}
        assert refused.status_code == 400
        assert client.delete("/tasks/history", params=OLD).json()["deleted"] == 2


def test_the_act_is_audited_and_the_audit_outlives_it(desk):
    failed = desk.ended(desk.fail).task_id
    desk.client.post(f"/tasks/{failed}/retry")
    purge(desk)

    audit = desk.client.get("/tasks/audit").json()

    assert [entry["action"] for entry in audit] == ["purge", "retry"]
    assert (audit[0]["task_id"], audit[0]["actor"]) == ("history", "anonymous")
    assert audit[0]["detail"]["older_than_seconds"] == 0
    assert audit[0]["detail"]["deleted"] >= 1


@pytest.mark.parametrize(
    ("value", "unit", "deleted"),
    [(89, "min", 1), (91, "min", 0), (1, "hour", 1), (2, "hour", 0), (1, "day", 0)],
)
def test_the_units(open_desk, value, unit, deleted):
    clock = ManualClock(datetime.now(UTC) - timedelta(minutes=90))
    desk = open_desk(MemoryBackend(clock=clock))
    task = NewTask(new_id(), "unknown", None, "default", datetime.now(UTC))
    desk.call(desk.store.insert, [[task]])
    desk.call(desk.store.cancel, [task.task_id])

    response = desk.client.delete("/tasks/history", params={"value": value, "unit": unit})

    assert response.json() == {"deleted": deleted, "store": 0, "backend": deleted}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "value=1",
        "unit=day",
        "value=-1&unit=day",
        "value=1.5&unit=day",
        "value=99999999999999999999&unit=day",
        "value=36501&unit=day",
        "value=all&unit=day",
        "value=0&unit=day",
        "value=1&unit=day&queue=mail",
        "value=1&value=2&unit=day",
    ],
)
def test_bad_input_deletes_nothing(memory_desk, query):
    task_id = memory_desk.ended(memory_desk.succeed).task_id

    response = memory_desk.client.delete(f"/tasks/history?{query}")

    assert response.status_code == 422
    assert memory_desk.client.get(f"/tasks/{task_id}").status_code == 200


def test_the_longest_span_is_inside_the_calendar(memory_desk):
    response = memory_desk.client.delete("/tasks/history", params={"value": 36_500, "unit": "day"})

    assert response.status_code == 200


def test_a_read_only_admin_deletes_nothing(open_desk):
    desk = open_desk(read_only=True)
    task_id = desk.ended(desk.succeed).task_id

    response = desk.client.delete("/tasks/history", params=OLD)

    assert response.status_code == 403
    assert desk.client.get(f"/tasks/{task_id}").status_code == 200


def test_another_site_deletes_nothing(memory_desk):
    response = memory_desk.client.delete(
        "/tasks/history", params=OLD, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert response.status_code == 403


def test_one_request_deletes_a_bounded_number_and_says_that_there_is_more():
    store = MemoryBackend(clock=ManualClock(datetime.now(UTC) - timedelta(minutes=2)))
    manager = TaskManager(snapshot_backend=store)
    manager.runtime.settings = replace(manager.runtime.settings, purge_limit=200)
    app = FastAPI()
    TaskAdmin(app, manager)
    tasks = [NewTask(new_id(), "f", None, "default", datetime.now(UTC)) for _ in range(250)]

    with TestClient(app) as client:
        assert client.portal is not None
        client.portal.call(store.insert, [tasks])
        client.portal.call(store.cancel, [one.task_id for one in tasks])
        answers = [client.delete("/tasks/history", params=OLD) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 200, 200]
    assert [answer.json()["deleted"] for answer in answers] == [200, 50, 0]


def test_a_unit_that_is_none_is_told_apart_from_a_missing_one(memory_desk):
    task_id = memory_desk.ended(memory_desk.succeed).task_id

    response = memory_desk.client.delete("/tasks/history?value=1&unit=week")

    assert response.status_code == 400
    assert response.json() == {"detail": "unit takes one of min, hour, day, got 'week'."}
    assert memory_desk.client.get(f"/tasks/{task_id}").status_code == 200
