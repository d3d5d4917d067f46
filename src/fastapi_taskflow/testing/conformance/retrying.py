"""Manual retry: a new task in place of one that ended badly."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Inserted,
    KeyConflict,
    NewTask,
    QueueIsFull,
    RetryRefused,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    again,
    claim,
    end,
    find,
    fresh_id,
    keyed,
    missing,
    put,
    run,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


async def ended(backend: Backend, move: Move = Move.FAIL, new: NewTask | None = None) -> NewTask:
    """A task that was started and ended by ``move``."""
    new = new or task()
    await end(backend, await running(backend, new), move)
    return new


class ManualRetry(Conformance):
    """One retry per original, linked both ways."""

    @pytest.mark.parametrize("move", [Move.FAIL, Move.INTERRUPT, Move.CANCEL])
    async def test_what_ended_badly_is_retried_by_a_new_task(
        self, backend: Backend, move: Move
    ) -> None:
        original = await ended(backend, move)
        retry = task(retry_of=original.task_id)

        assert await accept(backend, retry) == [Inserted(retry.task_id, duplicate=False, fence=0)]

        old, new = await backend.get([original.task_id, retry.task_id])
        assert old is not None
        assert new is not None
        assert (old.record.retried_as, old.record.retry_of) == (retry.task_id, None)
        assert (new.record.retry_of, new.record.retried_as) == (original.task_id, None)
        assert (new.failures, new.record.status) == (0, TaskStatus.PENDING)
        assert len(await claim(backend)) == 1

    async def test_rejected_tasks_may_be_retried(self, backend: Backend) -> None:
        rejected = task()
        await put(backend, rejected, limits={"default": 0})

        await accept(backend, task(retry_of=rejected.task_id))

        assert len(await claim(backend)) == 1

    async def test_a_second_retry_of_one_task_is_refused_and_names_the_first(
        self, backend: Backend
    ) -> None:
        original = await ended(backend)
        first, second, other = task(retry_of=original.task_id), task(), task()
        await accept(backend, first)

        answer = await put(backend, other, second._replace(retry_of=original.task_id))

        assert answer == RetryRefused(original.task_id, retried_as=first.task_id)
        assert await missing(backend, other.task_id, second.task_id)

    async def test_two_retries_of_one_task_in_one_group_store_nothing(
        self, backend: Backend
    ) -> None:
        original = await ended(backend)
        first, second = task(retry_of=original.task_id), task(retry_of=original.task_id)

        answer = await put(backend, first, second)

        assert answer == RetryRefused(original.task_id, retried_as=first.task_id)
        assert await missing(backend, first.task_id)
        assert (await find(backend, original.task_id)).record.retried_as is None

    async def test_what_is_live_or_successful_is_not_retried(self, backend: Backend) -> None:
        done = await ended(backend, Move.SUCCEED)
        started = task()
        await running(backend, started)
        waiting = task()
        await accept(backend, waiting)
        wanted = {
            done.task_id: TaskStatus.SUCCESS,
            started.task_id: TaskStatus.RUNNING,
            waiting.task_id: TaskStatus.PENDING,
        }

        answers = [await put(backend, task(retry_of=task_id)) for task_id in wanted]

        assert answers == [
            RetryRefused(task_id, status=status) for task_id, status in wanted.items()
        ]

    async def test_a_retry_of_an_unknown_task_is_refused(self, backend: Backend) -> None:
        nobody = fresh_id()

        assert await put(backend, task(retry_of=nobody)) == RetryRefused(nobody)

    async def test_a_repeated_insert_of_a_retry_answers_the_same(self, backend: Backend) -> None:
        original = await ended(backend)
        retry = task(retry_of=original.task_id)
        first = await put(backend, retry)

        assert await put(backend, retry) == first

    async def test_a_retry_is_retried_in_turn(self, backend: Backend) -> None:
        original = await ended(backend)
        retry = await ended(backend, new=task(retry_of=original.task_id))

        await accept(backend, task(retry_of=retry.task_id))

        assert len(await claim(backend)) == 1

    async def test_replacing_the_original_deletes_it(self, backend: Backend) -> None:
        original, retry = await ended(backend), task()

        await accept(backend, retry._replace(retry_of=original.task_id, replace_original=True))

        assert await missing(backend, original.task_id)
        assert await backend.attempts(original.task_id) == []
        assert (await find(backend, retry.task_id)).record.retry_of == original.task_id
        again = await put(backend, task(retry_of=original.task_id))
        assert again == RetryRefused(original.task_id)
        failed = [cell for cell in await backend.tally() if cell.status is TaskStatus.FAILED]
        assert [(cell.rows, cell.ended) for cell in failed] == [(0, 1)]

    async def test_a_refused_group_deletes_no_original(self, backend: Backend) -> None:
        original = await ended(backend)
        replacing = task(retry_of=original.task_id, replace_original=True)
        await accept(backend, keyed("k"))

        await put(backend, replacing, keyed("k", b"different"))

        assert (await find(backend, original.task_id)).record.retried_as is None

    async def test_a_retry_that_finds_its_queue_full_leaves_its_original_alone(
        self, backend: Backend
    ) -> None:
        original = await ended(backend)
        retry = task(retry_of=original.task_id, replace_original=True)

        assert isinstance(await put(backend, retry, limits={"default": 0}), QueueIsFull)

        assert (await find(backend, original.task_id)).record.retried_as is None
        assert (await find(backend, retry.task_id)).record.retry_of == original.task_id
        await accept(backend, task(retry_of=original.task_id))

    async def test_an_alias_stands_for_its_original(self, backend: Backend) -> None:
        original, alias, retry = keyed("k"), keyed("k", alias=True), task()
        await accept(backend, original, alias)
        await end(backend, await run(backend, original), Move.FAIL)

        await accept(backend, retry._replace(retry_of=alias.task_id))

        assert (await find(backend, original.task_id)).record.retried_as == retry.task_id


class KeysOfRetries(Conformance):
    """A retry takes its original's key over, if nobody else has got it."""

    async def test_a_retry_takes_over_the_key_of_an_unknown_outcome(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        original = await ended(backend, Move.INTERRUPT, keyed("k"))
        retry = task(retry_of=original.task_id)

        await accept(backend, retry)

        assert (await find(backend, retry.task_id)).record.idempotency_key == "k"
        clock.advance(10**6)
        assert await accept(backend, keyed("k")) == [again(retry.task_id)]
        conflict = await put(backend, keyed("k", b"different"))
        assert conflict == KeyConflict("k", retry.task_id)

    async def test_a_retry_takes_the_freed_key_of_a_failed_task_again(
        self, backend: Backend
    ) -> None:
        original = await ended(backend, Move.FAIL, keyed("k"))
        retry = task(retry_of=original.task_id, replace_original=True)

        await accept(backend, retry)

        assert await accept(backend, keyed("k")) == [again(retry.task_id)]

    async def test_the_fingerprint_of_a_retry_is_its_originals(self, backend: Backend) -> None:
        original = await ended(backend, Move.INTERRUPT, keyed("k"))
        retry = keyed("other", b"resealed", retry_of=original.task_id)

        await accept(backend, retry)

        assert await accept(backend, keyed("k")) == [again(retry.task_id)]
        (inserted,) = await accept(backend, keyed("other"))
        assert not inserted.duplicate

    async def test_a_failed_retry_frees_the_key(self, backend: Backend) -> None:
        original = await ended(backend, Move.INTERRUPT, keyed("k"))
        await ended(backend, Move.FAIL, task(retry_of=original.task_id))

        (inserted,) = await accept(backend, keyed("k"))

        assert not inserted.duplicate

    @pytest.mark.parametrize("payload", [b"payload", b"different"])
    @pytest.mark.parametrize("succeeded", [False, True], ids=["live", "succeeded"])
    async def test_a_retry_is_refused_while_another_task_has_the_key(
        self, backend: Backend, payload: bytes, succeeded: bool
    ) -> None:
        original = await ended(backend, Move.FAIL, keyed("k"))
        heir, retry = keyed("k", payload), task(retry_of=original.task_id, alias=True)
        other = task()
        await accept(backend, heir)
        if succeeded:
            await end(backend, await run(backend, heir), Move.SUCCEED)

        answer = await put(backend, other, retry._replace(replace_original=True))

        assert answer == RetryRefused(original.task_id, holder=heir.task_id)
        assert await missing(backend, other.task_id, retry.task_id)
        assert (await find(backend, original.task_id)).record.retried_as is None

    async def test_a_key_that_was_taken_over_is_held_for_the_time_of_the_retry(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        original = await ended(backend, Move.INTERRUPT, keyed("k"))
        retry = task(retry_of=original.task_id, replace_original=True)
        await accept(backend, retry, key_ttl=60.0)
        await end(backend, await run(backend, retry), Move.SUCCEED)

        assert await accept(backend, keyed("k")) == [again(retry.task_id)]
        clock.advance(60)
        (inserted,) = await accept(backend, keyed("k"))
        assert not inserted.duplicate
