"""Failed attempts by group: counted once, shown with their trend, found and forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi_taskflow.backends.base import Backend, FailureGroup, FailureQuery, Grain, Query
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.testing.conformance.rollups import fold_all
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

ONE, OTHER = Failure("a" * 16, "ValueError"), Failure("b" * 16, "app.Refused")


async def ask(backend: Backend, **wanted: Any) -> list[FailureGroup]:
    """Groups, those that failed last first."""
    return await backend.failures(FailureQuery(**wanted))


async def fail(
    backend: Backend, failure: Failure = ONE, move: Move = Move.FAIL, **changes: Any
) -> str:
    """A task that fails; its id."""
    lease = await running(backend, task(**changes))
    await end(backend, lease, move, error="no", failure=failure)
    return lease.task_id


async def matches(backend: Backend, **wanted: Any) -> list[str]:
    """The ids of tasks, newest first."""
    page = await backend.search(Query(**wanted), limit=9)
    return [one.record.task_id for one in page.tasks]


class Failures(Conformance):
    """Groups of attempts that failed alike."""

    async def test_attempts_that_fail_alike_are_one_group(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first_at = clock.now()
        await fail(backend)
        other = await fail(backend, OTHER, func_name="g")
        clock.advance(5)
        last = await fail(backend)

        expected = [
            FailureGroup(*ONE[:1], "f", ONE.kind, first_at, clock.now(), 2, last, {}),
            FailureGroup(*OTHER[:1], "g", OTHER.kind, first_at, first_at, 1, other, {}),
        ]
        assert await ask(backend) == expected
        await fold_all(backend)
        assert await ask(backend) == expected
        assert await ask(backend, func_name="g") == expected[1:]
        assert await ask(backend, group=ONE.group) == expected[:1]
        assert await ask(backend, since=clock.now()) == expected[:1]
        assert await ask(backend, limit=1) == expected[:1]
        assert await ask(backend, group="no") == []

    async def test_every_failed_attempt_counts_and_is_kept_with_it(self, backend: Backend) -> None:
        task_id = await fail(backend, move=Move.RETRY)
        assert (await find(backend, task_id)).record.failure == ONE.group
        (again,) = await claim(backend)
        await begin(backend, again.lease)
        await end(backend, again.lease, Move.FAIL, failure=OTHER)
        await end(backend, again.lease, Move.FAIL, failure=OTHER)

        assert {one.group: one.times for one in await ask(backend)} == {
            ONE.group: 1,
            OTHER.group: 1,
        }
        assert [one.failure for one in await backend.attempts(task_id)] == [ONE.group]
        assert (await find(backend, task_id)).record.failure == OTHER.group

    async def test_a_success_has_no_failure_any_more(self, backend: Backend) -> None:
        task_id = await fail(backend, move=Move.RETRY)
        (again,) = await claim(backend)
        await begin(backend, again.lease)
        await end(backend, again.lease, Move.SUCCEED)

        assert (await find(backend, task_id)).record.failure is None
        assert await matches(backend, failure=ONE.group) == []
        assert [one.times for one in await ask(backend)] == [1]

    async def test_a_late_failure_counts_nowhere(self, backend: Backend) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)
        await end(backend, stale, Move.FAIL, failure=ONE)

        assert await ask(backend) == []
        assert [one.failure for one in await backend.attempts(stale.task_id)] == [ONE.group]

    async def test_a_snapshot_counts_when_it_ends(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        one = snapshot(light(), TaskStatus.PENDING, clock.now(), failures=1)
        await backend.mirror(A, [one._replace(failure=ONE)])
        assert await ask(backend) == []

        ended = snapshot(one.task, TaskStatus.FAILED, clock.now(), failure=ONE)
        await backend.mirror(A, [ended, ended])

        assert [(each.group, each.times) for each in await ask(backend)] == [(ONE.group, 1)]
        assert await matches(backend, failure=ONE.group) == [one.task.task_id]

    async def test_the_trend_is_told_by_spans(self, backend: Backend, clock: ManualClock) -> None:
        hour = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        for moment, times in ((hour, 2), (hour + timedelta(hours=1), 1)):
            clock.advance((moment - clock.now()).total_seconds() + 1)
            for _ in range(times):
                await fail(backend)
            await fail(backend, OTHER)

        async def trend(grain: Grain, since: datetime) -> list[tuple[datetime, int]]:
            (one,) = await ask(backend, group=ONE.group, grain=grain, spans_since=since)
            return list(one.spans.items())

        day = hour.replace(hour=0)
        for _ in range(2):
            hours = [(hour, 2), (hour + timedelta(hours=1), 1)]
            assert await trend(Grain.HOUR, hour) == hours
            assert await trend(Grain.HOUR, hour + timedelta(seconds=1)) == hours[1:]
            days = await trend(Grain.DAY, day)
            assert sum(number for _, number in days) == 3
            await fold_all(backend, limit=2)

    async def test_a_group_outlives_its_tasks_but_not_for_ever(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await fail(backend)
        clock.advance(1)
        await backend.purge(clock.now(), limit=9)
        await fold_all(backend)
        assert [one.times for one in await ask(backend)] == [1]
        assert await matches(backend, failure=ONE.group) == []

        clock.advance(91 * 86_400)
        await fold_all(backend)

        assert await ask(backend) == []

    async def test_tasks_of_a_group_are_found_and_those_that_were_not_retried(
        self, backend: Backend
    ) -> None:
        first, retried, last = [await fail(backend) for _ in range(3)]
        await fail(backend, OTHER)
        await accept(backend, task(retry_of=retried))

        assert await matches(backend, failure=ONE.group) == [last, retried, first]
        assert await matches(backend, failure=ONE.group, retried=False) == [last, first]
        failed = frozenset({TaskStatus.FAILED})
        wanted = Query(statuses=failed, failure=ONE.group, retried=False)
        assert await backend.count(wanted) == 2
        assert await backend.count(Query(statuses=failed, retried=True)) == 1
