"""What a lost lease, a lost reply or a repeated outcome does: nothing twice."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Attempt, Backend, Lease, Outcome, Settled
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    claim,
    end,
    find,
    recover_all,
    run,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, Move


class LostLeases(Conformance):
    """Only the lease that holds a claim may end it."""

    async def test_a_lost_lease_finishes_nothing(self, backend: Backend) -> None:
        new = task(requeue=True)
        stale = await running(backend, new)
        await recover_all(backend, by=B, dead=A)
        before = await find(backend, new.task_id)

        settled = await end(backend, stale, Move.SUCCEED, error="late", logs=("late",))

        assert settled == Settled(TaskStatus.RUNNING, late=True)
        assert await find(backend, new.task_id) == before

    async def test_a_late_outcome_is_kept_as_an_attempt(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)
        clock.advance(3)

        await end(backend, stale, Move.FAIL, error="why", stacktrace="where", elapsed=0.5)

        assert await backend.attempts(stale.task_id) == [
            Attempt(
                number=0,
                fence=stale.fence,
                instance=None,
                started_at=None,
                ended_at=clock.now(),
                elapsed=0.5,
                move=Move.FAIL,
                error="why",
                stacktrace="where",
                late=True,
            )
        ]

    async def test_a_late_outcome_sent_again_is_kept_once(self, backend: Backend) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)

        first = await end(backend, stale, Move.SUCCEED)

        assert await end(backend, stale, Move.SUCCEED) == first
        assert len(await backend.attempts(stale.task_id)) == 1

    async def test_an_outcome_after_the_end_is_late_and_changes_nothing(
        self, backend: Backend
    ) -> None:
        stale = await running(backend)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.LOSE, error="lost")
        before = await find(backend, stale.task_id)

        assert await end(backend, stale, Move.SUCCEED) == Settled(TaskStatus.INTERRUPTED, late=True)
        assert await find(backend, stale.task_id) == before
        assert len(await backend.attempts(stale.task_id)) == 1

    async def test_an_old_run_cannot_end_the_new_one(self, backend: Backend) -> None:
        new = task(requeue=True)
        stale = await running(backend, new, A)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.RESCUE)
        fresh = await run(backend, new, B)

        assert (await end(backend, stale, Move.FAIL)).late
        assert await end(backend, fresh, Move.SUCCEED) == Settled(TaskStatus.SUCCESS)

    async def test_nobody_ends_a_free_task(self, backend: Backend) -> None:
        new = task()
        await accept(backend, new)
        before = await find(backend, new.task_id)

        for move in MOVES:
            await end(backend, Lease(new.task_id, 0), move)

        assert await find(backend, new.task_id) == before

    async def test_late_outcomes_do_not_hide_the_regular_history(self, backend: Backend) -> None:
        new = task(requeue=True)
        stale = await running(backend, new)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.RESCUE)
        await end(backend, stale, Move.SUCCEED)

        history = await backend.attempts(new.task_id)

        assert sorted((one.fence, one.late) for one in history) == [(1, True), (2, False)]


class RepeatedOutcomes(Conformance):
    """An outcome whose reply was lost may be sent again."""

    @pytest.mark.parametrize("move", list(MOVES))
    async def test_a_repeated_outcome_answers_the_same_and_counts_once(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        if MOVES[move].source is TaskStatus.RUNNING:
            lease = await running(backend)
        else:
            await accept(backend, task(owner=A))
            lease = (await backend.owned(A))[0].lease
        first = await end(backend, lease, move, delay=1.0, error="why", elapsed=1.0, logs=("x",))
        before = await find(backend, lease.task_id)
        clock.advance(9)

        again = await end(backend, lease, move, delay=1.0, error="why", elapsed=1.0, logs=("x",))

        assert again == first
        assert await find(backend, lease.task_id) == before
        assert not any(one.late for one in await backend.attempts(lease.task_id))
        ended = sum(cell.ended for cell in await backend.tally())
        assert ended == (0 if first.status is TaskStatus.PENDING else 1)

    @pytest.mark.parametrize("move", [Move.RETRY, Move.SNOOZE, Move.DRAIN, Move.RESCUE])
    async def test_an_accepted_outcome_is_not_late_when_another_has_the_task_by_now(
        self, backend: Backend, move: Move
    ) -> None:
        new = task(requeue=True)
        lease = await running(backend, new)
        await end(backend, lease, move)
        await run(backend, new, B)
        before = await find(backend, new.task_id)

        again = await end(backend, lease, move)

        assert again.late is False
        assert await find(backend, new.task_id) == before
        assert len(await backend.attempts(new.task_id)) == 1

    async def test_the_same_outcome_twice_in_one_call_counts_once(self, backend: Backend) -> None:
        lease = await running(backend)

        answers = await backend.finish([Outcome(lease, Move.RETRY)] * 2)

        assert answers == [Settled(TaskStatus.PENDING)] * 2
        assert (await find(backend, lease.task_id)).failures == 1
        assert len(await backend.attempts(lease.task_id)) == 1


class Finality(Conformance):
    """A terminal state is final."""

    @pytest.mark.parametrize("last", [Move.SUCCEED, Move.FAIL, Move.INTERRUPT, Move.CANCEL])
    async def test_nothing_changes_an_ended_task(self, backend: Backend, last: Move) -> None:
        lease = await running(backend)
        await end(backend, lease, last)
        before = await find(backend, lease.task_id)

        for move in MOVES:
            await end(backend, lease, move, error="again")
        await backend.start([lease])
        await backend.cancel([lease.task_id])
        await recover_all(backend, by=B, dead=A)

        assert await find(backend, lease.task_id) == before
        assert await claim(backend, B) == []

    async def test_the_fence_grows_with_every_new_holder(self, backend: Backend) -> None:
        new = task(requeue=True)
        first = await running(backend, new, A)
        (taken,) = await recover_all(backend, by=B, dead=A)
        await end(backend, taken.lease, Move.RESCUE)
        second = await run(backend, new, B)
        await end(backend, second, Move.RETRY)
        (third,) = await claim(backend, B)

        assert [first.fence, taken.lease.fence, second.fence, third.lease.fence] == [1, 2, 3, 4]
