import os
import sqlite3

import pytest

from fastapi_taskflow.cli.storefile import wal_reset_fixed


def findings(ended, check):
    return [each for each in ended.json["findings"] if each["check"] == check]


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
        "integrity",
        "instances",
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
    (found,) = findings(ended, "store")
    assert "Upgrade the library" in found["detail"]


def test_a_clock_that_was_set_back_is_a_problem(place):
    place.enqueue("add", 1, 2)
    connection = sqlite3.connect(place.folder / "tasks.db")
    connection.execute("UPDATE taskflow_tasks SET created_at = created_at + 3600000000")
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
