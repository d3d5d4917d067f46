"""Purge: what goes with old records, and what outlives them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, Inserted, Lease, Query, RetryRefused
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    again,
    claim,
    end,
    find,
    keyed,
    missing,
    put,
    running,
    task,
)
from fastapi_taskflow.words.models import AuditEntry, TaskStatus
from fastapi_taskflow.words.states import Move

_SECOND = timedelta(seconds=1)


async def ended(backend: Backend, move: Move = Move.SUCCEED, **changes: Any) -> str:
    """The id of a task that has just ended."""
    lease = await running(backend, task(**changes))
    await end(backend, lease, move, elapsed=1.0)
    return lease.task_id


async def series(backend: Backend, clock: ManualClock, number: int) -> list[str]:
    """Tasks that ended one second after the other; the last one a second ago."""
    made = []
    for _ in range(number):
        made.append(await ended(backend))
        clock.advance(1)
    return made


class Purging(Conformance):
    """Old records go, in batches, and leave the rest as it was."""

    async def test_the_first_that_ended_go_first_and_no_more_than_asked(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        made = await series(backend, clock, 5)
        counts = [await backend.purgeable(clock.now(), cap=cap) for cap in (4, 9)]

        purged = [await backend.purge(clock.now(), limit=2) for _ in range(4)]

        assert counts == [4, 5]
        assert [list(one.task_ids) for one in purged] == [made[:2], made[2:4], made[4:], []]
        assert await backend.purgeable(clock.now()) == 0
        assert await missing(backend, *made)

    async def test_what_ended_at_the_instant_or_later_is_kept(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        made = await series(backend, clock, 3)
        before = clock.now() - 2 * _SECOND
        assert await backend.purgeable(before) == 1

        purged = await backend.purge(before, limit=9)

        assert purged.task_ids == (made[0],)
        page = await backend.search(Query(), limit=9)
        assert [one.record.task_id for one in page.tasks] == [made[2], made[1]]

    async def test_the_order_is_that_of_the_ends_not_of_the_arrivals(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        slow = await running(backend)
        quick = await ended(backend)
        clock.advance(1)
        await end(backend, slow, Move.SUCCEED)
        clock.advance(1)

        first = await backend.purge(clock.now(), limit=1)
        second = await backend.purge(clock.now(), limit=1)

        assert [first.task_ids, second.task_ids] == [(quick,), (slow.task_id,)]

    async def test_equal_ends_go_by_arrival(self, backend: Backend, clock: ManualClock) -> None:
        first, second = await running(backend), await running(backend)
        await end(backend, second, Move.SUCCEED)
        await end(backend, first, Move.SUCCEED)
        clock.advance(1)

        purged = await backend.purge(clock.now(), limit=1)

        assert purged.task_ids == (first.task_id,)

    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.FAIL, Move.INTERRUPT])
    async def test_every_kind_of_end_is_purged(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        task_id = await ended(backend, move)
        clock.advance(1)

        assert (await backend.purge(clock.now(), limit=9)).task_ids == (task_id,)

    async def test_cancelled_and_rejected_records_are_purged(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        cancelled, rejected = task(), task()
        await accept(backend, cancelled)
        await backend.cancel([cancelled.task_id])
        await put(backend, rejected, limits={"default": 0})
        clock.advance(1)

        purged = await backend.purge(clock.now(), limit=9)

        assert purged.task_ids == (cancelled.task_id, rejected.task_id)

    async def test_live_tasks_are_never_purged(self, backend: Backend, clock: ManualClock) -> None:
        runs, waits, retries = await running(backend), task(delay=99.0), await running(backend)
        await accept(backend, waits)
        await end(backend, retries, Move.RETRY)
        clock.advance(1_000_000)

        assert (await backend.purge(clock.now(), limit=9))[:2] == ((), 0)
        for task_id in (runs.task_id, waits.task_id, retries.task_id):
            await find(backend, task_id)

    async def test_logs_attempts_and_tags_go_too(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task(tags={"k": "v"})
        await end(backend, await running(backend, new), Move.RETRY, error="one", logs=("line",))
        (again,) = await claim(backend)
        await backend.start([again.lease])
        await end(backend, again.lease, Move.FAIL, logs=("more",))
        clock.advance(1)

        await backend.purge(clock.now(), limit=9)

        # The same id again shows what was left of the first one.
        await accept(backend, new._replace(tags={}))
        assert (await find(backend, new.task_id)).record.logs == []
        assert await backend.attempts(new.task_id) == []
        assert (await backend.search(Query(tag=("k", "v")), limit=9)).tasks == []

    async def test_counters_of_what_ended_stay(self, backend: Backend, clock: ManualClock) -> None:
        await series(backend, clock, 3)
        await running(backend)

        await backend.purge(clock.now(), limit=2)

        tally = {one.status: one for one in await backend.tally()}
        done = tally[TaskStatus.SUCCESS]
        assert (done.rows, done.ended, done.seconds) == (1, 3, 3.0)
        assert tally[TaskStatus.RUNNING].rows == 1

    async def test_links_to_a_purged_task_lead_nowhere_and_harm_nothing(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        original = await ended(backend, Move.FAIL)
        clock.advance(1)
        retry = await ended(backend, Move.FAIL, retry_of=original)
        await backend.purge(clock.now(), limit=9)

        assert await missing(backend, original)
        assert (await find(backend, retry)).record.retry_of == original
        assert await put(backend, task(retry_of=original)) == RetryRefused(original)
        await accept(backend, task(retry_of=retry))

    async def test_a_late_outcome_of_a_purged_task_is_no_error(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        task_id = await ended(backend)
        clock.advance(1)
        await backend.purge(clock.now(), limit=9)

        assert await backend.start([Lease(task_id, 1)]) == [None]
        assert await backend.cancel([task_id]) == [(await backend.cancel(["nobody"]))[0]]
        assert await backend.attempts(task_id) == []

    async def test_without_an_instant_no_record_goes(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        task_id = await ended(backend)
        clock.advance(1_000_000)

        assert (await backend.purge(None, limit=9))[:2] == ((), 0)
        await find(backend, task_id)

    async def test_the_audit_trail_stays(self, backend: Backend, clock: ManualClock) -> None:
        task_id = await ended(backend)
        entry = AuditEntry("entry", "retry", task_id, "somebody", clock.now(), {})
        await backend.append_audit([entry])
        clock.advance(1)

        await backend.purge(clock.now(), limit=9)

        assert await backend.audit(limit=9) == ([entry], None)

    async def test_two_that_purge_at_once_share_the_work(
        self, backend: Backend, second: Backend, clock: ManualClock
    ) -> None:
        made = await series(backend, clock, 6)

        purged = await asyncio.gather(
            *(one.purge(clock.now(), limit=4) for one in (backend, second))
        )

        assert sorted(task_id for one in purged for task_id in one.task_ids) == sorted(made)


class PurgedKeys(Conformance):
    """A key is held for its time, whatever becomes of the record."""

    async def test_an_unexpired_key_outlives_its_record(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = keyed("k"), keyed("k", alias=True)
        await accept(backend, first, key_ttl=60.0)
        (got,) = await claim(backend)
        await backend.start([got.lease])
        await end(backend, got.lease, Move.SUCCEED)
        clock.advance(1)

        assert (await backend.purge(clock.now(), limit=9))[:2] == ((first.task_id,), 0)

        assert await accept(backend, second) == [again(first.task_id)]
        assert await missing(backend, first.task_id, second.task_id)

    async def test_expired_keys_are_deleted_in_batches_also_without_records(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        for number in range(3):
            lease = await running(backend, keyed(f"k{number}"))
            await end(backend, lease, Move.SUCCEED)
        clock.advance(86_400)

        purged = [await backend.purge(None, limit=2) for _ in range(3)]

        assert [one.keys for one in purged] == [2, 1, 0]

    async def test_aliases_go_with_their_task(self, backend: Backend, clock: ManualClock) -> None:
        first, second = keyed("k"), keyed("k", alias=True)
        await accept(backend, first, key_ttl=1.0)
        await accept(backend, second)
        (got,) = await claim(backend, A)
        await backend.start([got.lease])
        await end(backend, got.lease, Move.SUCCEED)
        clock.advance(2)
        await backend.purge(clock.now(), limit=9)

        assert await missing(backend, first.task_id, second.task_id)
        # Its id is free again: an alias that had stayed would make this a duplicate.
        assert await accept(backend, second) == [Inserted(second.task_id, duplicate=False, fence=0)]
