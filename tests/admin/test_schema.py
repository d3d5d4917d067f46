"""The OpenAPI document: typed throughout, with every refusal."""

import pytest
from fastapi import FastAPI

from fastapi_taskflow import TaskAdmin, TaskManager

APP = FastAPI()
TaskAdmin(APP, TaskManager())
SCHEMA = APP.openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, item in SCHEMA["paths"].items()
    for method, operation in item.items()
]


def test_the_routes_are_all_there_and_the_pages_are_not():
    assert {name for name, _ in OPERATIONS} == {
        "DELETE /tasks/history",
        "GET /tasks",
        "GET /tasks/audit",
        "GET /tasks/functions",
        "GET /tasks/health",
        "GET /tasks/health/live",
        "GET /tasks/instances",
        "GET /tasks/metrics",
        "GET /tasks/queues",
        "PATCH /tasks/queues/{name}",
        "POST /tasks/bulk-retry",
        "POST /tasks/queues/{name}/pause",
        "POST /tasks/queues/{name}/resume",
        "POST /tasks/retry-failed",
        "GET /tasks/{task_id}",
        "POST /tasks/{task_id}/cancel",
        "POST /tasks/{task_id}/retry",
    }


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_answers_are_typed_and_refusals_documented(name, operation):
    answers = operation["responses"]
    expected = {"200", "403", "503"}
    if "{" in name or "audit" in name or name == "GET /tasks":
        expected |= {"422"}
    if "{" in name:
        expected |= {"404"}
    if name.endswith(("retry", "cancel")):
        expected |= {"400"}

    assert expected <= answers.keys()
    assert all(answer["content"]["application/json"]["schema"] for answer in answers.values())
    assert "Retry-After" in answers["503"]["headers"]


def test_no_model_takes_or_gives_what_it_does_not_name():
    ours = {
        name: model
        for name, model in SCHEMA["components"]["schemas"].items()
        if model["type"] == "object" and "ValidationError" not in name
    }

    assert len(ours) >= 10
    assert [name for name, one in ours.items() if one["additionalProperties"] is not False] == []


def test_it_says_what_lists_leave_out():
    fields = SCHEMA["components"]["schemas"]["TaskInfo"]["properties"]

    assert "Left out of lists: empty there" in fields["logs"]["description"]
    assert "Left out of lists: null there" in fields["stacktrace"]["description"]
