"""Schedules of the code: run on their slots, caught up after a stop, retired with their code."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from fastapi_taskflow import Backend, MemoryBackend, QueueConfig, TaskManager, TaskStatus
from fastapi_taskflow.backends.base import ScheduleChange
from fastapi_taskflow.exceptions import ConfigurationError, TaskArgumentError
from fastapi_taskflow.testing.clock import ManualClock
from tests.support.waiting import wait_until

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def noting(manager, **schedule):
    """Give a manager a schedule whose function notes its runs."""
    ran = []

    @manager.schedule(**schedule)
    def note(what="it"):
        ran.append(what)

    return ran


async def runs_of(manager, name):
    """The instants of the slots that were run, oldest first."""
    info = await manager.schedules.get(name)
    return [slot.at for slot in reversed(info.last_slots) if slot.kind == "slot"]


async def test_each_slot_is_run_with_its_arguments():
    tasks = TaskManager()
    ran = []

    @tasks.schedule(every=0.2, name="ones", args=(1,), misfire="all")
    @tasks.schedule(every=0.3, name="twos", kwargs={"number": 2}, misfire="all")
    def note(number):
        ran.append(number)

    async with tasks:
        await wait_until(lambda: ran.count(1) >= 5 and ran.count(2) >= 3)
        ones, twos = await tasks.schedules.list()

    assert (ones.name, ones.func_name, ones.every, ones.origin) == ("ones", "note", 0.2, "code")
    slots = [slot.at for slot in reversed(ones.last_slots)]
    assert all(later - one == timedelta(seconds=0.2) for one, later in pairwise(slots))
    assert len(ones.next_runs) == 10
    assert {slot.status for slot in twos.last_slots} <= {"success", "pending", "running"}
    assert {record.source for record in tasks.store.list()} == {"scheduled"}


async def test_a_run_is_a_task_with_the_retries_of_its_schedule():
    tasks = TaskManager()
    tries = []

    @tasks.schedule(cron="@yearly", retries=2)
    async def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise LookupError("not yet")

    async with tasks:
        task_id = await tasks.schedules.run("flaky")
        await wait_until(lambda: len(tries) == 3)
        record = await wait_until(lambda: ended(tasks, task_id))

    assert (record.retries_used, record.source) == (2, "scheduled")


async def ended(tasks, task_id):
    record = await tasks.get(task_id)
    return record if record.status is TaskStatus.SUCCESS else None


@pytest.mark.parametrize(
    ("misfire", "missed", "runs"),
    [("latest", 10, 1), ("all", 10, 10), ("skip", 10, 0), ("latest", 0, 0), ("skip", 1, 0)],
)
async def test_after_a_stop_missed_slots_are_as_their_policy_says(
    manager, clock, misfire, missed, runs
):
    first = manager()
    noting(first, every=60, name="it", misfire=misfire)
    async with first:
        pass
    clock.advance(60 * missed + 30)

    second = manager()
    ran = noting(second, every=60, name="it", misfire=misfire)
    async with second:
        await wait_until(lambda: len(ran) == runs)
        clock.advance(30)
        await wait_until(lambda: len(ran) == runs + 1)
        slots = await runs_of(second, "it")

    assert len(ran) == runs + 1
    assert slots[-1] == NEW_YEAR + (missed + 1) * MINUTE


async def test_one_that_left_the_code_is_retired_and_comes_back_without_its_past(manager, clock):
    first = manager()
    noting(first, every=60, name="old", misfire="all")
    async with first:
        pass

    without = manager()
    async with without:
        (old,) = await without.schedules.list()
        assert (old.retired, old.next_runs) == (True, ())
        clock.advance(600)
    again = manager()
    ran = noting(again, every=60, name="old", misfire="all")
    async with again:
        back = await again.schedules.get("old")
        clock.advance(60)
        await wait_until(lambda: ran)
        assert await runs_of(again, "old") == [NEW_YEAR + 11 * MINUTE]

    assert (back.retired, back.next_runs[0]) == (False, NEW_YEAR + 11 * MINUTE)
    assert ran == ["it"]


async def test_an_older_release_beside_a_newer_one_keeps_its_own(manager, clock):
    older, newer = manager(), manager()
    ran = noting(older, every=60, name="old")
    async with older, newer:
        clock.advance(60)
        await wait_until(lambda: ran)

        (old,) = await newer.schedules.list()
        assert old.retired is False


async def test_one_that_nobody_alive_declares_any_more_is_retired(manager, clock, caplog):
    older, newer = manager(), manager()
    noting(older, every=60, name="old")
    noting(newer, every=3600, name="new")
    async with newer:
        async with older:
            pass
        clock.advance(91)

        await wait_until(lambda: is_retired(newer, "old"))

    assert "is in no instance's code any more" in caplog.text


async def is_retired(tasks, name):
    return (await tasks.schedules.get(name)).retired


async def test_changed_times_count_from_the_start(manager, clock):
    first = manager()
    noting(first, every=60, name="it", misfire="all")
    async with first:
        pass
    clock.advance(600)

    second = manager()
    ran = noting(second, every=45, name="it", misfire="all")
    async with second:
        clock.advance(30)
        await wait_until(lambda: ran)
        assert await runs_of(second, "it") == [NEW_YEAR + timedelta(seconds=630)]


async def test_run_on_startup_is_one_run_of_all_that_start_together(manager, clock):
    first, second = manager(), manager()
    ran = [noting(tasks, every=3600, name="it", run_on_startup=True) for tasks in (first, second)]

    @second.schedule(every=3600, run_on_startup=True, start=datetime(2030, 1, 1, tzinfo=UTC))
    def after_it():
        looked.append(True)

    looked = []
    async with first:
        await wait_until(lambda: ran[0])
        async with second:
            await wait_until(lambda: looked)
            clock.advance(3600)
            await wait_until(lambda: sum(map(len, ran)) == 2)
    async with first:
        await wait_until(lambda: sum(map(len, ran)) == 3)
        kinds = [slot.kind for slot in (await first.schedules.get("it")).last_slots]

    assert kinds == ["startup", "slot", "startup"]


@pytest.mark.parametrize(("overlap", "most"), [("skip", 1), ("queue", 1), ("allow", 3)])
async def test_runs_overlap_as_the_schedule_says(overlap, most):
    tasks = TaskManager()
    running, peak, released = 0, 0, asyncio.Event()

    @tasks.schedule(every=0.1, overlap=overlap)
    async def slow():
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await released.wait()
        running -= 1

    @tasks.schedule(every=0.1, name="beside")
    async def beside():
        beaten.append(1)

    beaten = []
    async with tasks:
        await wait_until(lambda: peak == most)
        seen = len(beaten)
        await wait_until(lambda: len(beaten) >= seen + 5)
        released.set()
        info = await tasks.schedules.get("slow")

    assert peak == most if most == 1 else peak >= most
    if overlap == "skip":
        assert info.last_slots[0].kind == "overlap"
    if overlap == "queue":
        assert len(info.last_slots) == 1


async def test_two_instances_run_each_slot_once(open_store, manager, clock):
    managers = [manager() for _ in range(2)]
    ran = [noting(tasks, every=60, name="it", misfire="all") for tasks in managers]

    async with managers[0], managers[1]:
        for number in range(1, 6):
            clock.advance(60)
            await wait_until(lambda number=number: sum(map(len, ran)) >= number)
        slots = await runs_of(managers[0], "it")

    assert slots == [NEW_YEAR + n * MINUTE for n in range(1, 6)]
    assert sum(map(len, ran)) == 5


async def test_a_clock_that_was_set_back_runs_nothing_again(manager, clock):
    tasks = manager()
    ran = noting(tasks, every=60, name="it", misfire="all")
    async with tasks:
        clock.advance(60)
        await wait_until(lambda: len(ran) == 1)
        clock.set_by(-3600)
        clock.advance(60)
        await wait_until(lambda: len(ran) == 2)

    assert ran == ["it", "it"]


async def test_a_schedule_that_cannot_be_read_stops_no_other(manager, clock, open_store, caplog):
    tasks = manager()
    ran = noting(tasks, every=60, name="it")
    async with tasks:
        port = tasks.runtime.engine().backend.schedules
        (row,) = await port.find(["s:it"])
        bad = row._replace(name="s:bad", definition="{", next_at=NEW_YEAR)
        await port.change([ScheduleChange(bad.name, 0, bad)])
        clock.advance(60)
        await wait_until(lambda: ran)
        names = [info.name for info in await tasks.schedules.list()]

    assert names == ["it"]
    assert caplog.text.count("Schedule 'bad' cannot be run") == 1


async def test_a_full_queue_keeps_the_run_as_rejected(manager, clock, caplog):
    tasks = manager(queues={"small": QueueConfig(max_size=0)})
    noting(tasks, every=60, name="it", queue="small")
    async with tasks:
        clock.advance(60)
        (slot,) = await wait_until(lambda: last_slots(tasks, "it"))

    assert slot.status == "rejected"
    assert "was rejected: queue 'small'" in caplog.text


async def last_slots(tasks, name):
    return (await tasks.schedules.get(name)).last_slots


# Errors where they are written


def work(number: int) -> None:
    pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "every= .* and cron="),
        ({"every": 1, "cron": "* * * * *"}, "both"),
        ({"every": -1}, "every"),
        ({"every": float("inf")}, "every"),
        ({"cron": "nonsense"}, "cron takes"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"every": 1, "timezone": "Nowhere"}, "timezone"),
        ({"every": 1, "misfire": "al"}, "misfire.*Did you mean 'all'"),
        ({"every": 1, "overlap": "no"}, "overlap"),
        ({"every": 1, "jitter": "much"}, "jitter"),
        ({"every": 1, "grace": -1}, "grace"),
        ({"every": 1, "name": ""}, "name"),
        ({"every": 1, "name": "a\nb"}, "name"),
        ({"every": 1, "priority": "high"}, "priority"),
        ({"every": 1, "queue": 5}, "queue"),
        ({"every": 1, "run_on_startup": 1}, "run_on_startup"),
        ({"every": 1, "args": "abc"}, "args"),
        ({"every": 1, "kwargs": [1]}, "kwargs"),
        ({"every": 1, "retries": -1}, "retries"),
        ({"every": 1, "executor": "elsewhere"}, "executor"),
        ({"every": 1, "start": NEW_YEAR, "end": NEW_YEAR - MINUTE}, "before start"),
    ],
)
def test_what_cannot_be_is_an_error_at_the_decoration(given, message):
    given = {"args": (1,), **given}

    with pytest.raises(ConfigurationError, match=message):
        TaskManager().schedule(**given)(work)


@pytest.mark.parametrize("args", [(), (1, 2), (object(),)])
def test_arguments_that_do_not_fit_or_cannot_be_stored_are_refused(args):
    with pytest.raises(TaskArgumentError, match="work"):
        TaskManager().schedule(every=1, args=args)(work)


def test_a_name_is_one_schedules():
    tasks = TaskManager()
    tasks.schedule(every=1, args=(1,))(work)

    with pytest.raises(ConfigurationError, match=r"'work' runs 'work' already.*name="):
        tasks.schedule(every=2, args=(1,))(work)


def test_a_tasks_own_settings_are_said_once():
    tasks = TaskManager()
    tasks.task(retries=3)(work)
    tasks.schedule(every=1, args=(1,), name="fits")(work)

    with pytest.raises(ConfigurationError, match="retries=3 already"):
        tasks.schedule(every=1, args=(1,), retries=5)(work)


async def test_a_queue_that_is_none_is_an_error_at_the_start():
    tasks = TaskManager(queues={"mail": QueueConfig()})
    tasks.schedule(every=1, args=(1,), queue="mial")(work)

    with pytest.raises(ConfigurationError, match="Did you mean 'mail'"):
        await tasks.startup()


class Without(MemoryBackend):
    """A store that keeps no schedules."""

    schedules = None  # type: ignore[assignment]


async def test_a_store_without_schedules_is_an_error_at_the_start_for_who_has_some():
    tasks: Backend = Without()
    async with TaskManager(snapshot_backend=tasks):
        pass
    scheduled = TaskManager(snapshot_backend=Without(clock=ManualClock()))
    scheduled.schedule(every=1, args=(1,))(work)

    with pytest.raises(ConfigurationError, match="keeps no schedules"):
        await scheduled.startup()


@pytest.fixture(autouse=True)
def told(caplog):
    caplog.set_level(logging.INFO)
