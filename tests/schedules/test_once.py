"""Single dates: kept, replaced, taken back, and run once."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow.exceptions import TaskArgumentError
from tests.support.waiting import wait_until

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
# The caller's clock is the machine's: dates are those of the store's, which a test turns.
pytestmark = pytest.mark.usefixtures("clock")


def with_work(tasks):
    ran = []

    @tasks.task()
    def work(what="it"):
        ran.append(what)

    return work, ran


async def test_a_date_that_has_come_is_a_task(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        made = await tasks.schedule_once(
            work, "now", run_at=NEW_YEAR + HOUR, run_key="k", tags={"a": 1}, priority=5
        )
        assert await tasks.list_scheduled() == [made]
        clock.advance(3600)
        await wait_until(lambda: ran)
        assert await tasks.list_scheduled() == []
        (record,) = await tasks.merged_list()

    assert (made.run_key, made.func_name, made.fire_at) == ("k", "work", NEW_YEAR + HOUR)
    assert (made.args, made.tags, made.priority) == (("now",), {"a": "1"}, 5)
    assert (record.source, record.tags, record.priority) == ("scheduled", {"a": "1"}, 5)


async def test_its_key_replaces_it(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedule_once(work, "old", run_at=NEW_YEAR + HOUR, run_key="k")
        await tasks.schedule_once(work, "new", run_at=NEW_YEAR + HOUR / 2, run_key="k")
        await tasks.schedule_once(work, "other", run_at=NEW_YEAR + HOUR)
        clock.advance(7200)
        await wait_until(lambda: len(ran) == 2)

    assert sorted(ran) == ["new", "other"]


async def test_it_is_taken_back_once(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        await tasks.schedule_once(work, "gone", run_at=NEW_YEAR + HOUR, run_key="k")
        await tasks.schedule_once(work, "kept", run_at=NEW_YEAR + HOUR, run_key="l")
        assert await tasks.cancel_scheduled("k") is True
        assert await tasks.cancel_scheduled("k") is False
        clock.advance(3600)
        await wait_until(lambda: ran)

    assert ran == ["kept"]


async def test_one_that_is_overdue_is_run_at_the_next_start(manager, clock):
    first = manager()
    work, _ = with_work(first)
    async with first:
        await first.schedule_once(work, "late", run_at=NEW_YEAR + HOUR)
    clock.advance(30 * 86_400)
    second = manager()
    _, ran = with_work(second)
    async with second:
        await wait_until(lambda: ran)

    assert ran == ["late"]


async def test_they_are_listed_by_their_dates(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    tasks.schedule(every=3600, name="no date")(work)
    async with tasks:
        for hours in (3, 1, 2):
            await tasks.schedule_once(work, run_at=NEW_YEAR + hours * HOUR, run_key=f"k{hours}")
        found = await tasks.list_scheduled()
        early = await tasks.list_scheduled(before=NEW_YEAR + 2 * HOUR)

    assert [one.run_key for one in found] == ["k1", "k2", "k3"]
    assert [one.run_key for one in early] == ["k1"]


async def test_two_dates_with_one_idempotency_key_are_one_task(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        for key in ("a", "b"):
            await tasks.schedule_once(
                work, "once", run_at=NEW_YEAR + HOUR, run_key=key, idempotency_key="i"
            )
        clock.advance(3600)
        await wait_until(lambda: none_left(tasks))
        await wait_until(lambda: ran)
        assert len(await tasks.merged_list()) == 1

    assert ran == ["once"]


async def test_a_date_whose_key_is_held_by_other_work_is_told_by_the_audit(manager, clock):
    tasks = manager()
    work, ran = with_work(tasks)
    async with tasks:
        holder = await tasks.enqueue(work, "other", idempotency_key="i")
        await tasks.schedule_once(
            work, "late", run_at=NEW_YEAR + HOUR, run_key="a", idempotency_key="i"
        )
        clock.advance(3600)
        await wait_until(lambda: none_left(tasks))
        entry = await wait_until(lambda: dropped(tasks))

    assert (entry.task_id, entry.detail) == (holder.task_id, {"run_key": "a", "key": "i"})
    assert ran == ["other"]


async def dropped(tasks):
    entries, _ = await tasks.operations.audit(limit=10)
    return next((one for one in entries if one.action == "drop_scheduled"), None)


async def none_left(tasks):
    return not await tasks.list_scheduled()


async def test_what_cannot_be_is_refused(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        for wrong, given in (
            ((work, 1, 2), {"run_at": NEW_YEAR}),
            ((work,), {"run_at": "tomorrow"}),
            ((work,), {"run_at": NEW_YEAR, "run_key": ""}),
            ((work,), {"run_at": NEW_YEAR, "run_key": 5}),
            ((work,), {"run_at": NEW_YEAR, "priority": "high"}),
            ((work, object()), {"run_at": NEW_YEAR}),
            ((lambda: None,), {"run_at": NEW_YEAR}),
        ):
            with pytest.raises(TaskArgumentError):
                await tasks.schedule_once(*wrong, **given)
        assert await tasks.list_scheduled() == []
