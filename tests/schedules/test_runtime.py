"""Schedules that are made, changed and deleted while the app runs."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.exceptions import (
    ConfigurationError,
    QueueFullError,
    ScheduleNotFound,
    TaskArgumentError,
    UnknownTaskFunction,
)
from fastapi_taskflow.models import QueueConfig
from tests.support.waiting import wait_until

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def with_work(tasks):
    ran = []

    @tasks.task()
    def work(what="it"):
        ran.append(what)

    return work, ran


async def acts(tasks):
    entries, _ = await tasks.operations.audit(limit=50)
    return [(entry.action, entry.task_id) for entry in reversed(entries)]


async def test_one_that_was_made_runs_and_outlives_a_restart(manager, clock):
    first = manager()
    work, _ = with_work(first)
    async with first:
        made = await first.schedules.create("report", work, cron="*/5 * * * *", args=("daily",))
    second = manager()
    _, ran = with_work(second)
    async with second:
        clock.advance(300)
        await wait_until(lambda: ran)

    assert (made.origin, made.next_runs[0]) == ("stored", NEW_YEAR + 5 * MINUTE)
    assert ran == ["daily"]


async def test_it_is_changed_in_part(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=60, timezone="Asia/Kolkata", args=("old",))

        changed = await tasks.schedules.update("it", cron="@hourly", args=("new",), overlap="skip")
        clock.advance(3600)
        await wait_until(lambda: ran)

    assert (changed.every, changed.cron, changed.overlap) == (None, "@hourly", "skip")
    assert changed.timezone == "Asia/Kolkata"
    assert ran == ["new"]


async def test_a_pause_outlives_a_restart_and_is_not_made_up_for(manager, clock):
    first = manager()
    work, _ = with_work(first)
    async with first:
        await first.schedules.create("it", work, every=60, misfire="all")
        await first.schedules.pause("it")
        assert (await first.schedules.get("it")).next_runs == ()
    clock.advance(600)
    second = manager()
    _, ran = with_work(second)
    async with second:
        assert (await second.schedules.get("it")).paused
        await second.schedules.resume("it")
        clock.advance(60)
        await wait_until(lambda: ran)
        slots = (await second.schedules.get("it")).last_slots

    assert [slot.at for slot in slots] == [NEW_YEAR + 11 * MINUTE]


async def test_a_paused_one_can_be_run_now(manager):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=60, paused=True)
        task_id = await tasks.schedules.run("it")
        await wait_until(lambda: ran)
        (slot,) = (await tasks.schedules.get("it")).last_slots

    assert (slot.kind, slot.task_id) == ("manual", task_id)


async def test_a_deleted_one_runs_no_more(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("gone", work, every=60, args=("gone",))
        await tasks.schedules.create("kept", work, every=60, args=("kept",))
        await tasks.schedules.delete("gone")
        clock.advance(60)
        await wait_until(lambda: ran)
        assert [info.name for info in await tasks.schedules.list()] == ["kept"]
        with pytest.raises(ScheduleNotFound, match="'gone'"):
            await tasks.schedules.run("gone")

    assert ran == ["kept"]


async def test_every_act_is_in_the_audit_without_arguments(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=60, args=("a secret",), actor="ann")
        await tasks.schedules.update("it", args=("another secret",))
        await tasks.schedules.pause("it")
        await tasks.schedules.resume("it")
        await tasks.schedules.run("it")
        await tasks.schedules.delete("it")
        entries, _ = await tasks.operations.audit(limit=50)
        done = await acts(tasks)

    acted = "create", "update", "pause", "resume", "run", "delete"
    assert done == [(f"{act}_schedule", "it") for act in acted]
    assert entries[-1].actor == "ann"
    assert "secret" not in str(entries)


async def test_what_cannot_be_is_refused_and_changes_nothing(manager):
    tasks = manager(queues={"small": QueueConfig(max_size=0)})
    work, _ = with_work(tasks)
    tasks.schedule(every=60, name="coded")(work)
    async with tasks:
        schedules = tasks.schedules
        await schedules.create("it", work, every=60)
        before = await schedules.list()
        for refused, message in (
            (schedules.create("it", work, every=1), "named 'it' is there already"),
            (schedules.create("coded", work, every=1), "named 'coded' is declared in the code"),
            (schedules.create("new", work), "neither"),
            (schedules.create("new", work, every=1, queue="smal"), "Did you mean 'small'"),
            (schedules.update("it", evry=5), "Did you mean 'every'"),
            (schedules.update("it", cron="x"), "cron takes"),
            (schedules.update("coded", every=5), "declared in the code"),
            (schedules.delete("coded"), "declared in the code"),
        ):
            with pytest.raises(ConfigurationError, match=message):
                await refused
        with pytest.raises(TaskArgumentError, match="work"):
            await schedules.create("new", work, every=1, args=(1, 2))
        with pytest.raises(UnknownTaskFunction, match="not registered"):
            await schedules.create("new", print, every=1)
        assert await schedules.list() == before


async def test_run_now_of_a_full_queue_says_so(manager):
    tasks = manager(queues={"small": QueueConfig(max_size=0)})
    work, _ = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=60, queue="small")
        with pytest.raises(QueueFullError):
            await tasks.schedules.run("it")
        (slot,) = (await tasks.schedules.get("it")).last_slots

    assert slot.status == "rejected"


async def test_acts_at_the_same_time_are_all_heard(manager):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=3600)
        ids = await asyncio.gather(*(tasks.schedules.run("it") for _ in range(8)))
        await wait_until(lambda: len(ran) == 8)
        slots = (await tasks.schedules.get("it")).last_slots

    assert {slot.task_id for slot in slots} == set(ids)


async def test_many_are_listed_in_pages(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        for number in range(5):
            await tasks.schedules.create(f"n{number}", work, every=60)
        await tasks.schedule_once(work, run_at=NEW_YEAR + 5 * MINUTE, run_key="a")
        first, cursor = await tasks.operations.list_schedules(limit=3)
        second, end = await tasks.operations.list_schedules(limit=3, cursor=cursor)

    assert [info.name for info in first + second] == [f"n{number}" for number in range(5)]
    assert end is None


@pytest.mark.parametrize("side", ["start", "end"])
async def test_dates_are_kept_and_audited(manager, side):
    tasks = manager()
    work, _ = with_work(tasks)
    date = NEW_YEAR + timedelta(days=3)
    async with tasks:
        made = await tasks.schedules.create("it", work, every=60, **{side: date})
        changed = await tasks.schedules.update("it", **{side: date + MINUTE})
        entries, _ = await tasks.operations.audit(limit=5)

    assert getattr(made, side) == date
    assert getattr(changed, side) == date + MINUTE
    assert [entry.action for entry in entries] == ["update_schedule", "create_schedule"]
    assert entries[0].detail[side] == (date + MINUTE).isoformat()


@pytest.mark.parametrize(
    "actor", [1.5, [], object(), b"x"], ids=["float", "list", "object", "bytes"]
)
async def test_an_act_that_happened_is_audited_whoever_did_it(manager, actor):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("it", work, every=60, actor=actor)

        assert await acts(tasks) == [("create_schedule", "it")]


@pytest.mark.parametrize(
    "paused", ["no", 1, None, timedelta(1)], ids=["text", "number", "none", "span"]
)
async def test_paused_is_yes_or_no(manager, paused):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        with pytest.raises(ConfigurationError, match="paused"):
            await tasks.schedules.create("it", work, every=60, paused=paused)

        assert await tasks.schedules.list() == []


async def test_a_name_is_taken_once_and_stays(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    tasks.schedule(every=60, name="of the code")(work)
    async with tasks:
        made = await asyncio.gather(
            *(tasks.schedules.create("it", work, every=60, args=(n,)) for n in range(8)),
            return_exceptions=True,
        )
        refused = [one for one in made if isinstance(one, ConfigurationError)]
        with pytest.raises(ConfigurationError, match="has no 'name'"):
            await tasks.schedules.update("it", name="other")
        with pytest.raises(ConfigurationError, match="is declared in the code"):
            await tasks.schedules.create("of the code", work, every=60)

    assert len(refused) == 7
    assert all("is there already" in str(one) for one in refused)


async def test_slots_that_nobody_can_run_are_missed_and_pile_up_no_tasks(manager, clock):
    first = manager()
    work, _ = with_work(first)
    async with first:
        await first.schedules.create("it", work, every=60)
    second = manager()
    async with second:
        clock.advance(3600)

        async def left_out():
            slots = (await second.schedules.get("it")).last_slots
            return slots and slots[0].kind == "missed"

        await wait_until(left_out)
        info = await second.schedules.get("it")
        stored, _ = await second.operations.search(Query(), limit=10)
    third = manager()
    _, ran = with_work(third)
    async with third:
        clock.advance(60)
        await wait_until(lambda: ran)

    assert stored == []
    assert (info.retired, info.last_slots[0].at) == (False, NEW_YEAR + 60 * MINUTE)
    assert ran == ["it"]


async def test_a_slot_that_was_dropped_for_its_key_says_so(manager, clock):
    tasks = manager()
    gate = asyncio.Event()

    @tasks.task(key="what", on_conflict="drop")
    async def keyed(what):
        await gate.wait()

    async with tasks:
        await tasks.schedules.create("it", keyed, every=60, args=("a",))
        clock.advance(60)

        async def slots(number):
            return len((await tasks.schedules.get("it")).last_slots) == number

        await wait_until(lambda: slots(1))
        clock.advance(60)
        await wait_until(lambda: slots(2))
        newest, oldest = (await tasks.schedules.get("it")).last_slots
        gate.set()

    assert newest.status == "dropped"
    assert oldest.status in ("pending", "running")
