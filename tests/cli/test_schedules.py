import asyncio

import pytest

from fastapi_taskflow import SqliteBackend, TaskManager


@pytest.fixture
def stored(place):
    """A store with two schedules, of which the app's code has neither."""

    async def make():
        tasks = TaskManager(snapshot_backend=SqliteBackend(str(place.folder / "tasks.db")))

        @tasks.task(name="add")
        def add(one, two):
            pass

        async with tasks:
            await tasks.schedules.create("nightly", add, cron="0 3 * * *", args=(1, 2))
            await tasks.schedules.create("weekly", add, cron="@weekly", args=(3, 4), paused=True)

    asyncio.run(make())


@pytest.mark.quick
def test_schedules_are_listed_with_their_next_run(place, stored):
    ended = place.run("schedules", "list", "--json")
    table = place.run("schedules", "list").out.splitlines()

    nightly, weekly = ended.json
    assert (nightly["name"], nightly["description"]) == ("nightly", "At 03:00 every day")
    assert len(nightly["next_runs"]) == 10
    assert (weekly["paused"], weekly["next_runs"]) == (True, [])
    assert table[0].split() == ["SCHEDULE", "STATE", "FUNCTION", "WHEN", "NEXT", "LAST"]
    assert "03:00:00Z" in table[1]


@pytest.mark.quick
def test_one_is_run_paused_resumed_and_deleted(place, stored):
    assert place.run("schedules", "pause", "nightly").out == "Schedule nightly is paused\n"
    assert place.run("schedules", "resume", "nightly", "--json").json["paused"] is False
    task_id = place.run("schedules", "run", "weekly", "--json").json["task_id"]
    place.worker()
    place.wait_for_state(task_id, "success")

    assert place.record(task_id).logs[-1].endswith("3 + 4 = 7")
    assert place.run("schedules", "delete", "nightly").code == 0
    assert [one["name"] for one in place.run("schedules", "list", "--json").json] == ["weekly"]


def test_one_that_is_none_is_refused(place, stored):
    ended = place.run("schedules", "run", "nigthly")

    assert ended.code == 1
    assert "No schedule is named 'nigthly'" in ended.err
