import fcntl
import json
import os
import sqlite3
import subprocess
import sys

import pytest

from fastapi_taskflow.backends.sqlite.placecheck import wal_reset_fixed
from tests.cli.conftest import wait_until
from tests.support.commands import COMMAND
from tests.support.tools import need


def findings(ended, check):
    return [each for each in ended.json["findings"] if each["check"] == check]


@pytest.mark.quick
def test_a_well_store_has_no_problems(place):
    place.worker()
    task_id = place.enqueue("add", 1, 2)
    place.wait_for_state(task_id, "success")

    ended = place.run("doctor", "--json")

    assert ended.code == 0
    assert ended.json["problems"] == ended.json["warnings"] == 0
    assert {each["check"] for each in ended.json["findings"]} == {
        "sqlite",
        "filesystem",
        "permissions",
        "disk",
        "store",
        "schema",
        "log",
        "pages",
        "integrity",
        "rows",
        "audit",
        "instances",
        "executors",
        "tasks",
        "queues",
        "clock",
    }
    human = place.run("doctor")
    assert human.out.splitlines()[-1] == "All is well."
    assert "\x1b" not in human.out
    assert human.err == ""


def test_tasks_that_nobody_runs_are_found(place):
    place.enqueue("add", 1, 2)

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    (found,) = findings(ended, "tasks")
    assert found["level"] == "problem"
    assert found["detail"] == "1 task waiting, and no live instance runs tasks"
    assert "worker" in found["mend"]


def test_functions_that_no_live_instance_has_are_named(place):
    place.worker()
    place.enqueue("gone_with_the_last_release")

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    (found,) = findings(ended, "tasks")
    assert "'gone_with_the_last_release'" in found["detail"]


def test_the_slots_of_all_instances_are_told(place):
    place.worker("--concurrency", "1")
    place.worker("--concurrency", "1")

    (found,) = findings(place.run("doctor", "--json"), "executors")

    assert found["detail"] == "Runs at a time, in all: async 2, process 2, thread 2"


def test_a_dead_instance_is_found(place):
    worker = place.worker()
    worker.process.kill()
    worker.process.wait()

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    (found,) = findings(ended, "instances")
    assert f"pid {worker.process.pid}" in found["detail"]
    assert "none is there to recover" in found["detail"]


def test_a_paused_queue_with_waiting_tasks_is_a_warning(place):
    place.enqueue("fail", "text", queue="mail")
    place.run("queues", "pause", "mail")

    (found,) = findings(place.run("doctor", "--json"), "queues")

    assert found["level"] == "warning"
    assert found["detail"] == "Queue 'mail' is paused; 1 task waiting in it"


def test_whatever_else_is_paused_is_a_warning(place):
    place.enqueue("fail", "text")
    known = place.run("pauses", "add", "--func-name", "fail")
    unknown = place.run("pauses", "add", "--func-name", "fial")
    place.run("pauses", "remove", "--func-name", "fial")
    place.run("pauses", "add", "--tag", "customer:7")

    found = findings(place.run("doctor", "--json"), "queues")

    assert [one["level"] for one in found] == ["warning", "warning"]
    assert [one["detail"] for one in found] == [
        "Function 'fail' is paused: nothing of it starts",
        "Tag 'customer:7' is paused: nothing of it starts",
    ]
    assert "pauses remove --tag customer:7" in found[1]["mend"]
    assert "no task of it is known" not in known.out
    assert "No instance has a function 'fial'" in unknown.out


def test_a_file_that_others_may_read_is_a_warning(place):
    place.enqueue("add", 1, 2)
    (place.folder / "tasks.db").chmod(0o644)

    (found,) = [
        each
        for each in findings(place.run("doctor", "--json"), "permissions")
        if each["level"] == "warning"
    ]

    assert "mode 644" in found["detail"]
    assert "chmod 600" in found["mend"]


@pytest.mark.quick
def test_a_damaged_file_is_a_problem(place):
    place.enqueue("add", 1, 2)
    path = place.folder / "tasks.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        # The roots of tables and indexes; the first page, with the schema, stays.
        file.seek(4096 * 3)
        file.write(os.urandom(size - 4096 * 4))

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    assert any(
        each["level"] == "problem" and ("damage" in each["detail"])
        for each in ended.json["findings"]
    )


def test_what_is_no_database_is_a_problem(place):
    (place.folder / "tasks.db").write_text("no database" * 1000)

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    (found,) = findings(ended, "store")
    assert "not an SQLite database" in found["detail"]


def test_a_store_of_a_later_release_is_a_problem(place):
    place.enqueue("add", 1, 2)
    connection = sqlite3.connect(place.folder / "tasks.db")
    connection.execute("INSERT INTO taskflow_schema VALUES (999)")
    connection.commit()
    connection.close()

    ended = place.run("doctor", "--json")

    assert ended.code == 1
    (found,) = findings(ended, "schema")
    assert "Upgrade the library" in found["detail"]


def change(place, statement):
    connection = sqlite3.connect(place.folder / "tasks.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_store_of_an_earlier_release_is_a_problem_that_a_start_mends(place):
    place.enqueue("add", 1, 2)
    change(place, "DELETE FROM taskflow_schema WHERE version > 1")

    (found,) = findings(place.run("doctor", "--json"), "schema")

    assert found["level"] == "problem"
    assert "Start the app or a worker to migrate it" in found["detail"]


def test_an_index_that_was_removed_is_named(place):
    place.enqueue("add", 1, 2)
    change(place, "DROP INDEX taskflow_tasks_due")

    (found,) = findings(place.run("doctor", "--json"), "schema")

    assert found["level"] == "problem"
    assert "taskflow_tasks_due" in found["detail"]


def test_a_foreign_program_that_keeps_the_write_lock_is_found(place):
    place.enqueue("add", 1, 2)
    connection = sqlite3.connect(place.folder / "tasks.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE taskflow_tasks SET priority = 1")

    ended = place.run("doctor", "--json")
    connection.close()

    assert ended.code == 1
    (found,) = findings(ended, "lock")
    assert "Another program holds the write lock" in found["detail"]
    assert "fuser" in found["mend"]


def test_a_stopped_process_of_ours_that_keeps_the_write_lock_is_found(place):
    worker = place.worker()
    held = os.open(place.folder / "tasks.db-taskflow" / "write.lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)

    found = findings(place.run("doctor", "--json"), "lock")
    os.close(held)

    assert worker.process.poll() is None
    assert "A process of this library" in found[0]["detail"]


def test_late_ends_are_a_note(place):
    place.enqueue("add", 1, 2)
    change(
        place,
        "INSERT INTO taskflow_attempts (task, fence, number, end_at, move, late)"
        " SELECT seq, 1, 0, 0, 'succeed', 1 FROM taskflow_tasks",
    )

    (found,) = findings(place.run("doctor", "--json"), "late")

    assert found["level"] == "note"
    assert found["detail"].startswith("1 end of attempts came after")


def test_encrypted_tasks_that_nobody_can_open_are_a_warning(place):
    place.enqueue("add", 1, 2)
    change(place, "UPDATE taskflow_tasks SET fence = 3, payload = x'7466653100'")

    (found,) = findings(place.run("doctor", "--json"), "encryption")

    assert found["level"] == "warning"
    assert "encrypt_args_key" in found["mend"]


def test_tasks_whose_arguments_no_version_takes_are_a_warning(place):
    place.worker()
    place.enqueue("add", 1, 2, delay=3_600)
    of_another_version = [place.enqueue("add", 1, 2, 3, 4), place.enqueue("add", 1, 2, 3)]
    for task_id in of_another_version:
        wait_until(lambda task_id=task_id: place.record(task_id).due_at, "a task is given back")

    ended = place.run("doctor", "--json")

    (found,) = findings(ended, "unreadable")
    assert ended.code == 0
    assert found["level"] == "warning"
    assert found["detail"].startswith("2 tasks waiting for 'add'")
    assert findings(ended, "encryption") == []


def test_a_full_disk_is_a_problem(tmp_path):
    need("unshare", "-Urm", "true")
    script = """
mount -t tmpfs -o size=20m tmpfs "$1" && cd "$1" &&
"$2" -c 'import asyncio; from fastapi_taskflow import SqliteBackend
async def make():
    store = SqliteBackend("tasks.db"); await store.open(lambda: None); await store.close()
asyncio.run(make())' && exec "$3" doctor --store sqlite:///tasks.db --json
"""

    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, str(COMMAND)],
        capture_output=True,
        text=True,
        check=False,
    )

    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}["disk"]
    assert found["level"] == "problem"
    assert found["mend"] == "Make room."


@pytest.mark.parametrize(
    "later",
    [
        "UPDATE taskflow_tasks SET created_at = created_at + 3600000000",
        "UPDATE taskflow_clock SET at = at + 3600000000",
    ],
)
def test_a_clock_that_was_set_back_is_a_problem(place, later):
    place.enqueue("add", 1, 2)
    connection = sqlite3.connect(place.folder / "tasks.db")
    assert connection.execute(later).rowcount == 1
    connection.commit()
    connection.close()

    (found,) = findings(place.run("doctor", "--json"), "clock")

    assert found["level"] == "problem"
    assert "was set back" in found["detail"]


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
    ],
)
def test_the_versions_with_the_wal_reset_bug_are_known(version, fixed):
    assert wal_reset_fixed(version) is fixed
