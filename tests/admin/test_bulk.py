"""Routes that retry many tasks at once."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow import QueueConfig, StoreUnavailable, TaskStatus
from fastapi_taskflow.backends.base import InstanceInfo, Lease, NewTask, Outcome
from fastapi_taskflow.rules import codec
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.states import Move


def bulk(desk, *task_ids):
    response = desk.client.post("/tasks/bulk-retry", json={"task_ids": list(task_ids)})
    assert response.status_code == 200, response.text
    return response.json()


def retry_failed(desk, **query):
    response = desk.client.post("/tasks/retry-failed", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def originals(answer):
    return [one["original_task_id"] for one in answer["results"]]


def audit(desk):
    return desk.client.get("/tasks/audit").json()


def failures(desk, number, *, name="succeed", queue="default", age=timedelta(), move=Move.FAIL):
    """Failed tasks that another instance left in the store, oldest first."""
    other = InstanceInfo(
        instance_id=new_id(),
        host="elsewhere",
        pid=1,
        started_at=datetime.now(UTC),
        roles=frozenset({"execute"}),
        ttl=60.0,
    )
    payload = codec.encode((), {}, desk.manager.registry.types)
    tasks = [
        NewTask(new_id(), name, payload, queue, datetime.now(UTC) - age, owner=other.instance_id)
        for _ in range(number)
    ]
    leases = [Lease(task.task_id, 1) for task in tasks]
    desk.call(desk.store.enlist, other)
    desk.call(desk.store.insert, [tasks])
    desk.call(desk.store.start, leases)
    desk.call(desk.store.finish, [Outcome(lease, move, error="no") for lease in leases])
    return [task.task_id for task in tasks]


# By id


def test_tasks_are_retried_in_the_order_given(desk):
    first, second = failures(desk, 2)

    answer = bulk(desk, second, first)

    assert (answer["dispatched"], answer["skipped"], answer["refusals"]) == (2, 0, [])
    assert originals(answer) == [second, first]
    assert answer["cursor"] is None
    for one in answer["results"]:
        new = desk.reached(one["new_task_id"], TaskStatus.SUCCESS)
        assert new.retry_of == one["original_task_id"]


def test_what_cannot_be_retried_is_skipped_with_its_reason(desk):
    failed, retried = failures(desk, 2)
    (strange,) = failures(desk, 1, name="gone")
    done = desk.ended(desk.succeed).task_id
    first = desk.client.post(f"/tasks/{retried}/retry").json()["task_id"]

    answer = bulk(desk, "nothing", done, retried, strange, failed, failed)

    reasons = {one["task_id"]: one["reason"] for one in answer["refusals"]}
    assert (answer["dispatched"], answer["skipped"], originals(answer)) == (1, 4, [failed])
    assert set(reasons) == {"nothing", done, retried, strange}
    assert reasons["nothing"] == "Task not found"
    assert "success" in reasons[done]
    assert first in reasons[retried]
    assert "'gone' is not registered" in reasons[strange]


def test_what_was_ordered_again_is_left_alone(desk):
    calls = []

    async def charge():
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("bank is closed")

    func = desk.manager.task(name="charge", persist=True)(charge)
    failed = desk.ended(func, idempotency_key="order-1").task_id
    heir = desk.ended(func, idempotency_key="order-1").task_id

    retried = desk.client.post(f"/tasks/{failed}/retry")
    again = desk.client.post(f"/tasks/{failed}/run-again", json={"arguments": {}})
    answer = bulk(desk, failed)

    assert (retried.status_code, retried.json()["task_id"]) == (409, heir)
    assert f"belongs to task {heir}, which succeeded" in retried.json()["detail"]
    assert (again.status_code, again.json()["task_id"]) == (409, heir)
    assert (answer["dispatched"], answer["refusals"]) == (
        0,
        [{"task_id": failed, "reason": retried.json()["detail"]}],
    )
    assert retry_failed(desk)["dispatched"] == 0
    assert audit(desk) == []
    assert len(calls) == 2


def test_a_second_call_retries_nothing_and_is_not_audited(desk):
    (failed,) = failures(desk, 1)

    answers = [bulk(desk, failed), bulk(desk, failed), bulk(desk)]

    assert [(one["dispatched"], one["skipped"]) for one in answers] == [(1, 0), (0, 1), (0, 0)]
    assert [entry["action"] for entry in audit(desk)] == ["bulk_retry"]


def test_one_entry_in_the_audit_has_the_counts(desk):
    bulk(desk, *failures(desk, 3), "nothing")

    (entry,) = audit(desk)

    assert (entry["action"], entry["task_id"]) == ("bulk_retry", "bulk-retry")
    assert entry["detail"] == {"dispatched": 3, "skipped": 1}


def test_a_thousand_are_retried_at_once_in_few_transactions(memory_desk, monkeypatch):
    desk, calls = memory_desk, []
    failed = failures(desk, 1_000)
    insert = desk.store.insert

    async def counted(groups, *args, **kwargs):
        calls.append(len(groups))
        return await insert(groups, *args, **kwargs)

    monkeypatch.setattr(desk.store, "insert", counted)
    answer = bulk(desk, *failed)

    assert (answer["dispatched"], originals(answer)) == (1_000, failed)
    assert sum(calls) == 1_000
    assert len(calls) <= 30


def test_a_full_queue_is_told_once_and_keeps_one_record(open_desk, store):
    desk = open_desk(store, queues={"small": QueueConfig(max_size=1)})
    failed = failures(desk, 4, queue="small")
    desk.client.post("/tasks/queues/small/pause")

    answer = bulk(desk, *failed)

    assert (answer["dispatched"], answer["skipped"]) == (1, 3)
    assert all("'small' is full" in one["reason"] for one in answer["refusals"])
    assert desk.client.get("/tasks/metrics").json()["rejected"] == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"task_ids": null}',
        '{"task_ids": "x"}',
        '{"task_ids": [1]}',
        '{"task_ids": [""]}',
        '{"task_ids": ["\\u0000"]}',
        '{"task_ids": ["\\ud800"]}',
        '{"task_ids": ["' + "x" * 65 + '"]}',
        '{"task_ids": [' + ",".join(['"x"'] * 1_001) + "]}",
        '{"task_ids": [], "all": true}',
        "{",
    ],
)
def test_bad_bodies_are_refused(memory_desk, body):
    response = memory_desk.client.post(
        "/tasks/bulk-retry", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 422, response.text


def test_the_largest_allowed_body_passes_and_a_larger_one_does_not(memory_desk):
    longest = [f"{number:064}" for number in range(1_000)]

    answer = bulk(memory_desk, *longest)
    larger = memory_desk.client.post("/tasks/bulk-retry", json={"task_ids": ["x" * 140_000]})

    assert answer["skipped"] == len(answer["refusals"]) == 1_000
    assert larger.status_code == 413


def test_a_store_that_stops_to_answer_is_told_as_such(memory_desk, monkeypatch):
    failed = failures(memory_desk, 3)

    async def gone(*args, **kwargs):
        raise StoreUnavailable("The store is gone")

    monkeypatch.setattr(memory_desk.store, "get", gone)
    response = memory_desk.client.post("/tasks/bulk-retry", json={"task_ids": failed})

    assert response.status_code == 503
    assert "gone" in response.json()["detail"]


# What failed


def test_failed_tasks_are_retried_newest_first_and_no_others(desk):
    failed = failures(desk, 3)
    desk.client.post(f"/tasks/{desk.add(desk.stand, delay=60.0)}/cancel")
    desk.ended(desk.succeed)

    answer = retry_failed(desk)

    assert (answer["dispatched"], answer["skipped"], answer["cursor"]) == (3, 0, None)
    assert originals(answer) == failed[::-1]


def test_a_second_call_finds_them_retried(desk):
    failures(desk, 2)

    first, second = retry_failed(desk), retry_failed(desk)

    assert (first["dispatched"], second["dispatched"], second["skipped"]) == (2, 0, 2)
    assert all("already retried" in one["reason"] for one in second["refusals"])


def test_one_function_only(desk):
    wanted = failures(desk, 2)
    failures(desk, 2, name="fail")

    answer = retry_failed(desk, func_name="succeed", since="all")

    assert sorted(originals(answer)) == sorted(wanted)
    assert audit(desk)[0]["task_id"] == "retry-failed"
    assert audit(desk)[0]["detail"] == {
        "dispatched": 2,
        "skipped": 0,
        "since": None,
        "func_name": "succeed",
    }


def test_only_those_that_were_added_since(desk):
    (early,) = failures(desk, 1)
    since = datetime.now(UTC)
    (late,) = failures(desk, 1)

    exact = retry_failed(desk, since=since.isoformat())
    span = retry_failed(desk, since="6h")

    assert originals(exact) == [late]
    assert originals(span) == [early]


def test_more_than_a_thousand_take_another_call(memory_desk):
    failed = failures(memory_desk, 1_050)

    first = retry_failed(memory_desk)
    second = retry_failed(memory_desk, cursor=first["cursor"])

    assert (first["dispatched"], second["dispatched"]) == (1_000, 50)
    assert second["cursor"] is None
    assert originals(first) + originals(second) == failed[::-1]


@pytest.mark.parametrize(
    "query",
    ["func_name=", "since=", "status=running", "cursor=x", "since=6h&since=7h", "q=x"],
)
def test_bad_queries_retry_nothing(desk, query):
    failures(desk, 1)

    response = desk.client.post(f"/tasks/retry-failed?{query}")

    assert response.status_code == 422, response.text
    assert audit(desk) == []


def test_a_read_only_admin_retries_nothing(open_desk):
    desk = open_desk(read_only=True)
    (failed,) = failures(desk, 1)

    answers = [
        desk.client.post("/tasks/bulk-retry", json={"task_ids": [failed]}),
        desk.client.post("/tasks/retry-failed"),
    ]

    assert [one.status_code for one in answers] == [403, 403]
    assert desk.client.get(f"/tasks/{failed}").json()["retried_as"] is None


@pytest.mark.parametrize("since", ["yesterday", "6", "6y", "ALL", "-1h", "99999-01-01"])
def test_a_time_that_is_none_retries_nothing(desk, since):
    failures(desk, 1)

    response = desk.client.post("/tasks/retry-failed", params={"since": since})

    assert response.status_code == 400
    assert response.json()["detail"].startswith("since takes 'all' or a time. Expected an ISO")
    assert audit(desk) == []


def test_without_a_time_it_is_the_last_six_hours(desk):
    old = failures(desk, 1, age=timedelta(hours=7))
    new = failures(desk, 1, age=timedelta(hours=5))

    assert originals(retry_failed(desk)) == new
    assert originals(retry_failed(desk, since="all")) == old


def test_interrupted_tasks_are_retried_too_and_cancelled_ones_not(desk):
    interrupted = failures(desk, 1, move=Move.INTERRUPT)
    desk.client.post(f"/tasks/{desk.add(desk.stand, delay=60.0)}/cancel")

    assert originals(retry_failed(desk)) == interrupted
