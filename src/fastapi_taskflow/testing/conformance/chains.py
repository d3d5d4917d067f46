"""Chains: a step is due when the one before has succeeded."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Member,
    Result,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.batching import (
    D,
    F,
    S,
    added,
    called,
    counts,
    run_all,
    started,
)
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    claim,
    end,
    find,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class Chains(Conformance):
    """One after the other."""

    async def test_a_step_is_due_when_the_one_before_has_succeeded(self, backend: Backend) -> None:
        new = await added(backend, 3, S, D, chain=True)
        first, second, third = (one.task_id for one in new.tasks)

        order = []
        for _ in range(3):
            (lease,) = await started(backend)
            order.append(lease.task_id)
            parked = (await find(backend, third)).record
            assert (parked.due_at is None) == (len(order) < 3)
            await end(backend, lease, Move.SUCCEED, result=Result(b"1", 5.0))

        assert order == [first, second, third]
        assert (await find(backend, second)).member == Member(new.batch_id, 1, first)
        assert await counts(backend, new) == (3, 0, 0)
        assert await called(backend, new) == {S, D}

    async def test_a_result_that_is_passed_on_stays(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = await added(backend, 2, chain=True)
        (lease,) = await started(backend)
        await end(backend, lease, Move.SUCCEED, result=Result(b"1", 5.0))

        clock.advance(60)
        await backend.purge(None, limit=10)

        assert (await find(backend, new.tasks[0].task_id)).result == b"1"

    @pytest.mark.parametrize("move", [Move.FAIL, Move.INTERRUPT, Move.CANCEL])
    async def test_a_step_without_success_stops_the_chain(
        self, backend: Backend, move: Move
    ) -> None:
        new = await added(backend, 4, S, F, D, chain=True)
        await run_all(backend, Move.SUCCEED)

        await run_all(backend, move)

        cancelled = 3 if move is Move.CANCEL else 2
        assert await counts(backend, new) == (1, 3 - cancelled, cancelled)
        assert await called(backend, new) == {F, D}
        last = (await find(backend, new.tasks[3].task_id)).record
        assert last.status is TaskStatus.CANCELLED
        assert last.error is not None
        assert await started(backend) == []

    async def test_a_result_that_was_not_stored_stops_the_chain(self, backend: Backend) -> None:
        new = await added(backend, 2, D, chain=True)
        (lease,) = await started(backend)

        await end(backend, lease, Move.SUCCEED, result=Result(None, missing="Too large"))

        assert await counts(backend, new) == (1, 0, 1)
        last = (await find(backend, new.tasks[1].task_id)).record
        assert "Too large" in (last.error or "")

    async def test_a_step_that_is_cancelled_cancels_those_behind(self, backend: Backend) -> None:
        new = await added(backend, 4, F, D, chain=True)

        await backend.cancel([new.tasks[2].task_id])
        early = await counts(backend, new)
        await run_all(backend, Move.SUCCEED)
        await run_all(backend, Move.SUCCEED)

        assert early == (0, 0, 2)
        assert await counts(backend, new) == (2, 0, 2)
        assert await called(backend, new) == {F, D}

    async def test_a_chain_that_is_cancelled_counts_each_step_once(self, backend: Backend) -> None:
        new = await added(backend, 3, S, F, D, chain=True)
        (lease,) = await started(backend)

        await backend.cancel([one.task_id for one in new.tasks])
        early = await counts(backend, new)
        await end(backend, lease, Move.CANCEL)

        assert early == (0, 0, 2)
        assert await counts(backend, new) == (0, 0, 3)
        assert await called(backend, new) == {F, D}

    async def test_a_retried_step_goes_on_with_those_behind(self, backend: Backend) -> None:
        new = await added(backend, 3, S, F, D, chain=True)
        await run_all(backend, Move.SUCCEED)
        await run_all(backend, Move.FAIL)

        again = task(
            retry_of=new.tasks[1].task_id,
            member=Member(new.batch_id, 1, new.tasks[0].task_id),
        )
        last = task(
            retry_of=new.tasks[2].task_id,
            member=Member(new.batch_id, 2, again.task_id, parked=True),
        )
        await accept(backend, again, last)
        order = []
        for _ in range(2):
            (lease,) = await started(backend)
            order.append(lease.task_id)
            await end(backend, lease, Move.SUCCEED)

        assert order == [again.task_id, last.task_id]
        assert await counts(backend, new) == (3, 0, 0)
        assert await called(backend, new) == {S, F, D}

    async def test_a_parked_step_is_nobodys_next(self, backend: Backend) -> None:
        await added(backend, 2, chain=True)
        (lease,) = await started(backend)

        due = await backend.next_due(["default"])

        assert due is None or due > 1_000_000
        assert await claim(backend) == []
        await end(backend, lease, Move.SUCCEED)
        due = await backend.next_due(["default"])
        assert due is not None
        assert due <= 0
