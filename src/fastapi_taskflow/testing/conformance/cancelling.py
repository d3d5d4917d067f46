"""Cancel: at once before the start, by asking after it; and what the asking beats."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend, CancelAnswer, CancelResult, Lease, Settled
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    claim,
    end,
    find,
    fresh_id,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, Move

CANCELLED = CancelAnswer(CancelResult.CANCELLED, TaskStatus.CANCELLED)
ASKED = CancelAnswer(CancelResult.ASKED, TaskStatus.RUNNING)
MISSING = CancelAnswer(CancelResult.MISSING, None)

BEATEN = [
    move
    for move, rule in MOVES.items()
    if rule.yields_to_cancel and rule.source is TaskStatus.RUNNING
]


class Cancelling(Conformance):
    """Cancel ends what has not started, and asks for the rest."""

    async def test_a_free_task_is_cancelled_at_once(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task(delay=5.0)
        await accept(backend, new)
        clock.advance(2)

        assert await backend.cancel([new.task_id]) == [CANCELLED]

        stored = await find(backend, new.task_id)
        assert stored.record.status is TaskStatus.CANCELLED
        assert stored.record.end_time == clock.now()
        assert stored.record.start_time is None
        clock.advance(9)
        assert await claim(backend) == []
        assert await backend.next_due(["default"]) is None

    async def test_a_claimed_task_is_cancelled_at_once_and_never_starts(
        self, backend: Backend
    ) -> None:
        await accept(backend, task())
        (got,) = await claim(backend)

        assert await backend.cancel([got.lease.task_id]) == [CANCELLED]

        assert await backend.start([got.lease]) == [None]
        stored = await find(backend, got.lease.task_id)
        assert stored.record.status is TaskStatus.CANCELLED
        assert stored.owner is None
        assert await backend.owned(A) == []

    async def test_a_task_that_waits_for_a_retry_is_cancelled_at_once(
        self, backend: Backend
    ) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.RETRY, delay=60.0, elapsed=0.5)

        assert await backend.cancel([lease.task_id]) == [CANCELLED]

    async def test_a_running_task_is_asked(self, backend: Backend) -> None:
        lease = await running(backend)

        assert await backend.cancel([lease.task_id]) == [ASKED]

        stored = await find(backend, lease.task_id)
        assert (stored.cancel_asked, stored.record.status) == (True, TaskStatus.RUNNING)
        assert stored.owner == A
        assert (await backend.signals(A)).cancel == (lease.task_id,)
        assert (await backend.signals(B)).cancel == ()

    async def test_asking_twice_is_asking_once(self, backend: Backend) -> None:
        lease = await running(backend)

        assert await backend.cancel([lease.task_id, lease.task_id]) == [ASKED, ASKED]
        assert (await backend.signals(A)).cancel == (lease.task_id,)

    async def test_a_signal_ends_with_its_task(self, backend: Backend) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])
        await end(backend, lease, Move.SUCCEED)

        assert (await backend.signals(A)).cancel == ()

    async def test_a_signal_follows_its_task_to_another_owner(self, backend: Backend) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])
        (got,) = await recover_all(backend, by=B, dead=A)

        assert got.task.cancel_asked
        assert (await backend.signals(B)).cancel == (lease.task_id,)

    async def test_a_task_of_the_memory_tier_is_only_asked(self, backend: Backend) -> None:
        new = task(persist=False, owner=A)
        await accept(backend, new)

        answer = await backend.cancel([new.task_id])

        assert answer == [CancelAnswer(CancelResult.ASKED, TaskStatus.PENDING)]
        stored = await find(backend, new.task_id)
        assert (stored.cancel_asked, stored.owner) == (True, A)
        assert (await backend.signals(A)).cancel == (new.task_id,)

    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.FAIL, Move.INTERRUPT, Move.CANCEL])
    async def test_an_ended_task_is_refused(self, backend: Backend, move: Move) -> None:
        lease = await running(backend)
        await end(backend, lease, move)

        assert await backend.cancel([lease.task_id]) == [
            CancelAnswer(CancelResult.REFUSED, MOVES[move].target)
        ]

    async def test_answers_come_in_order_and_equal_ids_count_in_order(
        self, backend: Backend
    ) -> None:
        one, two = task(), task()
        await accept(backend, one, two)

        answers = await backend.cancel([two.task_id, fresh_id(), one.task_id, two.task_id])

        refused = CancelAnswer(CancelResult.REFUSED, TaskStatus.CANCELLED)
        assert answers == [CANCELLED, MISSING, CANCELLED, refused]
        assert await backend.cancel([]) == []


class CancelAsked(Conformance):
    """A wish to cancel beats every end but success."""

    @pytest.mark.parametrize("move", BEATEN)
    async def test_the_wish_beats(self, backend: Backend, clock: ManualClock, move: Move) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])
        clock.advance(4)

        settled = await end(
            backend, lease, move, delay=1.0, error="why", stacktrace="where", logs=("last words",)
        )

        assert settled == Settled(TaskStatus.CANCELLED)
        stored = await find(backend, lease.task_id)
        assert stored.record.status is TaskStatus.CANCELLED
        assert stored.record.end_time == clock.now()
        assert (stored.record.error, stored.record.stacktrace) == ("why", "where")
        assert stored.record.logs == ["last words"]
        assert stored.owner is None
        rule = MOVES[move]
        assert (stored.failures, stored.interruptions) == (rule.failures, rule.interruptions)
        assert await backend.attempts(lease.task_id) == []
        clock.advance(9)
        assert await claim(backend) == []

    async def test_the_wish_does_not_beat_success(self, backend: Backend) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])

        assert await end(backend, lease, Move.SUCCEED) == Settled(TaskStatus.SUCCESS)

    @pytest.mark.parametrize("move", [Move.GIVE_BACK, Move.ABANDON])
    async def test_the_wish_beats_recovery_of_what_never_started(
        self, backend: Backend, move: Move
    ) -> None:
        new = task(persist=False, owner=A)
        await accept(backend, new)
        await backend.cancel([new.task_id])
        (got,) = await recover_all(backend, by=B, dead=A)

        assert await end(backend, got.lease, move) == Settled(TaskStatus.CANCELLED)

    @pytest.mark.parametrize("move", [Move.RESCUE, Move.LOSE])
    async def test_the_wish_beats_recovery_of_what_was_running(
        self, backend: Backend, move: Move
    ) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])
        (got,) = await recover_all(backend, by=B, dead=A)

        assert await end(backend, got.lease, move) == Settled(TaskStatus.CANCELLED)

    async def test_a_repeated_outcome_that_the_wish_beat_answers_the_same(
        self, backend: Backend
    ) -> None:
        lease = await running(backend)
        await backend.cancel([lease.task_id])
        first = await end(backend, lease, Move.RETRY)

        assert await end(backend, lease, Move.RETRY) == first
        assert await end(backend, Lease(lease.task_id, lease.fence), Move.SUCCEED) == first
