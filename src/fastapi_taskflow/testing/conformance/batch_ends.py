"""Ends of the tasks of batches: counts, and callbacks that are added once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Callback,
    CancelResult,
    Member,
    Outcome,
    Query,
    QueueIsFull,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.batching import (
    D,
    F,
    S,
    added,
    batches_of,
    called,
    counts,
    look,
    run_all,
    started,
)
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    ids,
    put,
    recover_all,
    task,
)
from fastapi_taskflow.words.states import Move


class BatchEnds(Conformance):
    """Counts, and callbacks exactly once."""

    @pytest.mark.parametrize(
        ("moves", "ended", "expected"),
        [
            ((Move.SUCCEED, Move.SUCCEED), (2, 0, 0), {S, D}),
            ((Move.SUCCEED, Move.FAIL), (1, 1, 0), {F, D}),
            ((Move.INTERRUPT, Move.CANCEL), (0, 1, 1), {F, D}),
            ((Move.SUCCEED, Move.RETRY), (1, 0, 0), set()),
            ((Move.LOSE, Move.SNOOZE), (0, 1, 0), {F}),
        ],
        ids=["success", "failure", "neither", "retry", "first"],
    )
    async def test_ends_are_counted_and_callbacks_added(
        self,
        backend: Backend,
        moves: tuple[Move, Move],
        ended: tuple[int, int, int],
        expected: set[Callback],
    ) -> None:
        new = await added(backend, 2, S, F, D)

        await run_all(backend, *moves)

        assert await counts(backend, new) == ended
        assert await called(backend, new) == expected
        assert ((await look(backend, new)).ended_at is None) == (D not in expected)

    async def test_one_call_may_end_them_all(self, backend: Backend) -> None:
        new = await added(backend, 3, S, F, D)
        leases = await started(backend)

        await backend.finish([Outcome(one, Move.SUCCEED) for one in leases])
        await backend.finish([Outcome(one, Move.SUCCEED) for one in leases])

        assert await counts(backend, new) == (3, 0, 0)
        assert await called(backend, new) == {S, D}

    async def test_the_last_two_may_end_at_the_same_time(
        self, backend: Backend, second: Backend
    ) -> None:
        new = [await added(backend, 2, S, D) for _ in range(5)]
        leases = await started(backend)

        await asyncio.gather(
            *(
                one.finish([Outcome(lease, Move.SUCCEED)])
                for pair in zip(leases[::2], leases[1::2], strict=True)
                for one, lease in zip((backend, second), pair, strict=True)
            )
        )

        for one in new:
            assert await counts(backend, one) == (2, 0, 0)
            assert await called(backend, one) == {S, D}

    async def test_cancelled_ones_count(self, backend: Backend) -> None:
        new = await added(backend, 2, S, F, D)

        answers = await backend.cancel([one.task_id for one in new.tasks])

        assert [one.result for one in answers] == [CancelResult.CANCELLED] * 2
        assert await counts(backend, new) == (0, 0, 2)
        assert await called(backend, new) == {F, D}

    async def test_the_tasks_of_a_dead_instance_count_once(self, backend: Backend) -> None:
        new = await added(backend, 2, F, D)
        leases = await started(backend, B)

        for one in await recover_all(backend, A, B):
            await end(backend, one.lease, Move.LOSE)
        late = [await end(backend, lease, Move.SUCCEED) for lease in leases]

        assert all(one.late for one in late)
        assert await counts(backend, new) == (0, 2, 0)
        assert await called(backend, new) == {F, D}

    async def test_a_callback_is_run_like_any_task(self, backend: Backend) -> None:
        new = await added(backend, 1, D)
        await run_all(backend, Move.SUCCEED)

        claims = await claim(backend, functions=frozenset({"g"}))

        assert ids(claims) == [new.callbacks[D].task_id]
        assert claims[0].task.member == Member(new.batch_id)
        await begin(backend, claims[0].lease)
        await end(backend, claims[0].lease, Move.FAIL)
        assert await counts(backend, new) == (1, 0, 0)

    @pytest.mark.parametrize("replace", [False, True])
    async def test_a_retry_takes_its_place(self, backend: Backend, replace: bool) -> None:
        new = await added(backend, 2, S, F, D)
        await run_all(backend, Move.SUCCEED, Move.FAIL)

        again = task(retry_of=new.tasks[1].task_id, replace_original=replace)
        await accept(backend, again)
        reopened = await look(backend, new)
        first = await called(backend, new)
        await run_all(backend, Move.SUCCEED)

        assert (reopened.success, reopened.failed, reopened.ended_at) == (1, 0, None)
        assert first == {F, D}
        assert (await find(backend, again.task_id)).member == Member(new.batch_id, 1)
        assert await counts(backend, new) == (2, 0, 0)
        assert await called(backend, new) == {S, F, D}
        assert (await look(backend, new)).ended_at is not None

    async def test_a_retry_of_a_callback_counts_nothing(self, backend: Backend) -> None:
        new = await added(backend, 1, D)
        await run_all(backend, Move.SUCCEED)
        await backend.cancel([new.callbacks[D].task_id])

        await accept(backend, task(func_name="g", retry_of=new.callbacks[D].task_id))

        assert await counts(backend, new) == (1, 0, 0)

    async def test_a_retry_that_finds_no_room_leaves_the_batch(self, backend: Backend) -> None:
        new = await added(backend, 1, D)
        await run_all(backend, Move.FAIL)

        answer = await put(backend, task(retry_of=new.tasks[0].task_id), limits={"default": 0})

        assert isinstance(answer, QueueIsFull)
        assert await counts(backend, new) == (0, 1, 0)

    async def test_a_retry_outlives_its_batch(self, backend: Backend, clock: ManualClock) -> None:
        new = await added(backend, 1, D)
        await run_all(backend, Move.FAIL)
        await accept(backend, task(retry_of=new.tasks[0].task_id))
        (lease,) = await started(backend)
        await end(backend, lease, Move.FAIL)
        clock.advance(60)
        await backend.purge(clock.now() - timedelta(seconds=30), limit=1)

        (rest,) = (await backend.search(Query(func_name="f"), limit=5)).tasks
        await accept(backend, task(retry_of=rest.record.task_id))
        await run_all(backend, Move.SUCCEED)

        assert await batches_of(backend).find([new.batch_id]) == [None]
