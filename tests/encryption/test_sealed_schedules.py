"""Arguments of schedules and dates are as unreadable in the store as those of tasks."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow.exceptions import SealUnopened
from tests.support.waiting import wait_until

ARGUMENT = "the secret argument"


def with_work(tasks):
    ran = []

    @tasks.task()
    def work(what):
        ran.append(what)

    return work, ran


async def test_they_run_with_what_the_store_cannot_read(manager, open_store):
    tasks = manager()
    work, ran = with_work(tasks)
    tasks.schedule(every=3600, name="coded", args=(ARGUMENT,))(work)
    async with tasks:
        await tasks.schedules.create("made", work, every=3600, args=(ARGUMENT,))
        await tasks.schedule_once(
            work, ARGUMENT, run_at=datetime.now(UTC) + timedelta(days=1), run_key="date"
        )
        (date,) = await tasks.list_scheduled()
        await tasks.schedules.run("coded")
        await tasks.schedules.run("made")
        await wait_until(lambda: len(ran) == 2)
        stored = await tasks.runtime.backend.schedules.page(limit=10)

    assert ran == [ARGUMENT, ARGUMENT]
    assert date.args == ()
    assert len(stored) == 3
    assert ARGUMENT not in str(stored)


async def test_without_the_key_they_are_shown_and_paused_and_not_run(manager):
    tasks = manager()
    work, _ = with_work(tasks)
    async with tasks:
        await tasks.schedules.create("made", work, every=3600, args=(ARGUMENT,))
    other = manager(encrypt_args_key="another secret that is long enough")
    with_work(other)
    async with other:
        (shown,) = await other.schedules.list()
        with pytest.raises(SealUnopened, match="'made'"):
            await other.schedules.run("made")
        await other.schedules.pause("made")
        await other.schedules.resume("made")
    again = manager()
    _, ran = with_work(again)
    async with again:
        await again.schedules.run("made")
        await wait_until(lambda: ran)

    assert shown.name == "made"
    assert ran == [ARGUMENT]
