"""Start and finish: every move of the table, the lease as the only key, and repetition."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fastapi_taskflow.backends.base import Backend, Lease, Outcome, Settled
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
    fresh_id,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, TERMINAL, Move

FROM_RUNNING = [move for move, rule in MOVES.items() if rule.source is TaskStatus.RUNNING]
FROM_PENDING = [move for move, rule in MOVES.items() if rule.source is TaskStatus.PENDING]
TO_PENDING = [move for move, rule in MOVES.items() if rule.target is TaskStatus.PENDING]


async def held(backend: Backend, move: Move) -> Lease:
    """A lease in the state that ``move`` needs."""
    if MOVES[move].source is TaskStatus.RUNNING:
        return await running(backend)
    new = task()
    await accept(backend, new)
    (got,) = await claim(backend)
    return got.lease


class Starting(Conformance):
    """Start commits RUNNING for whoever holds the lease."""

    async def test_start_commits_running_with_the_stores_time(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await accept(backend, task())
        (got,) = await claim(backend)
        clock.advance(2)

        assert await backend.start([got.lease]) == [clock.now()]

        stored = await find(backend, got.lease.task_id)
        assert stored.record.status is TaskStatus.RUNNING
        assert stored.record.start_time == clock.now()
        assert (stored.owner, stored.record.instance) == (A, A)
        assert stored.record.retries_used == 0

    async def test_a_repeated_start_answers_the_first_start_time(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        lease = await running(backend)
        started = clock.now()
        clock.advance(3)

        assert await backend.start([lease]) == [started]
        assert (await find(backend, lease.task_id)).record.start_time == started

    async def test_start_without_the_lease_changes_nothing(self, backend: Backend) -> None:
        new = task()
        await accept(backend, new)

        assert await backend.start([Lease(new.task_id, 0), Lease(new.task_id, 1)]) == [None, None]
        (got,) = await claim(backend)
        stale, future = Lease(new.task_id, 0), Lease(new.task_id, 2)
        assert await backend.start([stale, future, Lease(fresh_id(), 1)]) == [None] * 3
        assert (await find(backend, got.lease.task_id)).record.status is TaskStatus.PENDING

    async def test_a_task_that_was_given_back_or_cancelled_is_not_started(
        self, backend: Backend
    ) -> None:
        await accept(backend, task(), task())
        given_back, cancelled = [got.lease for got in await claim(backend)]
        await end(backend, given_back, Move.GIVE_BACK)
        await backend.cancel([cancelled.task_id])

        assert await backend.start([given_back, cancelled]) == [None, None]

    async def test_an_ended_task_is_not_started(self, backend: Backend) -> None:
        retried, done = await running(backend), await running(backend)
        await end(backend, retried, Move.RETRY)
        await end(backend, done, Move.SUCCEED)

        assert await backend.start([retried, done]) == [None, None]

    async def test_a_lease_that_was_recovered_is_not_started(self, backend: Backend) -> None:
        await accept(backend, task(owner=A))
        (old,) = await backend.owned(A)
        await recover_all(backend, by=B, dead=A)

        assert await backend.start([old.lease]) == [None]

    async def test_start_answers_in_order_and_nothing_for_nothing(self, backend: Backend) -> None:
        await accept(backend, task(), task())
        one, two = [got.lease for got in await claim(backend)]
        await end(backend, one, Move.GIVE_BACK)

        answers = await backend.start([one, two, one])

        assert [answer is None for answer in answers] == [True, False, True]
        assert await backend.start([]) == []

    async def test_each_start_says_which_retry_it_is(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.RETRY)
        clock.advance(1)
        (got,) = await claim(backend, B)
        assert got.task.record.retries_used == 0

        await begin(backend, got.lease)

        stored = await find(backend, lease.task_id)
        assert stored.record.retries_used == 1
        assert stored.record.start_time == clock.now()
        assert (stored.owner, stored.record.instance) == (B, B)


class Finishing(Conformance):
    """A finish moves a task as the table says."""

    @pytest.mark.parametrize("move", list(MOVES))
    async def test_each_move_does_what_the_table_says(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        rule = MOVES[move]
        lease = await held(backend, move)
        before = await find(backend, lease.task_id)
        clock.advance(7)

        settled = await end(
            backend, lease, move, delay=3.0, error="why", stacktrace="where", elapsed=1.25
        )

        assert settled == Settled(rule.target, late=False)
        stored = await find(backend, lease.task_id)
        record = stored.record
        assert record.status is rule.target
        assert (stored.failures, stored.interruptions) == (rule.failures, rule.interruptions)
        assert (stored.owner, stored.fence) == (None, lease.fence)
        assert (record.error, record.stacktrace) == ("why", "where")
        assert record.start_time == before.record.start_time
        assert record.instance == before.record.instance
        if rule.target in TERMINAL:
            assert record.end_time == clock.now()
            assert record.elapsed == 1.25
        else:
            assert record.end_time is None
            assert record.due_at == clock.now() + timedelta(seconds=3)

    @pytest.mark.parametrize("move", TO_PENDING)
    async def test_a_move_to_pending_frees_the_task_at_its_due_time(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        lease = await held(backend, move)

        await end(backend, lease, move, delay=2.5)

        assert await backend.owned(A) == []
        clock.advance(2.499999)
        assert await claim(backend, B) == []
        clock.advance(0.000001)
        (got,) = await claim(backend, B)
        assert got.lease == Lease(lease.task_id, lease.fence + 1)
        assert got.task.payload == b"payload"

    async def test_failures_and_interruptions_add_up(self, backend: Backend) -> None:
        moves = [Move.RETRY, Move.RESCUE, Move.SNOOZE, Move.DRAIN, Move.RETRY, Move.FAIL]
        await accept(backend, task(requeue=True))
        lease = Lease("", 0)
        for move in moves:
            (got,) = await claim(backend)
            lease = got.lease
            await begin(backend, lease)
            await end(backend, lease, move)

        stored = await find(backend, lease.task_id)
        assert (stored.failures, stored.interruptions, stored.fence) == (3, 1, 6)
        assert stored.record.retries_used == 2

    async def test_a_success_clears_the_error_of_an_earlier_attempt(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.RETRY, error="boom", stacktrace="tb")
        (got,) = await claim(backend)
        await begin(backend, got.lease)
        await end(backend, got.lease, Move.SUCCEED)

        record = (await find(backend, lease.task_id)).record
        assert (record.error, record.stacktrace) == (None, None)

    async def test_the_duration_is_the_last_attempts(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        measured, unmeasured = await running(backend), await running(backend)
        clock.advance(4)

        await end(backend, measured, Move.SUCCEED, elapsed=0.125)
        await end(backend, unmeasured, Move.SUCCEED)

        assert (await find(backend, measured.task_id)).record.duration == 0.125
        assert (await find(backend, unmeasured.task_id)).record.duration == 4

    async def test_outcomes_are_answered_in_order_and_unknown_tasks_with_none(
        self, backend: Backend
    ) -> None:
        one, two = await running(backend), await running(backend)

        answers = await backend.finish(
            [
                Outcome(two, Move.FAIL),
                Outcome(Lease(fresh_id(), 1), Move.SUCCEED),
                Outcome(one, Move.SUCCEED),
            ]
        )

        assert answers == [Settled(TaskStatus.FAILED), None, Settled(TaskStatus.SUCCESS)]
        assert await backend.finish([]) == []

    @pytest.mark.parametrize("move", FROM_RUNNING)
    async def test_a_move_of_running_tasks_does_nothing_to_a_pending_one(
        self, backend: Backend, move: Move
    ) -> None:
        lease = await held(backend, Move.GIVE_BACK)
        before = await find(backend, lease.task_id)

        await end(backend, lease, move, error="no")

        assert await find(backend, lease.task_id) == before

    @pytest.mark.parametrize("move", FROM_PENDING)
    async def test_a_move_of_pending_tasks_does_nothing_to_a_running_one(
        self, backend: Backend, move: Move
    ) -> None:
        lease = await running(backend)
        before = await find(backend, lease.task_id)

        await end(backend, lease, move, error="no")

        assert await find(backend, lease.task_id) == before

    async def test_another_handle_sees_what_was_committed(
        self, backend: Backend, second: Backend
    ) -> None:
        lease = await running(backend)

        await end(second, lease, Move.SUCCEED)

        assert (await find(backend, lease.task_id)).record.status is TaskStatus.SUCCESS
        assert await find(second, lease.task_id) == await find(backend, lease.task_id)
