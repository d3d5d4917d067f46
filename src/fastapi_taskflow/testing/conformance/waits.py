"""Waits: how long tasks had been due when they started, and since when others wait now."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from fastapi_taskflow.backends.base import Backend, Grain, RollupQuery
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    recover_all,
    run,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.testing.conformance.rollups import fold_all
from fastapi_taskflow.words.durations import bin_of
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

_QUEUES = "default", "other", "empty"


async def waits(backend: Backend, grain: Grain = Grain.EVER) -> Counter[int]:
    """How many waited how long, over all time."""
    found = await backend.rollups(RollupQuery(grain=grain))
    return sum((Counter(one.waits) for one in found), Counter[int]())


async def minutes(backend: Backend) -> list[tuple[datetime | None, int, dict[int, int]]]:
    """What ended in each minute, and the waits of what started in it."""
    found = await backend.rollups(RollupQuery(grain=Grain.MINUTE, by_start=True))
    return sorted((one.start, one.ended, dict(one.waits)) for one in found)


class Waits(Conformance):
    """Waits are counted with the ends of tasks, in the span in which these had started."""

    async def test_a_wait_is_in_the_span_in_which_it_was_over(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new, begun = task(), clock.now()
        await accept(backend, new)
        clock.advance(90)
        lease = await run(backend, new)
        clock.advance(120)
        await fold_all(backend)
        assert await waits(backend) == {}

        await end(backend, lease, Move.SUCCEED, elapsed=120.0)

        for _ in range(2):
            assert await minutes(backend) == [
                (begun + timedelta(minutes=1), 0, {bin_of(90.0): 1}),
                (begun + timedelta(minutes=3), 1, {}),
            ]
            for grain in Grain:
                assert await waits(backend, grain) == {bin_of(90.0): 1}
            clock.advance(60)
            await fold_all(backend)

    async def test_a_task_waits_from_when_it_is_due(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task(delay=100.0)
        await accept(backend, new)
        clock.advance(104)

        await end(backend, await run(backend, new), Move.FAIL, elapsed=1.0)

        assert await waits(backend) == {bin_of(4.0): 1}

    async def test_the_wait_of_a_retried_task_is_that_of_its_last_attempt(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task()
        await accept(backend, new)
        clock.advance(50)
        await end(backend, await run(backend, new), Move.RETRY, delay=10.0)
        assert await waits(backend) == {}
        clock.advance(12)

        await end(backend, await run(backend, new), Move.SUCCEED)

        assert await waits(backend) == {bin_of(2.0): 1}

    async def test_what_did_not_start_has_no_wait(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new, between = task(), task()
        await accept(backend, new)
        await backend.cancel([new.task_id])
        await end(backend, await running(backend, between), Move.RETRY, delay=10.0)
        clock.advance(20)
        await backend.cancel([between.task_id])

        assert await waits(backend) == {}

    async def test_a_task_that_was_lost_has_waited_too(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task()
        await accept(backend, new)
        clock.advance(8)
        await run(backend, new)
        clock.advance(60)
        (got,) = await recover_all(backend, by=B, dead=A)

        await end(backend, got.lease, Move.LOSE)

        assert await waits(backend) == {bin_of(8.0): 1}

    async def test_a_mirrored_task_waits_from_when_it_came_or_is_due(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        came = clock.now()
        at_once, later = light(created_at=came), light(created_at=came)
        clock.advance(16)
        start = clock.now()
        due = {"due_at": start - timedelta(seconds=1)}

        await backend.mirror(A, [snapshot(at_once, TaskStatus.SUCCESS, start)])
        await backend.mirror(A, [snapshot(later, TaskStatus.SUCCESS, start, **due)])

        assert await waits(backend) == {bin_of(16.0): 1, bin_of(1.0): 1}


class WaitingSince(Conformance):
    """Of each queue the task is told that is due and waits the longest."""

    async def test_the_first_that_is_due_counts_in_each_queue(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        assert await backend.waiting_since(_QUEUES) == {}
        begun = clock.now()
        urgent = task(priority=9, func_name="g")
        soon, late = task(queue="other", delay=20.0), task(queue="other", delay=90.0)
        await accept(backend, task())
        clock.advance(10)
        await accept(backend, urgent, soon, late)

        assert await backend.waiting_since(_QUEUES) == {"default": begun}
        clock.advance(30)

        found = await backend.waiting_since(_QUEUES)
        assert found == {"default": begun, "other": begun + timedelta(seconds=30)}
        assert await backend.waiting_since(["empty"]) == {}
        assert await backend.waiting_since([]) == {}

    async def test_who_started_waits_no_more(self, backend: Backend, clock: ManualClock) -> None:
        first, begun = task(), clock.now()
        await accept(backend, first)
        clock.advance(1)
        await accept(backend, task())
        (got, _) = await claim(backend)
        assert await backend.waiting_since(_QUEUES) == {"default": begun}

        await begin(backend, got.lease)

        assert await backend.waiting_since(_QUEUES) == {"default": clock.now()}

    async def test_a_retry_waits_from_its_date(self, backend: Backend, clock: ManualClock) -> None:
        await end(backend, await running(backend), Move.RETRY, delay=5.0)
        due = clock.now() + timedelta(seconds=5)
        assert await backend.waiting_since(_QUEUES) == {}
        clock.advance(60)

        assert await backend.waiting_since(_QUEUES) == {"default": due}

    async def test_tasks_in_the_hands_of_their_owner_wait_too(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        came = clock.now()
        at_once, later = light(created_at=came), light(created_at=came, queue="other")
        due = came + timedelta(seconds=10)
        await backend.mirror(A, [snapshot(at_once, TaskStatus.PENDING)])
        await backend.mirror(A, [snapshot(later, TaskStatus.PENDING, due_at=due)])

        assert await backend.waiting_since(_QUEUES) == {"default": came}
        clock.advance(30)

        assert await backend.waiting_since(_QUEUES) == {"default": came, "other": due}

    async def test_who_is_behind_another_waits_for_that(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = task(order_key="k"), task(order_key="k")
        lease = await running(backend, first)
        await accept(backend, second)
        clock.advance(60)
        assert await backend.waiting_since(_QUEUES) == {}

        await end(backend, lease, Move.SUCCEED)

        assert await backend.waiting_since(_QUEUES) == {"default": clock.now()}

    async def test_what_is_paused_waits(self, backend: Backend, clock: ManualClock) -> None:
        begun = clock.now()
        await accept(backend, task())
        await backend.set_queue("default", {"paused": True})
        clock.advance(3600)

        assert await backend.waiting_since(_QUEUES) == {"default": begun}
