"""The OpenAPI document: typed throughout, with every refusal."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager
from tests.admin.people import everybody


def app_with(**settings):
    app = FastAPI()
    TaskAdmin(app, TaskManager(), **settings)
    return app


def operations(schema):
    """By method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    }


SCHEMA = app_with().openapi()
GUARDED_APP = app_with(auth=everybody())
GUARDED = GUARDED_APP.openapi()
OPERATIONS = operations(SCHEMA)
LOGIN, LOGOUT = "POST /tasks/auth/login", "POST /tasks/auth/logout"
PROBLEM, FAULTS = (
    {"$ref": f"#/components/schemas/{name}"} for name in ("TaskflowProblem", "HTTPValidationError")
)


def test_the_routes_are_all_there_and_the_pages_are_not():
    assert OPERATIONS.keys() == {
        "DELETE /tasks/history",
        "GET /tasks/history/preview",
        "GET /tasks",
        "GET /tasks/audit",
        "GET /tasks/audit/verify",
        "GET /tasks/export.csv",
        "GET /tasks/pauses",
        "POST /tasks/pauses",
        "POST /tasks/pauses/resume",
        "GET /tasks/bulk",
        "GET /tasks/bulk/{bulk_id}",
        "POST /tasks/bulk",
        "POST /tasks/bulk/preview",
        "POST /tasks/bulk/{bulk_id}/cancel",
        "POST /tasks/failures/{group}/retry",
        "GET /tasks/batches",
        "GET /tasks/batches/{batch_id}",
        "GET /tasks/failures",
        "GET /tasks/failures/{group}",
        "GET /tasks/functions",
        "GET /tasks/health",
        "GET /tasks/health/live",
        "GET /tasks/instances",
        "GET /tasks/metrics",
        "GET /tasks/queues",
        "GET /tasks/schedules",
        "PATCH /tasks/queues/{name}",
        "POST /tasks/batches/{batch_id}/cancel",
        "POST /tasks/batches/{batch_id}/retry",
        "POST /tasks/bulk-retry",
        "POST /tasks/queues/{name}/drain",
        "POST /tasks/queues/{name}/pause",
        "POST /tasks/queues/{name}/resume",
        "POST /tasks/retry-failed",
        "POST /tasks/schedules/{name}/pause",
        "POST /tasks/schedules/{name}/resume",
        "POST /tasks/schedules/{name}/run",
        "GET /tasks/{task_id}",
        "GET /tasks/{task_id}/arguments",
        "GET /tasks/{task_id}/logs",
        "POST /tasks/{task_id}/cancel",
        "POST /tasks/{task_id}/retry",
        "POST /tasks/{task_id}/run-again",
    }


def test_with_users_there_are_also_the_routes_to_sign_in_and_out():
    assert operations(GUARDED).keys() - OPERATIONS.keys() == {LOGIN, LOGOUT}
    assert OPERATIONS.keys() < operations(GUARDED).keys()


def test_signing_in_tells_of_json_and_of_forms():
    operation = operations(GUARDED)[LOGIN]
    answers = operation["responses"]

    assert answers.keys() == {"200", "303", "401", "403", "413", "415", "422", "429", "503"}
    assert len(operation["requestBody"]["content"]) == 2
    assert "HTTPValidationError" in GUARDED["components"]["schemas"]
    for status, schema in (("401", PROBLEM), ("422", FAULTS), ("429", PROBLEM)):
        content = answers[status]["content"]
        assert content.keys() == {"application/json", "text/html"}
        assert content["application/json"]["schema"] == schema
    assert "Location" in answers["303"]["headers"]
    assert "Retry-After" in answers["429"]["headers"]


def test_signing_out_never_answers_200():
    answers = operations(GUARDED)[LOGOUT]["responses"]

    assert {status for status in answers if status < "400"} == {"204", "303"}
    assert "content" not in answers["204"]


def test_a_path_with_a_page_and_a_route_names_the_methods_of_both():
    answer = TestClient(GUARDED_APP).options("/tasks/auth/login")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("schema", [SCHEMA, GUARDED], ids=["local", "guarded"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_are_typed_and_refusals_documented(name, schema):
    answers = operations(schema)[name]["responses"]
    expected = {"200", "401", "403", "429", "503"}
    if "{" in name or "audit" in name or name == "GET /tasks":
        expected |= {"422"}
    if "{" in name:
        expected |= {"404"}
    if name.endswith(("retry", "cancel")):
        expected |= {"400"}

    assert expected <= answers.keys()
    kind = "text/csv" if name.endswith(".csv") else "application/json"
    for status, answer in answers.items():
        assert answer["content"][kind if status == "200" else "application/json"]["schema"]
    assert all("Retry-After" in answers[status]["headers"] for status in ("429", "503"))


def test_no_model_takes_or_gives_what_it_does_not_name():
    ours = {
        name: model
        for name, model in GUARDED["components"]["schemas"].items()
        if model["type"] == "object" and "ValidationError" not in name
    }

    assert len(ours) >= 10
    assert [name for name, one in ours.items() if one["additionalProperties"] is not False] == []


def test_it_says_what_lists_leave_out():
    fields = SCHEMA["components"]["schemas"]["TaskInfo"]["properties"]

    assert "Empty in brief lists" in fields["logs"]["description"]
    assert "Null in brief lists" in fields["stacktrace"]["description"]
