"""What the guides' examples do: the checking that the pages leave out."""

import importlib
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from fastapi_taskflow.testing import drain
from tests.support.pages import DOCS, paste


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """Gives what a page leaves behind, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda name: SimpleNamespace(**paste(DOCS / f"{name}.md", tmp_path))


def test_getting_started(guide):
    page = guide("getting-started")
    with TestClient(page.app) as client:
        task = client.post("/remind", params={"address": "ada@example.com"}).json()["task"]

        assert client.get(f"/tasks/{task}").json()["tags"] == {"kind": "reminder"}


def test_functions_run_where_the_guide_says(guide):
    page = guide("guides/tasks")
    with TestClient(page.app) as client:
        ids = client.post("/customers/7").json()

        executors = [client.get(f"/tasks/{task_id}").json()["executor"] for task_id in ids]
    assert executors == ["async", "thread"]


def test_a_task_logs_its_attempts(guide):
    page = guide("guides/tasks")
    with TestClient(page.app) as client:
        task_id = client.post("/articles/1/publish").json()
        drain(page.task_manager, delayed=True, timeout=60)
        task = client.get(f"/tasks/{task_id}").json()

    assert task["status"] == "success"
    assert [line[20:] for line in task["logs"] if not line.startswith("---")] == [
        "attempt 1 for ada",
        "the first attempt fails",
        "attempt 2 for ada",
    ]
    assert "--- Retry 1 ---" in task["logs"]


def test_a_parameter_named_like_an_option_reaches_its_function(guide, capsys):
    page = guide("guides/tasks")
    with TestClient(page.app) as client:
        client.post("/deliver")
        drain(page.task_manager, timeout=60)

    assert "7 goes express" in capsys.readouterr().out


def test_each_promise_is_kept_by_whom_the_guide_says(guide):
    page = guide("guides/durability")
    with TestClient(page.app) as client:
        ids = client.post("/order").json()

        durable = [client.get(f"/tasks/{task_id}").json()["durable"] for task_id in ids]
    assert durable == [False, True, True]


def test_a_full_queue_is_429_and_the_urgent_goes_first(guide):
    page = guide("guides/queues")
    with TestClient(page.app) as client:
        client.post("/tasks/queues/images/pause").raise_for_status()
        client.post("/images/waiting")
        client.post("/images/urgent", params={"front": True})
        full = client.post("/images/too-many")
        changed = client.patch("/tasks/queues/images", json={"concurrency": 1}).json()
        client.post("/tasks/queues/images/resume")
        drain(page.task_manager, timeout=60)
        tasks = client.get("/tasks", params={"status": "success"}).json()

    assert (full.status_code, full.headers["Retry-After"]) == (429, "1")
    assert changed["concurrency"] == 1
    first, second = sorted(tasks, key=lambda task: task["start_time"])
    assert (first["priority"], second["priority"]) == (10, None)


def test_a_thread_that_looks_can_be_cancelled(guide):
    page = guide("guides/stopping")
    with TestClient(page.app) as client:
        task_id = client.post("/count").json()
        answer = client.post(f"/tasks/{task_id}/cancel")
        drain(page.task_manager, timeout=60)

        assert answer.status_code in (200, 202)
        assert client.get(f"/tasks/{task_id}").json()["status"] == "cancelled"


def test_who_pays_twice_pays_once(guide, capsys):
    page = guide("guides/idempotency")
    with TestClient(page.app) as client:
        key = {"Idempotency-Key": "b7e1"}
        once, twice, other = (
            client.post("/orders/1/pay", params={"cents": cents}, headers=key)
            for cents in (500, 500, 900)
        )
        bills = [client.portal.call(page.bill, 2, 700) for _ in range(2)]
        drain(page.task_manager, timeout=60)

    assert once.json() == twice.json()
    assert other.status_code == 409
    assert bills[1] == "already billed"
    assert capsys.readouterr().out.count("charging 500 for 1") == 1


def test_a_dependency_of_the_app_guards_the_routes(guide):
    page = guide("guides/http-api")
    with TestClient(page.app) as client:
        assert client.get("/admin/tasks").status_code == 403
        assert client.get("/admin/tasks", headers={"X-Token": "let me in"}).status_code == 200


def test_an_order_is_committed_before_its_task_runs(guide, capsys):
    page = guide("guides/database-sessions")
    with TestClient(page.app) as client:
        order_id = client.post("/orders", params={"email": "ada@example.com"}).json()
        drain(page.task_manager, timeout=60)

    with page.Session(page.engine) as session:
        assert session.get_one(page.Order, order_id).confirmed
    page.engine.dispose()
    assert capsys.readouterr().out == "mail to ada@example.com\n"


def test_a_readiness_route_asks_the_manager(guide):
    page = guide("guides/docker")
    with TestClient(page.app) as client:
        assert client.get("/ready").json() == {"ready": True}


def test_stock_endpoints_are_managed(guide):
    page = guide("guides/from-background-tasks")
    with TestClient(page.app) as client:
        client.post("/signup", params={"address": "ada@example.com"})

        (task,) = client.get("/tasks").json()
    assert (task["func_name"], task["status"]) == ("send_email", "success")


def test_an_executor_of_ones_own_runs_a_task(guide, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    guide("guides/executors")
    page = importlib.import_module("pictures")
    with TestClient(page.app) as client:
        task_id = client.post("/pictures/ada.jpg").json()
        drain(page.task_manager, timeout=60)
        task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["executor"]) == ("success", "child")
    assert [line[20:] for line in task["logs"]] == ["ada.jpg in a process of its own"]


@pytest.mark.slow
def test_a_task_runs_in_a_child_process(guide, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    guide("guides/processes")
    page = importlib.import_module("rendering")
    with TestClient(page.app) as client:
        task_id = client.post("/pictures/cat").json()
        drain(page.task_manager, timeout=60)
        task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["executor"]) == ("success", "process")
    assert [line[20:] for line in task["logs"]] == ["cat in 800 px", "so are lines of logging"]


@pytest.mark.slow
def test_a_picture_that_is_too_large_fails_for_its_limit(guide, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    guide("guides/memory-limits")
    page = importlib.import_module("enlarging")
    with TestClient(page.app) as client:
        ids = [client.post("/pictures", params={"width": 30_000, "height": 30_000}).json()]
        ids.append(client.post("/pictures", params={"width": 300, "height": 300}).json())
        drain(page.task_manager, timeout=60)
        large, small = (client.get(f"/tasks/{task_id}").json() for task_id in ids)

    assert (large["status"], small["status"]) == ("failed", "success")
    assert (large["retries_used"], large["error"]) == (
        0,
        "MemoryError (its memory_limit is 512 MB)",
    )
    assert "bytearray(3 * width * height)" in large["stacktrace"]


def test_a_task_says_how_far_it_is(guide):
    page = guide("guides/progress")
    with TestClient(page.app) as client:
        task_id = client.post("/imports", json=["a", "b"]).json()
        drain(page.task_manager, timeout=60)
        progress = client.get(f"/tasks/{task_id}").json()["progress"]

    assert progress == {"done": 2, "total": 2, "message": "row b"}


def test_schedules_are_made_changed_and_run(guide, capsys):
    page = guide("guides/schedules")
    with TestClient(page.app) as client:
        key = client.post("/trials", params={"customer": 7}).json()
        client.portal.call(page.on_demand)
        (date,) = client.portal.call(page.task_manager.list_scheduled)
        drain(page.task_manager, timeout=60)

    assert (key, date.run_key, date.args) == ("trial:7", "trial:7", (7,))
    out = capsys.readouterr().out
    assert "hourly Every hour" in out
    assert "weekdays At 06:00 on Monday through Friday (Europe/Berlin)" in out
    assert "the long report" in out


def test_whoever_has_the_id_waits_for_the_result(guide):
    page = guide("guides/results")
    with TestClient(page.app) as client:
        task_id = client.post("/counts", params={"text": "to be or not to be"}).json()

        assert client.get(f"/counts/{task_id}").json() == {"to": 2, "be": 2, "or": 1, "not": 1}
        assert client.get("/counts/nobody").status_code == 404


def test_an_order_and_its_task_are_one_transaction(guide):
    page = guide("guides/transactions")
    with TestClient(page.app) as client:
        order = client.post("/orders", params={"email": "ada@example.com"}).json()
        drain(page.task_manager, timeout=60)
    with page.Session(page.engine) as session:
        shipped = session.get_one(page.Order, order).shipped
    page.engine.dispose()

    assert shipped


def test_an_import_reports_once_when_all_rows_are_done(guide, capsys):
    page = guide("guides/batches")
    with TestClient(page.app) as client:
        batch_id = client.post("/imports?rows=15").json()
        last = client.portal.call(page.begin, "https://example.com")
        drain(page.task_manager, delayed=True, timeout=60)

        assert client.get(f"/imports/{batch_id}").json() == {"done": 15, "of": 15}
        assert client.get(f"/tasks/{last}").json()["status"] == "success"
        client.portal.call(page.remind, [1, 2])
    assert sorted(capsys.readouterr().out.splitlines()) == ["14 of 15 rows", "what https"]
