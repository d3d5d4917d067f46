"""``tasks purge`` deletes what is old, all of it, and says so in the audit."""

import asyncio
import json
import os
import pty
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fastapi_taskflow import TaskManager
from fastapi_taskflow.words.clock import to_micros

COMMAND = Path(sys.executable).with_name("fastapi-taskflow")


def ended(place, count, *, days):
    """Store tasks that were cancelled some days ago; their ids."""
    return asyncio.run(_ended(place, count, days))


async def _ended(place, count, days):
    task_manager = TaskManager(snapshot_db=place.folder / "tasks.db", roles=["enqueue"])

    def add(_number: int) -> None: ...

    task_manager.task(persist=True)(add)
    async with task_manager:
        made = await asyncio.gather(*(task_manager.enqueue(add, n) for n in range(count)))
        ids = [one.task_id for one in made]
        await asyncio.gather(*(task_manager.cancel(task_id) for task_id in ids))
    then = to_micros(datetime.now(UTC) - timedelta(days=days))
    change = f"SET end_at = {then}, created_at = {then}"
    query(place, f"UPDATE taskflow_tasks {change} WHERE id IN {(*ids, '')}")
    return ids


def query(place, statement):
    connection = sqlite3.connect(place.folder / "tasks.db")
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


def kept(place):
    return {row[0] for row in query(place, "SELECT id FROM taskflow_tasks")}


def purges(place):
    found = query(place, "SELECT task_id, actor, detail FROM taskflow_audit WHERE action = 'purge'")
    return [(target, actor, json.loads(detail)) for target, actor, detail in found]


def on_a_terminal(place, answer):
    """What the command wrote to a terminal, and its exit code."""
    master, slave = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TASKFLOW_STORE": "sqlite:///tasks.db"}
    environment |= {"TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [COMMAND, "tasks", "purge", "--older-than", "30d"],
        cwd=place.folder,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.write(master, f"{answer}\n".encode())
    written = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(master)
    return written.decode(), process.wait(60)


@pytest.mark.quick
def test_everything_older_goes_in_as_many_batches_as_it_takes(place):
    ended(place, 450, days=31)
    young = ended(place, 1, days=29)
    waiting = place.enqueue("add", 1, 2)

    done = place.run("tasks", "purge", "--older-than", "30d", "--yes", "--json")

    assert (done.code, done.err) == (0, "")
    assert done.json["deleted"] == 450
    since = datetime.now(UTC) - datetime.fromisoformat(done.json["before"])
    assert timedelta(days=30) <= since < timedelta(days=30, minutes=5)
    assert kept(place) == {*young, waiting}


def test_one_purge_is_one_entry_in_the_audit(place):
    ended(place, 201, days=3)

    done = place.run("tasks", "purge", "--older-than", "48h", "--yes")

    assert done.out.startswith("Deleted 201 tasks that ended before ")
    ((target, actor, detail),) = purges(place)
    assert (target, detail) == ("history", {"older_than_seconds": 172_800.0, "deleted": 201})
    assert actor.startswith("cli")


def test_expired_keys_go_too_however_many(place):
    ended(place, 1, days=1)
    query(
        place,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450) "
        "INSERT INTO taskflow_keys SELECT 'key' || i, 'gone', NULL, 1, 1 FROM n",
    )

    done = place.run("tasks", "purge", "--older-than", "30d", "--yes", "--json")

    assert done.json["deleted"] == 0
    assert query(place, "SELECT count(*) FROM taskflow_keys") == [(0,)]


def test_nothing_is_deleted_when_nobody_can_be_asked(place):
    made = ended(place, 1, days=31)

    done = place.run("tasks", "purge", "--older-than", "30d")

    assert done.code == 2
    assert "--yes" in done.err
    assert kept(place) == set(made)
    assert purges(place) == []


def test_a_terminal_is_asked_and_shown_a_bar(place):
    made = ended(place, 3, days=31)

    refused, refused_code = on_a_terminal(place, "n")
    assert (refused_code, kept(place)) == (1, set(made))
    agreed, agreed_code = on_a_terminal(place, "y")

    assert "(3)? [y/N]" in refused
    assert "Nothing was deleted." in refused
    assert (agreed_code, kept(place)) == (0, set())
    assert "━" in agreed
    assert "Deleted 3 tasks" in agreed


@pytest.mark.parametrize("span", ["soon", "30", "-1d", "999999w"])
def test_a_span_that_is_none_ends_with_2(place, span):
    made = ended(place, 1, days=31)

    done = place.run("tasks", "purge", f"--older-than={span}", "--yes")

    assert done.code == 2
    assert "--older-than" in done.err
    assert kept(place) == set(made)


def test_the_span_must_be_given(place):
    done = place.run("tasks", "purge", "--yes")

    assert done.code == 2
    assert "--older-than" in done.err


def test_a_store_that_is_not_there_is_not_made(place):
    done = place.run("tasks", "purge", "--older-than", "30d", "--yes")

    assert done.code == 1
    assert "There is no" in done.err
    assert [path.name for path in place.folder.iterdir()] == ["main.py"]
