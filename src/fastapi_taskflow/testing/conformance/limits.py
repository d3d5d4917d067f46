"""Queue limits at the time of the insert."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Backend, QueueIsFull, Stored
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    keyed,
    missing,
    put,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class QueueLimits(Conformance):
    """``max_size`` counts PENDING tasks that never started, in the whole store."""

    async def test_what_does_not_fit_is_kept_as_rejected_and_nothing_else(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        fits, too_many, also = task(), task(tags={"a": "b"}), task()

        answer = await put(backend, fits, too_many, also, limits={"default": 1})

        assert answer == QueueIsFull("default", 1, too_many.task_id)
        assert await missing(backend, fits.task_id, also.task_id)
        stored = await find(backend, too_many.task_id)
        assert stored.record.status is TaskStatus.REJECTED
        assert stored.record.end_time == clock.now()
        assert stored.record.start_time is None
        assert (stored.payload, stored.record.tags) == (b"payload", {"a": "b"})
        assert await claim(backend) == []

    async def test_a_rejected_group_sent_again_keeps_one_record(self, backend: Backend) -> None:
        group = task(), task()
        first = await put(backend, *group, limits={"default": 1})

        again = await put(backend, *group, limits={"default": 1})

        assert again == first
        assert [(cell.status, cell.rows) for cell in await backend.tally() if cell.rows] == [
            (TaskStatus.REJECTED, 1)
        ]

    async def test_a_rejected_task_stays_rejected_when_there_is_room_later(
        self, backend: Backend
    ) -> None:
        new = task()
        first = await put(backend, new, limits={"default": 0})

        assert await put(backend, new, limits={"default": 0}) == first
        again = await put(backend, new, limits={"default": 10})

        assert isinstance(again, QueueIsFull)
        assert (await find(backend, new.task_id)).record.status is TaskStatus.REJECTED

    async def test_earlier_groups_of_the_same_call_count(self, backend: Backend) -> None:
        groups = [[task()], [task()], [task()]]

        answers = await backend.insert(groups, {"default": 2})

        assert [type(answer) for answer in answers] == [Stored, Stored, QueueIsFull]

    async def test_a_group_that_was_refused_takes_no_place(self, backend: Backend) -> None:
        groups = [[task(), task(), task()], [task(), task()]]

        answers = await backend.insert(groups, {"default": 2})

        assert [type(answer) for answer in answers] == [QueueIsFull, Stored]

    async def test_only_the_limited_queue_is_limited(self, backend: Backend) -> None:
        await accept(backend, task(queue="other"), task(queue="other"))

        answer = await put(backend, task(), task(queue="other"), limits={"default": 1})

        assert isinstance(answer, Stored)

    async def test_claimed_tasks_count_until_they_start(self, backend: Backend) -> None:
        new = task(owner=A)
        await accept(backend, new)

        assert isinstance(await put(backend, task(), limits={"default": 1}), QueueIsFull)
        await begin(backend, (await backend.owned(A))[0].lease)
        assert isinstance(await put(backend, task(), limits={"default": 1}), Stored)

    async def test_tasks_that_wait_for_a_retry_do_not_count(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.RETRY, delay=60.0)

        assert isinstance(await put(backend, task(), limits={"default": 1}), Stored)

    async def test_a_task_given_back_before_its_start_counts(self, backend: Backend) -> None:
        await accept(backend, task())
        (got,) = await claim(backend)
        await end(backend, got.lease, Move.GIVE_BACK)

        assert isinstance(await put(backend, task(), limits={"default": 1}), QueueIsFull)

    async def test_a_cancelled_task_makes_room(self, backend: Backend) -> None:
        new = task()
        await accept(backend, new)
        await backend.cancel([new.task_id])

        assert isinstance(await put(backend, task(), limits={"default": 1}), Stored)

    async def test_tasks_of_the_memory_tier_count_while_they_wait(self, backend: Backend) -> None:
        await accept(backend, task(persist=False, owner=A))

        assert isinstance(await put(backend, task(), limits={"default": 1}), QueueIsFull)

    async def test_a_duplicate_takes_no_place(self, backend: Backend) -> None:
        await put(backend, keyed("k"), limits={"default": 1})

        answer = await put(backend, keyed("k"), limits={"default": 1})

        assert isinstance(answer, Stored)
