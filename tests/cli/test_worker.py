import signal
import socket
import sqlite3

import httpx2
import pytest

from tests.support.servers import serving

pytestmark = pytest.mark.crash

MEMORY_ONLY = """
from fastapi import FastAPI
from fastapi_taskflow import TaskManager

app = FastAPI()
TaskManager().install(app)
"""

SERVED = """

@app.post("/hold")
async def start_holding() -> str:
    return (await task_manager.enqueue(hold_again)).task_id
"""

TWO_MANAGERS = """
from fastapi import FastAPI
from fastapi_taskflow import QueueConfig, TaskManager

app = FastAPI()
mails = TaskManager(snapshot_db="tasks.db", queues={"mail": QueueConfig()})
images = TaskManager(snapshot_db="images.db", queues={"images": QueueConfig()})
memory = TaskManager()
for manager in (mails, images, memory):
    manager.init_app(app)

@mails.task(persist=True)
def send() -> None: ...

@images.task(persist=True)
def draw() -> None: ...
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

    assert worker.ended() == 0
    assert place.record(task_id).status.value == "interrupted"


def test_an_idle_worker_ends_at_once(place):
    worker = place.worker("--quiet")

    worker.send(signal.SIGTERM)

    assert worker.ended() == 0


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


def test_it_takes_tasks_from_the_named_queues_only(place):
    worker = place.worker("--queues", "mail")
    left = place.enqueue("add", 1, 2)

    taken = place.enqueue("fail", "for mail", queue="mail")

    place.wait_for_state(taken, "failed")
    assert place.record(left).status.value == "pending"
    assert "Queues: mail\n" in worker.log
    place.worker("main:app", "--queues", "mail, default")
    place.wait_for_state(left, "success")


def test_what_a_dead_worker_left_waits_for_those_who_serve_its_queue(place):
    first = place.worker()
    task_id = place.enqueue("hold_again", requeue=True)
    place.wait_for_file("held")
    second = place.worker("--queues", "mail")

    first.process.kill()
    second.wait_for("Recovered 1 tasks")

    assert place.wait_for_state(task_id, "pending").instance is not None
    (place.folder / "released").touch()
    place.worker("--queues", "default")
    place.wait_for_state(task_id, "success")


@pytest.mark.parametrize(
    ("queues", "words"),
    [
        ("mial", "No queue is named 'mial'. Did you mean 'mail'?"),
        ("default,letters", "No queue is named 'letters'. The app's queues: default, mail."),
        (" ,", "Name at least one queue. The app's queues: default, mail."),
    ],
)
def test_an_unknown_queue_is_wrong_usage(place, queues, words):
    ended = place.run("worker", "--queues", queues)

    assert ended.code == 2
    assert words in " ".join(ended.err.replace("│", " ").split())


def test_it_runs_no_more_at_a_time_than_it_may(place):
    worker = place.worker("--concurrency", "1")
    first, second = place.enqueue("hold"), place.enqueue("hold")
    place.wait_for_file("held")

    assert sorted(place.record(each).status.value for each in (first, second)) == [
        "pending",
        "running",
    ]
    (place.folder / "released").touch()
    place.wait_for_state(first, "success")
    place.wait_for_state(second, "success")
    assert place.run("worker", "--concurrency", "0").code == 2
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def test_it_shares_the_work_with_the_app_that_is_served(place):
    with serving((place.folder / "main.py").read_text() + SERVED, place.folder) as server:
        task_id = httpx2.post(server.url + "/hold").json()
        started_by = place.wait_for_state(task_id, "running").instance
        place.worker()
        queued = place.enqueue("add", 1, 2)
        place.wait_for_state(queued, "success")

        server.send(signal.SIGKILL)
        server.process.wait()
        (place.folder / "released").touch()

        record = place.wait_for_state(task_id, "success")
        assert record.instance != started_by


def test_all_managers_of_the_app_take_part(place):
    (place.folder / "main.py").write_text(TWO_MANAGERS)
    worker = place.worker("--queues", "mail")
    worker.wait_for(r"(?s)is ready.*is ready")

    task_id = place.enqueue("send", queue="mail")

    place.wait_for_state(task_id, "success")
    assert "Queues: mail\n" in worker.log
    assert "Queues: none of this TaskManager's" in worker.log


def test_a_port_says_whether_it_lives_and_is_ready(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    worker = place.worker("main:app", "--health-port", str(port))
    worker.wait_for("is ready")

    def status(path: str, method: str = "GET") -> int:
        return httpx2.request(method, f"http://127.0.0.1:{port}{path}").status_code

    assert [status("/live"), status("/ready"), status("/other")] == [200, 200, 404]
    assert status("/ready", "POST") == 405

    # What it answers while a task keeps it from ending.
    place.enqueue("hold")
    place.wait_for_file("held")
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("Stopping")
    assert [status("/live"), status("/ready")] == [200, 503]
    (place.folder / "released").touch()
    assert worker.process.wait(60) == 0
