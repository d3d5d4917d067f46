"""GET routes: the list with its filters and pages, one task, metrics, queues."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow import Backend, TaskStatus
from fastapi_taskflow.admin.api.schemas import TaskInfo
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.words.ids import new_id


def ids(response):
    assert response.status_code == 200, response.text
    return [task["task_id"] for task in response.json()]


def waiting(count: int, **fields) -> list[NewTask]:
    """Tasks of a function that nobody has, so they stay as they are."""
    values = {"func_name": "stays", "payload": None, "queue": "default", **fields}
    return [NewTask(task_id=new_id(), created_at=datetime.now(UTC), **values) for _ in range(count)]


def next_page(response):
    link = response.headers.get("link")
    if link is None:
        return None
    url, _, relation = link.partition(">; ")
    assert relation == 'rel="next"'
    return url.removeprefix("<")


def test_a_task_is_listed_as_its_record_says(desk):
    record = desk.ended(desk.fail, 1, tags={"order": "7"}, priority=3)

    (listed,) = desk.client.get("/tasks").json()

    assert listed == record.to_dict()
    assert list(listed) == list(record.to_dict())
    assert "ConnectionError: no answer" in listed["stacktrace"]
    assert listed["created_at"].endswith("+00:00")


def test_a_brief_list_leaves_logs_and_stack_traces_out(desk):
    record = desk.ended(desk.tell, "text")

    (listed,) = desk.client.get("/tasks?brief=true").json()

    assert record.logs
    assert listed == {**record.to_dict(), "logs": [], "stacktrace": None}


def test_a_list_shows_what_a_running_task_has_said(desk):
    task_id = desk.running(desk.refuse)
    desk.client.post(f"/tasks/{task_id}/cancel")
    desk.logged(task_id, "not yet")

    (listed,) = desk.client.get("/tasks").json()

    assert listed["logs"][0].endswith(" not yet")


def test_a_heavy_page_ends_early_and_its_link_goes_on(desk):
    logged = ["x" * 16_000] * 15
    added = [desk.ended(desk.chat, *logged).task_id for _ in range(25)]

    seen, url = [], "/tasks?limit=1000"
    while url is not None:
        page = desk.client.get(url)
        assert len(page.content) <= 4 * 2**20
        assert page.headers["x-total-count"] == "25"
        assert all(len(task["logs"]) == 15 for task in page.json())
        seen.append(ids(page))
        url = next_page(page)

    assert len(seen) == 2
    assert [each for page in seen for each in page] == added[::-1]


def test_lists_hold_no_arguments_and_need_not_read_them(desk):
    unreadable = waiting(1, payload=b"no payload of ours")
    desk.call(desk.store.insert, [unreadable])

    (listed,) = desk.client.get("/tasks").json()

    assert listed["task_id"] == unreadable[0].task_id
    assert {"args", "kwargs", "encrypted_payload"}.isdisjoint(listed)


def test_the_model_of_a_task_has_the_fields_of_to_dict(memory_desk):
    record = memory_desk.ended(memory_desk.succeed)

    assert list(TaskInfo.model_fields) == list(record.to_dict())


def test_the_newest_come_first_and_a_page_has_its_limit(desk):
    added = [desk.add(desk.succeed, number) for number in range(5)]

    assert ids(desk.client.get("/tasks")) == added[::-1]
    assert ids(desk.client.get("/tasks?limit=2")) == added[:2:-1]


def test_each_filter_leaves_the_tasks_that_match(desk):
    good = desk.ended(desk.succeed, queue="mail", tags={"order": "7:8", "plan": "pro"}).task_id
    bad = desk.ended(desk.fail, tags={"order": "7"}).task_id
    live = desk.running(desk.stand)
    expected = {
        "status=failed": [bad],
        "status=failed&status=running": [live, bad],
        "func_name=fail": [bad],
        "func_name=fai": [],
        "queue=mail": [good],
        "tag=order:7": [bad],
        "tag=order:7:8": [good],
        "tag=order:": [],
        "q=fai": [bad],
        f"q={good}": [good],
        "q=pro": [good],
        "q=answer": [bad],
        "source=manual": [live, bad, good],
        "source=scheduled": [],
        "since=1h": [live, bad, good],
        "until=1h": [],
        "since=2000-01-01": [live, bad, good],
        "until=2000-01-01T00:00:00": [],
        "status=failed&queue=mail": [],
    }

    found = {filters: ids(desk.client.get(f"/tasks?{filters}")) for filters in expected}

    assert found == expected


@pytest.mark.parametrize("written", ["{}Z", "{}", "{}%2B00:00", "{}+00:00"])
def test_an_instant_without_offset_is_utc_and_a_lost_plus_is_found(memory_desk, written):
    record = memory_desk.ended(memory_desk.succeed)
    later = record.created_at + timedelta(microseconds=1)
    moments = [
        written.format(at.replace(tzinfo=None).isoformat()) for at in (record.created_at, later)
    ]

    found = [ids(memory_desk.client.get(f"/tasks?since={moment}")) for moment in moments]

    assert found == [[record.task_id], []]


def test_a_walk_over_2500_tasks_shows_each_once_while_others_arrive(desk):
    made = []
    for _ in range(5):
        group = waiting(500)
        desk.call(desk.store.insert, [group])
        made += [task.task_id for task in group]

    seen = []
    url = "/tasks?limit=400&func_name=stays"
    while url is not None:
        page = desk.client.get(url)
        seen += ids(page)
        url = next_page(page)
        desk.call(desk.store.insert, [waiting(3)])

    assert seen == made[::-1]


@pytest.mark.parametrize(("present", "total"), [(0, "0"), (3, "3")])
def test_the_total_is_told_beside_the_page(desk, present, total):
    if present:
        desk.call(desk.store.insert, [waiting(present)])

    responses = [desk.client.get(url) for url in ("/tasks?limit=1", "/tasks?queue=default&limit=1")]

    assert [response.headers["X-Total-Count"] for response in responses] == [total, total]


def test_counting_of_filtered_tasks_stops_at_ten_thousand(memory_desk):
    for size in (10_000, 1):
        memory_desk.call(memory_desk.store.insert, [waiting(size, tags={"a": "b"})])
        filtered = memory_desk.client.get("/tasks?limit=1&tag=a:b").headers["X-Total-Count"]
        everything = memory_desk.client.get("/tasks?limit=1").headers["X-Total-Count"]

    assert (filtered, everything) == ("10000+", "10001")


def test_the_link_keeps_the_filters(memory_desk):
    memory_desk.call(memory_desk.store.insert, [waiting(2, tags={"a b": "ü&c"})])

    url = next_page(memory_desk.client.get("/tasks", params={"limit": 1, "tag": "a b:ü&c"}))

    assert url is not None
    assert len(ids(memory_desk.client.get(url))) == 1
    assert next_page(memory_desk.client.get(url)) is None


def test_tasks_of_a_key_are_listed_and_counted(desk):
    keyed = desk.manager.task(persist=True, key="customer")(bill)
    first, other, last = (desk.ended(keyed, customer).task_id for customer in (7, 8, 7))

    answer = desk.client.get("/tasks?key=bill():7")

    assert ids(answer) == [last, first]
    assert answer.headers["x-total-count"] == "2"
    assert ids(desk.client.get("/tasks?key=bill():8&status=success")) == [other]
    assert ids(desk.client.get("/tasks?key=bill():8&status=failed")) == []


async def bill(customer: int) -> None:
    pass


# One task


def test_a_task_shows_its_log_its_attempts_and_its_arguments(desk):
    task_id = desk.ended(desk.flaky, "a<b", at=datetime(2026, 1, 1, tzinfo=UTC)).task_id

    shown = desk.client.get(f"/tasks/{task_id}").json()

    assert (shown["status"], shown["retries_used"], shown["durable"]) == ("failed", 2, True)
    assert [attempt["number"] for attempt in shown["attempts"]] == [0, 1]
    assert {attempt["outcome"] for attempt in shown["attempts"]} == {"retry"}
    assert {attempt["error"] for attempt in shown["attempts"]} == {"no answer"}
    assert shown["logs"] == ["--- Retry 1 ---", "--- Retry 2 ---"]
    assert "ConnectionError: no answer" in shown["stacktrace"]
    assert shown["args"] == ["'a<b'"]
    assert shown["kwargs"] == {"at": repr(datetime(2026, 1, 1, tzinfo=UTC))}


def test_arguments_are_hidden_unless_they_are_asked_for(open_desk, store):
    desk = open_desk(store)
    task_id = desk.ended(desk.tell, "public", note="s3cret").task_id

    shown = desk.client.get(f"/tasks/{task_id}").json()

    assert {"args", "kwargs"}.isdisjoint(shown)
    assert "s3cret" not in str(shown)


def test_an_argument_is_shown_by_its_attributes_and_never_by_its_own_code(memory_desk):
    class Shy:
        def __init__(self) -> None:
            self.name = "ada"

        def __repr__(self) -> str:
            raise ValueError("no")

    memory_desk.client.post("/tasks/queues/mail/pause")
    task_id = memory_desk.add(memory_desk.succeed, Shy(), "x" * 10_000, queue="mail")

    shy, long = memory_desk.client.get(f"/tasks/{task_id}").json()["args"]

    assert shy == "Shy(name='ada')"
    assert len(long) < 5_000


@pytest.mark.parametrize(
    "make", [int, lambda n: [n], lambda n: {n: n}], ids=["alone", "in a list", "as a key"]
)
def test_a_number_that_python_refuses_to_write_is_shown_by_its_length(desk, make):
    task_id = desk.ended(desk.succeed, make(10**5_000)).task_id

    answer = desk.client.get(f"/tasks/{task_id}")

    assert answer.status_code == 200
    assert "<int of 16610 bits>" in answer.json()["args"][0]


@pytest.mark.parametrize("task_id", ["nothing", "healthy", "%00", "é", "..%5C", "0" * 64])
def test_an_unknown_task_is_not_found(desk, task_id):
    response = desk.client.get(f"/tasks/{task_id}")

    assert (response.status_code, response.json()) == (404, {"detail": "Task not found"})


def test_a_log_is_read_from_a_level_and_a_number_on(desk):
    lines = "begun", "debug:seven tries", "warning:slow", "CRITICAL:no disk"
    task_id = desk.ended(desk.chat, *lines).task_id

    def read(query=""):
        answer = desk.client.get(f"/tasks/{task_id}/logs{query}")
        assert answer.status_code == 200, answer.text
        return [(one["number"], one["level"], one["message"]) for one in answer.json()]

    shown = desk.client.get(f"/tasks/{task_id}").json()
    assert [line[20:] for line in shown["logs"]] == ["begun", "seven tries", "slow", "no disk"]
    assert shown["log_levels"] == ["info", "debug", "warning", "critical"]
    assert read() == [
        (1, "info", "begun"),
        (2, "debug", "seven tries"),
        (3, "warning", "slow"),
        (4, "critical", "no disk"),
    ]
    assert read("?level=warning") == read("?after=2") == read()[2:]
    for wrong in ("?level=loud", "?after=-1", "?more=1"):
        assert desk.client.get(f"/tasks/{task_id}/logs{wrong}").status_code == 422


def test_the_log_of_a_running_task_is_shown(desk):
    task_id = desk.running(desk.refuse)
    desk.client.post(f"/tasks/{task_id}/cancel")

    desk.logged(task_id, "not yet")

    shown = desk.client.get(f"/tasks/{task_id}").json()
    assert (shown["status"], shown["cancel_requested"]) == ("running", True)
    assert shown["logs"][0].endswith(" not yet")


def test_a_task_that_no_instance_can_run_says_so(desk):
    strange, known = waiting(1)[0], waiting(1, func_name="succeed", delay=60.0)[0]
    desk.call(desk.store.insert, [[strange], [known]])

    stranded = [
        desk.client.get(f"/tasks/{task.task_id}").json()["stranded"] for task in (strange, known)
    ]

    assert stranded == [True, False]


# Numbers


def test_metrics_add_up_what_became_of_all_tasks(desk):
    for _ in range(3):
        desk.ended(desk.succeed)
    desk.ended(desk.fail)
    desk.running(desk.stand)

    metrics = desk.client.get("/tasks/metrics").json()
    functions = {each["func_name"]: each for each in metrics.pop("functions")}

    assert metrics.pop("avg_duration_seconds") >= 0
    assert 0 < metrics.pop("p50") <= metrics.pop("p95") <= metrics.pop("p99")
    assert metrics == {
        "series": None,
        "total": 5,
        "success": 3,
        "failed": 1,
        "running": 1,
        "pending": 0,
        "interrupted": 0,
        "cancelled": 0,
        "rejected": 0,
        "success_rate": 0.75,
    }
    assert list(functions) == ["fail", "stand", "succeed"]
    assert functions["succeed"]["success_rate"] == 1.0
    assert functions["fail"]["ended"] == functions["fail"]["failed"] == 1
    assert functions["stand"] == {
        "func_name": "stand",
        "pending": 0,
        "running": 1,
        "ended": 0,
        "success": 0,
        "failed": 0,
        "success_rate": 0.0,
        "avg_duration_seconds": None,
        "p50": None,
        "p95": None,
        "p99": None,
    }


def test_queues_show_their_limits_and_numbers(desk):
    desk.ended(desk.succeed, queue="mail")
    desk.running(desk.stand, queue="mail")
    desk.add(desk.succeed, queue="mail", delay=60.0)

    queues = desk.client.get("/tasks/queues").json()

    assert [queue["name"] for queue in queues] == ["default", "mail"]
    assert queues[1] == {
        "name": "mail",
        "concurrency": 2,
        "max_size": 50,
        "global_concurrency": None,
        "rate_limit": None,
        "paused": False,
        "draining": False,
        "drained": False,
        "pending": 1,
        "running": 1,
        "finished": 1,
        "rejected": 0,
        "waiting_since": None,
        "executors": [{"name": "async", "running": 1, "slots": None}],
    }


def test_no_literal_route_is_taken_for_a_task(memory_desk):
    for path in ("metrics", "queues", "audit", "dashboard"):
        response = memory_desk.client.get(f"/tasks/{path}")
        assert response.status_code == 200, path
        assert "Task not found" not in response.text


def test_a_post_is_seen_by_the_get_after_it(desk):
    for number in range(10):
        task_id = desk.add(desk.succeed, number)

        assert ids(desk.client.get("/tasks?limit=1")) == [task_id]
        assert desk.client.get(f"/tasks/{task_id}").json()["task_id"] == task_id


def test_a_stored_task_is_read_whoever_made_it(desk, store: Backend):
    (task,) = waiting(1, tags={"made": "elsewhere"})
    desk.call(store.insert, [[task]])

    shown = desk.client.get(f"/tasks/{task.task_id}").json()

    assert (shown["status"], shown["tags"]) == (TaskStatus.PENDING.value, {"made": "elsewhere"})
