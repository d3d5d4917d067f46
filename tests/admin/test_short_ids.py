"""The last eight characters of an id stand for it wherever a task is looked for."""

from datetime import UTC, datetime

import pytest

from fastapi_taskflow import TaskStatus
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.exceptions import TaskStateError


def test_a_task_is_shown_cancelled_and_found_by_its_short_id(desk):
    task_id = desk.running(desk.stand)
    short = task_id[-8:]

    shown = desk.client.get(f"/tasks/{short}")
    found = desk.client.get("/tasks", params={"q": short})
    cancelled = desk.client.post(f"/tasks/{short}/cancel")

    assert shown.json()["task_id"] == task_id
    assert [task["task_id"] for task in found.json()] == [task_id]
    assert cancelled.json()["task_id"] == task_id
    assert desk.reached(task_id, TaskStatus.CANCELLED)
    assert desk.client.get("/tasks/audit").json()[0]["task_id"] == task_id


def test_a_task_is_retried_by_its_short_id(desk):
    first, second = desk.ended(desk.fail), desk.ended(desk.fail)

    one = desk.client.post(f"/tasks/{first.task_id[-8:]}/retry").json()
    many = desk.client.post("/tasks/bulk-retry", json={"task_ids": [second.task_id[-8:]]}).json()

    assert desk.call(desk.manager.get, one["task_id"]).retry_of == first.task_id
    assert many["results"][0]["original_task_id"] == second.task_id


def test_the_manager_takes_short_ids(desk):
    task_id = desk.running(desk.stand)

    assert desk.call(desk.manager.get, task_id[-8:]).task_id == task_id
    assert desk.call(desk.manager.cancel, task_id[-8:]).task_id == task_id


def test_an_end_that_two_ids_share_is_refused_naming_both(desk):
    ids = [f"019e0000-0000-7000-8000-000{n}0badcafe" for n in (1, 2)]
    tasks = [NewTask(each, "nobody's", b"", "default", datetime.now(UTC)) for each in ids]
    desk.call(desk.store.insert, [tasks])

    refused = desk.client.post("/tasks/0badcafe/cancel")
    bulk = desk.client.post("/tasks/bulk-retry", json={"task_ids": ["0badcafe"]}).json()

    assert refused.status_code == 400
    assert all(task_id in refused.text for task_id in ids)
    assert (bulk["dispatched"], bulk["skipped"]) == (0, 1)
    assert ids[0] in bulk["refusals"][0]["reason"]
    with pytest.raises(TaskStateError):
        desk.call(desk.manager.retry, "0badcafe")


def test_an_end_of_no_task_is_not_found(desk):
    assert desk.client.get("/tasks/00000000").status_code == 404
    assert desk.client.post("/tasks/00000000/cancel").status_code == 404
