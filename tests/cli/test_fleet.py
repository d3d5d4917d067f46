"""``functions`` and ``instances``: who works on a store, and on what."""

import json
import signal

import pytest

from fastapi_taskflow.cli.fleet import functions
from fastapi_taskflow.operations.inspecting import Inspector


@pytest.mark.quick
def test_functions_show_what_became_of_their_tasks_and_who_runs_them(place):
    place.enqueue("gone", 1)
    place.wait_for_state(_of_a_worker(place), "success")

    found = {one["name"]: one for one in place.run("functions", "--json").json}
    told = place.run("functions")

    assert (found["add"]["success"], found["add"]["instances"]) == (1, 1)
    assert (found["gone"]["pending"], found["gone"]["instances"]) == (1, 0)
    line = next(line for line in told.out.splitlines() if line.startswith("gone"))
    assert line.split()[-1] == "none"


@pytest.mark.quick
def test_a_function_whose_first_task_comes_between_two_reads_is_left_out(
    place, monkeypatch, capsys
):
    async def none_yet(self):
        return []

    place.enqueue("gone", 1)
    monkeypatch.setattr(Inspector, "functions", none_yet)

    functions(store=f"sqlite:///{place.folder}/tasks.db", json=True, table_prefix="taskflow_")

    assert json.loads(capsys.readouterr().out) == []


def _of_a_worker(place):
    task_id = place.enqueue("add", 1, 2)
    place.worker()
    return task_id


@pytest.mark.quick
def test_instances_show_who_lives_and_who_died(place):
    dead, alive = place.worker(), place.worker("--concurrency", "1")
    dead.send(signal.SIGKILL)
    dead.ended()

    found = {one["pid"]: one for one in place.run("instances", "--json").json}
    told = place.run("instances")

    assert found[alive.process.pid]["alive"]
    assert "add" in found[alive.process.pid]["functions"]
    assert found[alive.process.pid]["executors"] == {"async": 1, "process": 1, "thread": 1}
    # It may have been recovered and struck off already.
    assert not found.get(dead.process.pid, {"alive": False})["alive"]
    assert str(alive.process.pid) in told.out
    assert "async 1, process 1, thread 1" in told.out


def test_a_store_without_either_says_so(place):
    place.enqueue("add", 1, 2)

    assert place.run("instances").out == "No instances.\n"
