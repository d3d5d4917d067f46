"""Schedules: what is kept, who is heard, and that tasks come with it or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import (
    Admission,
    Backend,
    QueueIsFull,
    ScheduleChange,
    Schedules,
    Stored,
    StoredSchedule,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    claim,
    find,
    fresh_id,
    ids,
    keyed,
    missing,
    put,
    task,
)
from fastapi_taskflow.words.models import TaskStatus


def schedules_of(backend: Backend) -> Schedules:
    """The port of schedules, as `logins_of`."""
    found = backend.schedules
    return pytest.skip("This backend has no Backend.schedules.") if found is None else found


def schedule(name: str = "nightly", version: int = 1, **changes: Any) -> StoredSchedule:
    """A schedule without a next date; ``changes`` replace fields."""
    return StoredSchedule(name, version, "when", "so far", b"arguments", None)._replace(**changes)


def change(new: StoredSchedule, version: int = 0, *tasks: Any) -> ScheduleChange:
    """Put this one in the place of that of a version."""
    return ScheduleChange(new.name, version, new, tasks)


async def store_all(backend: Backend, *new: StoredSchedule) -> None:
    """Schedules that must be new."""
    answers = await schedules_of(backend).change([change(one) for one in new])
    assert answers == [()] * len(new)


def stored(answer: tuple[Admission, ...] | None) -> list[str]:
    """The ids of the tasks of a change, which must all be stored."""
    assert answer is not None
    found = []
    for admission in answer:
        assert isinstance(admission, Stored)
        found += [one.task_id for one in admission.tasks]
    return found


class KeptSchedules(Conformance):
    """What is given back, and when."""

    async def test_a_schedule_is_given_back_as_it_was_stored(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        one = schedule("täglich 'x'", next_at=clock.now() + timedelta(microseconds=7))
        bare = schedule("bare", payload=None)

        await store_all(backend, one, bare)

        assert await schedules_of(backend).find([bare.name, "none", one.name]) == [bare, None, one]
        assert await schedules_of(backend).find([]) == []

    async def test_pages_go_by_name(self, backend: Backend) -> None:
        await store_all(backend, *(schedule(name) for name in ("b", "d", "a", "c")))

        first = await schedules_of(backend).page(limit=3)
        second = await schedules_of(backend).page(limit=3, after=first[-1].name)

        assert [one.name for one in first + second] == ["a", "b", "c", "d"]

    async def test_those_are_due_whose_date_has_come_the_longest_first(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        now = clock.now()
        dates = {"late": -5, "later": -9, "now": 0, "soon": 3}
        rows = [schedule(name, next_at=now + timedelta(seconds=n)) for name, n in dates.items()]
        await store_all(backend, schedule("never"), *rows)

        found = await schedules_of(backend).due(limit=10)
        some = await schedules_of(backend).due(limit=1)
        none = await schedules_of(backend).due(limit=0)

        assert [one.name for one in found.schedules] == ["later", "late", "now"]
        assert (found.now, found.wait) == (now, 3.0)
        assert [one.name for one in some.schedules] == ["later"]
        assert some.wait == -5.0
        assert (none.now, none.wait, none.schedules) == (now, -9.0, [])

    async def test_without_a_date_nothing_is_waited_for(self, backend: Backend) -> None:
        await store_all(backend, schedule())

        assert (await schedules_of(backend).due(limit=10)).wait is None

    async def test_a_date_that_was_moved_is_the_only_one(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        soon = clock.now() + timedelta(seconds=5)
        await store_all(backend, schedule(next_at=clock.now()), schedule("other", next_at=soon))

        later = soon + timedelta(seconds=5)
        moved = schedule(version=2, next_at=later)
        assert await schedules_of(backend).change([change(moved, 1)]) == [()]
        found = await schedules_of(backend).due(limit=10)
        assert (found.schedules, found.wait) == ([], 5.0)

        clock.advance(20)
        names = [one.name for one in (await schedules_of(backend).due(limit=10)).schedules]
        assert names == ["other", "nightly"]

    async def test_another_instance_sees_it(self, backend: Backend, second: Backend) -> None:
        await store_all(backend, schedule())

        assert await schedules_of(second).find(["nightly"]) == [schedule()]


class ChangedSchedules(Conformance):
    """Of all who looked, one is heard."""

    async def test_a_change_from_another_version_is_lost_with_its_tasks(
        self, backend: Backend
    ) -> None:
        await store_all(backend, schedule(version=4))
        wrong = [task() for _ in range(3)]

        answers = await schedules_of(backend).change(
            [
                change(schedule(version=6), 5, wrong[0]),
                change(schedule(version=6), 0, wrong[1]),
                change(schedule("unknown", version=6), 4, wrong[2]),
            ]
        )

        assert answers == [None, None, None]
        assert await missing(backend, *(one.task_id for one in wrong))
        assert await schedules_of(backend).find(["nightly", "unknown"]) == [
            schedule(version=4),
            None,
        ]

    async def test_tasks_come_with_their_change(self, backend: Backend) -> None:
        await store_all(backend, schedule())
        one, two = task(source="scheduled"), task(priority=5)

        (answer,) = await schedules_of(backend).change([change(schedule(version=2), 1, one, two)])

        assert stored(answer) == [one.task_id, two.task_id]
        assert (await find(backend, one.task_id)).record.source == "scheduled"
        assert ids(await claim(backend)) == [two.task_id, one.task_id]

    async def test_changes_of_one_call_follow_each_other(self, backend: Backend) -> None:
        tasks = [task() for _ in range(4)]

        answers = await schedules_of(backend).change(
            [
                change(schedule(version=1), 0, tasks[0]),
                change(schedule(version=2), 1, tasks[1]),
                change(schedule(version=2), 1, tasks[2]),
                ScheduleChange("nightly", 2, None, (tasks[3],)),
            ]
        )

        assert [answer is None for answer in answers] == [False, False, True, False]
        assert await schedules_of(backend).find(["nightly"]) == [None]
        assert set(ids(await claim(backend))) == {tasks[n].task_id for n in (0, 1, 3)}

    async def test_a_deleted_one_is_gone_and_may_come_again(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await store_all(backend, schedule(next_at=clock.now()))

        gone = ScheduleChange("nightly", 1, None)
        assert await schedules_of(backend).change([gone]) == [()]
        assert await schedules_of(backend).change([gone]) == [None]
        assert await schedules_of(backend).page(limit=10) == []
        assert (await schedules_of(backend).due(limit=10)).schedules == []

        await store_all(backend, schedule(version=9))
        assert await schedules_of(backend).find(["nightly"]) == [schedule(version=9)]

    async def test_a_change_that_is_sent_again_inserts_nothing_again(
        self, backend: Backend
    ) -> None:
        await store_all(backend, schedule())
        new = task()
        fired = change(schedule(version=2), 1, new)

        first = await schedules_of(backend).change([fired])
        again = await schedules_of(backend).change([fired])

        assert stored(first[0]) == [new.task_id]
        assert again == [None]
        assert ids(await claim(backend)) == [new.task_id]

    async def test_of_instances_that_run_one_slot_one_is_heard(
        self, backend: Backend, second: Backend
    ) -> None:
        await store_all(backend, schedule())

        answers = await asyncio.gather(
            *(
                schedules_of(one).change([change(schedule(version=2 + n), 1, task(fresh_id()))])
                for n, one in enumerate((backend, second) * 4)
            )
        )

        assert sum(answer != [None] for answer in answers) == 1
        assert len(await claim(backend)) == 1

    async def test_of_several_who_make_one_name_one_is_heard(
        self, backend: Backend, second: Backend
    ) -> None:
        made = [schedule(definition=f"of {n}") for n in range(8)]

        answers = await asyncio.gather(
            *(
                schedules_of((backend, second)[n % 2]).change([change(one, 0, task(fresh_id()))])
                for n, one in enumerate(made)
            )
        )

        (heard,) = [one for one, answer in zip(made, answers, strict=True) if answer != [None]]
        assert await schedules_of(backend).find(["nightly"]) == [heard]
        assert len(await claim(backend)) == 1

    async def test_a_full_queue_keeps_a_record_and_stops_no_other_task(
        self, backend: Backend
    ) -> None:
        first, full, other = task(queue="small"), task(queue="small"), task()

        (answer,) = await schedules_of(backend).change(
            [change(schedule(), 0, first, full, other)], {"small": 1}
        )

        assert answer is not None
        assert answer[1] == QueueIsFull("small", 1, full.task_id)
        assert (await find(backend, full.task_id)).record.status is TaskStatus.REJECTED
        assert (await find(backend, other.task_id)).record.status is TaskStatus.PENDING
        assert await schedules_of(backend).find(["nightly"]) == [schedule()]

    async def test_a_key_that_is_held_gives_the_task_that_holds_it(self, backend: Backend) -> None:
        holder = keyed("once")
        await put(backend, holder)

        (answer,) = await schedules_of(backend).change([change(schedule(), 0, keyed("once"))])

        assert stored(answer) == [holder.task_id]

    async def test_a_value_that_cannot_be_stored_changes_nothing(self, backend: Backend) -> None:
        bad: Any = task(tags={"n": 5})

        with pytest.raises(ValueError, match="cannot be stored"):
            await schedules_of(backend).change([change(schedule(), 0, bad)])

        assert await schedules_of(backend).page(limit=10) == []
