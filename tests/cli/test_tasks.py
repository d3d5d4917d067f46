import asyncio
import signal
import sqlite3

import pytest

from fastapi_taskflow import TaskManager
from fastapi_taskflow.testing import async_drain


@pytest.fixture
def failed(place):
    """A failed task of the queue ``mail`` and one that succeeded."""
    failed = place.enqueue("fail", "no such host\x1b[31m", queue="mail", tags={"to": "ada"})
    done = place.enqueue("add", 1, 2)
    worker = place.worker()
    place.wait_for_state(failed, "failed")
    place.wait_for_state(done, "success")
    worker.send(signal.SIGTERM)
    worker.ended()
    return failed


@pytest.mark.quick
def test_tasks_are_listed_newest_first_and_filtered(place, failed):
    listed = place.run("tasks", "list", "--json")
    filtered = place.run("tasks", "list", "--status", "failed", "--tag", "to:ada", "--json")

    assert listed.code == 0
    assert [task["func_name"] for task in listed.json["tasks"]] == ["add", "fail"]
    assert (listed.json["total"], listed.json["total_is_capped"]) == (2, False)
    assert [task["task_id"] for task in filtered.json["tasks"]] == [failed]


def test_pages_follow_one_another(place, failed):
    first = place.run("tasks", "list", "--limit", "1", "--json").json
    second = place.run(
        "tasks", "list", "--limit", "1", "--cursor", first["next_cursor"], "--json"
    ).json

    assert first["tasks"][0]["task_id"] != second["tasks"][0]["task_id"] == failed
    assert second["next_cursor"] is None


def test_people_get_one_plain_line_for_each_task(place, failed):
    ended = place.run("tasks", "list")

    head, add, fail = ended.out.splitlines()
    assert head.split() == ["ID", "STATUS", "FUNCTION", "AGE", "TOOK", "QUEUE", "ERROR"]
    assert add.split()[1:3] == ["success", "add"]
    assert fail.split()[:3] == [failed, "failed", "fail"]
    assert fail.endswith("no such host")
    assert "\x1b" not in ended.out


@pytest.mark.quick
def test_a_task_is_shown_with_attempts_log_and_arguments(place, failed):
    shown = place.run("tasks", "show", failed, "--args")
    detail = place.run("tasks", "show", failed, "--args", "--json").json
    kept = place.run("tasks", "show", failed, "--json").json

    assert shown.code == 0
    assert "\x1b" not in shown.out
    for words in ("Status     failed", "Earlier attempts", "--- Retry 1 ---", "ValueError"):
        assert words in shown.out
    assert detail["args"] == [repr("no such host\x1b[31m")]
    assert [attempt["outcome"] for attempt in detail["attempts"]] == ["retry"]
    assert kept["args"] is None


@pytest.mark.quick
def test_the_log_of_a_task_is_shown_with_levels(place, failed):
    task_id = place.run("tasks", "list", "--search", "add", "--json").json["tasks"][0]["task_id"]

    shown = place.run("tasks", "logs", task_id)
    grave = place.run("tasks", "logs", task_id, "--level", "warning")
    marks = place.run("tasks", "logs", failed, "--level", "ERROR", "--json").json

    assert shown.code == 0
    assert shown.out[19:] == " INFO     1 + 2 = 3\n"
    assert grave.out == "No lines.\n"
    assert [(one["level"], one["message"]) for one in marks] == [(None, "--- Retry 1 ---")]


@pytest.mark.quick
def test_a_waiting_task_is_cancelled_and_an_ended_one_refused(place, failed):
    waiting = place.enqueue("add", 3, 4)

    ended = place.run("tasks", "cancel", waiting, failed, "--json")

    assert ended.code == 1
    cancelled, refused = ended.json
    assert (cancelled["result"], cancelled["task"]["status"]) == ("cancelled", "cancelled")
    assert refused["result"] == "refused"
    assert "only pending and running" in refused["error"]
    assert place.record(waiting).status.value == "cancelled"


def test_a_running_task_is_asked_to_stop(place):
    place.worker()
    task_id = place.enqueue("hold")
    place.wait_for_file("held")

    ended = place.run("tasks", "cancel", task_id)

    assert (ended.code, ended.out) == (0, f"{task_id}  runs, and was asked to stop\n")
    place.wait_for_state(task_id, "cancelled")


def test_a_retry_waits_for_a_process_that_runs_tasks(place, failed):
    ended = place.run("tasks", "retry", failed, "--json", store=None)
    again = place.run("tasks", "retry", failed, store=None)

    assert ended.code == 0
    (result,) = ended.json
    assert result["task"]["retry_of"] == failed
    assert place.record(result["new_task_id"]).status.value == "pending"
    assert again.code == 1
    assert "already retried" in again.out


def test_a_task_that_was_ordered_again_is_not_retried(place):
    async def failed():
        tasks = TaskManager(snapshot_db=place.folder / "tasks.db")

        @tasks.task(name="fail", persist=True)
        def fail(text):
            raise ValueError(text)

        async with tasks:
            ordered = await tasks.enqueue(fail, "no", idempotency_key="order-1")
            await async_drain(tasks)
        return ordered.task_id

    first = asyncio.run(failed())
    heir = place.enqueue("fail", "no", idempotency_key="order-1")

    ended = place.run("tasks", "retry", first, store=None)

    assert ended.code == 1
    assert f"now belongs to task {heir}, which waits" in " ".join(ended.out.split())
    assert place.record(first).retried_as is None
    assert audit(place) == []


@pytest.mark.quick
def test_all_that_failed_are_retried_once(place, failed):
    place.enqueue("add", 1, 2)

    chosen = place.run("tasks", "retry", "--failed", "--func-name", "add", "--json")
    first = place.run("tasks", "retry", "--failed", "--since", "1h", "--json")
    second = place.run("tasks", "retry", "--failed")

    assert (chosen.code, chosen.json) == (0, [])
    assert [result["task_id"] for result in first.json] == [failed]
    assert place.record(failed).retried_as == first.json[0]["new_task_id"]
    assert (second.code, second.out) == (0, "No tasks.\n")


@pytest.mark.parametrize(
    "arguments", [(), ("some-id", "--failed"), ("some-id", "--since", "1h")], ids=" ".join
)
def test_what_to_retry_is_said_in_one_way(place, arguments):
    ended = place.run("tasks", "retry", *arguments)

    assert ended.code == 2
    assert "Give ids of tasks, or --failed" in ended.err


def test_a_task_that_is_not_durable_is_not_retried_here(place):
    task_id = place.enqueue("plain")
    worker = place.worker()
    place.wait_for_state(task_id, "failed")
    worker.send(signal.SIGTERM)
    worker.ended()

    ended = place.run("tasks", "retry", task_id, "--app", "main:app")

    assert ended.code == 1
    assert "is not durable" in ended.out
    assert place.record(task_id).retried_as is None


def test_what_an_operator_did_is_in_the_audit(place, failed):
    place.run("tasks", "retry", failed)

    ((action, task_id, actor),) = audit(place)
    assert (action, task_id) == ("retry", failed)
    assert actor.startswith("cli")


def audit(place):
    connection = sqlite3.connect(place.folder / "tasks.db")
    try:
        return connection.execute("SELECT action, task_id, actor FROM taskflow_audit").fetchall()
    finally:
        connection.close()


def test_what_is_encrypted_is_not_shown(place):
    key = "a secret of sixteen bytes or more"
    source = (place.folder / "main.py").read_text()
    (place.folder / "main.py").write_text(
        source.replace(
            'snapshot_db="tasks.db"', f'snapshot_db="tasks.db", encrypt_args_key="{key}"'
        )
    )
    worker = place.worker()
    task_id = place.enqueue("fail", "canary", queue="mail", key=key)
    place.wait_for_state(task_id, "failed")
    worker.send(signal.SIGTERM)
    worker.ended()

    shown = place.run("tasks", "show", task_id, "--args")
    listed = place.run("tasks", "list", "--json")

    assert shown.code == 0
    assert "not readable without the app" in shown.out
    assert "canary" not in shown.out + listed.out
    assert "tfe1" not in shown.out + listed.out
