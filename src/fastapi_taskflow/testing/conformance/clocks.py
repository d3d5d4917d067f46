"""The store's clock when somebody sets the machine's: nothing waits for a time to come again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    ids,
    ignore,
    instance,
    keyed,
    put,
    running,
    task,
)
from fastapi_taskflow.words.states import Move

_DAY_SECONDS = 86_400.0


class SetClocks(Conformance):
    """The wall clock is set back or forward under an open store."""

    @pytest.mark.parametrize("seconds", [-0.5, -300.0, -_DAY_SECONDS, 300.0, 400 * _DAY_SECONDS])
    async def test_what_is_due_is_claimed_whatever_the_clock_does(
        self, backend: Backend, clock: ManualClock, seconds: float
    ) -> None:
        before, after = task(), task()
        await accept(backend, before)
        clock.set_by(seconds)
        await accept(backend, after)

        assert (await backend.next_due(["default"]) or 0) <= 0
        assert ids(await claim(backend)) == [before.task_id, after.task_id]

    @pytest.mark.parametrize("seconds", [-300.0, -_DAY_SECONDS])
    async def test_set_back_a_wait_is_neither_longer_nor_shorter(
        self, backend: Backend, clock: ManualClock, seconds: float
    ) -> None:
        delayed, retried = task(delay=10.0), task(func_name="g")
        await accept(backend, delayed)
        lease = await running(backend, retried)
        await end(backend, lease, Move.RETRY, delay=10.0)
        functions = frozenset({"f", "g"})

        clock.advance(4)
        clock.set_by(seconds)
        clock.advance(5.999)
        assert await claim(backend, functions=functions) == []
        assert await backend.next_due(["default"]) == pytest.approx(0.001)
        clock.advance(0.001)

        got = ids(await claim(backend, functions=functions))
        assert set(got) == {delayed.task_id, retried.task_id}

    async def test_set_back_a_date_is_as_far_off_as_its_caller_sees_it(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        # Somebody's time has been noted: the store cannot go back behind it.
        await accept(backend, task(func_name="g"))
        clock.set_by(-_DAY_SECONDS)
        dated = task(due_at=clock.now() + timedelta(seconds=60))
        await accept(backend, dated)

        clock.advance(59.999)
        assert await claim(backend) == []
        clock.advance(0.001)
        assert ids(await claim(backend)) == [dated.task_id]

    async def test_set_back_no_task_ends_before_it_starts(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task()
        lease = await running(backend, new)
        clock.advance(2)
        clock.set_by(-_DAY_SECONDS)
        await end(backend, lease, Move.SUCCEED)

        record = (await find(backend, new.task_id)).record
        assert record.start_time is not None
        assert record.end_time is not None
        assert record.end_time >= record.start_time

    async def test_set_back_a_key_is_held_for_its_time_and_no_longer(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first = keyed("key")
        lease = await running(backend, first)
        await end(backend, lease, Move.SUCCEED)
        clock.advance(1)
        clock.set_by(-_DAY_SECONDS)

        clock.advance(_DAY_SECONDS - 2)
        assert (await accept(backend, keyed("key")))[0].task_id == first.task_id
        clock.advance(2)
        assert not (await accept(backend, keyed("key")))[0].duplicate

    async def test_set_back_old_records_are_purged_by_their_age(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        old, young = task(), task()
        await end(backend, await running(backend, old), Move.SUCCEED)
        clock.advance(100)
        clock.set_by(-_DAY_SECONDS)
        await end(backend, await running(backend, young), Move.SUCCEED)

        before = clock.now() - timedelta(seconds=50)
        number = await backend.purgeable(before)
        purged = await backend.purge(before, limit=10)

        assert number == 1
        assert purged.task_ids == (old.task_id,)

    async def test_a_store_that_is_opened_after_the_clock_was_set_back_goes_on(
        self, backend: Backend, clock: ManualClock, place: Path
    ) -> None:
        due, delayed = task(), task(delay=10.0)
        await accept(backend, due, delayed)
        other = self.open_second(backend, clock, place)
        await backend.close()
        clock.set_by(-_DAY_SECONDS)
        await other.open(ignore)
        await other.enlist(instance(A))

        assert ids(await claim(other)) == [due.task_id]
        clock.advance(10)
        (got,) = await claim(other)
        assert got.lease.task_id == delayed.task_id
        await begin(other, got.lease)
        await put(other, task())
        await other.close()
