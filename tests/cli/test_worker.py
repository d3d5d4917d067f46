import signal
import sqlite3

import pytest

pytestmark = pytest.mark.crash

MEMORY_ONLY = """
from fastapi import FastAPI
from fastapi_taskflow import TaskManager

app = FastAPI()
TaskManager().install(app)
"""


def test_it_runs_what_another_process_has_stored(place):
    worker = place.worker()

    task_id = place.enqueue("add", 1, 2)

    record = place.wait_for_state(task_id, "success")
    assert record.logs[0].endswith("1 + 2 = 3")
    worker.wait_for(f"Task {task_id} add: success")
    assert "Functions: add, fail, hold, hold_again, plain" in worker.log
    assert "Queues: default, mail" in worker.log


def test_what_a_killed_worker_ran_is_recovered_by_another(place):
    first = place.worker()
    task_id = place.enqueue("hold_again", requeue=True)
    assert place.wait_for_file("held") == str(first.process.pid)
    second = place.worker("main:app")
    started_by = place.record(task_id).instance

    first.process.kill()
    second.wait_for(f"Task {task_id} hold_again: running")
    (place.folder / "released").touch()

    record = place.wait_for_state(task_id, "success")
    assert record.instance != started_by
    assert "is dead; recovering its tasks" in second.log


def test_what_may_not_run_twice_is_interrupted_when_its_worker_is_killed(place):
    first = place.worker()
    task_id = place.enqueue("hold")
    place.wait_for_file("held")
    place.worker()

    first.process.kill()

    place.wait_for_state(task_id, "interrupted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_tasks_end(place, number):
    worker = place.worker()
    task_id = place.enqueue("hold")
    place.wait_for_file("held")

    worker.send(number)
    worker.wait_for("Draining: 1 tasks run")
    (place.folder / "released").touch()

    assert worker.ended() == 0
    assert place.record(task_id).status.value == "success"
    assert "Worker stopped" in worker.log
    assert "Traceback" not in worker.log
    assert instances(place) == []


def test_a_second_signal_ends_running_tasks_now(place):
    worker = place.worker()
    task_id = place.enqueue("hold")
    place.wait_for_file("held")
    worker.send(signal.SIGTERM)
    worker.wait_for("Draining: 1 tasks run")

    worker.send(signal.SIGTERM)

    assert worker.ended(within=5.0) == 0
    assert place.record(task_id).status.value == "interrupted"


def test_an_idle_worker_ends_at_once(place):
    worker = place.worker("--quiet")

    worker.send(signal.SIGTERM)

    assert worker.ended(within=5.0) == 0


def test_what_the_app_opens_in_its_lifespan_is_there(place):
    (place.folder / "main.py").write_text(
        """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi_taskflow import TaskManager, task_log

opened = []

@asynccontextmanager
async def lifespan(app):
    opened.append("pool")
    yield
    print("closed the pool")

task_manager = TaskManager(snapshot_db="tasks.db")
app = FastAPI(lifespan=lifespan)
task_manager.init_app(app)

@task_manager.task(persist=True)
def use() -> None:
    task_log(f"has {opened}")
"""
    )
    worker = place.worker()
    task_id = place.enqueue("use")

    record = place.wait_for_state(task_id, "success")
    worker.send(signal.SIGTERM)

    assert record.logs[0].endswith("has ['pool']")
    assert worker.ended() == 0
    assert "closed the pool" in worker.log


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("app = 1", "has no FastAPI app"),
        ("import fastapi\napp = fastapi.FastAPI()", "No TaskManager belongs to main:app"),
        (
            MEMORY_ONLY,
            "where no other process finds them",
        ),
    ],
)
def test_an_app_that_cannot_work_is_refused_with_a_reason(place, source, words):
    (place.folder / "main.py").write_text(source)

    ended = place.run("worker")

    assert ended.code == 1
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_without_an_app_it_says_where_it_looked(place):
    (place.folder / "main.py").unlink()

    ended = place.run("worker")

    assert ended.code == 1
    assert "No app was found" in ended.err
    assert place.run("worker", "shop:app").err.startswith("error: There is no module 'shop'")


def test_the_trace_of_an_app_that_fails_is_shown(place):
    (place.folder / "main.py").write_text("import a_module_that_is_not_there")

    ended = place.run("worker")

    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "a_module_that_is_not_there" in ended.err


def instances(place):
    with sqlite3.connect(place.folder / "tasks.db") as connection:
        rows = connection.execute("SELECT * FROM taskflow_instances").fetchall()
    connection.close()
    return rows
