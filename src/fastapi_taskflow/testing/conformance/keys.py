"""Idempotency keys: who holds one, for how long, and what a second task with it gets."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend, Inserted, KeyConflict, Lease, Stored
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    again,
    begin,
    claim,
    end,
    find,
    keyed,
    missing,
    put,
    recover_all,
    run,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


async def is_held(backend: Backend, key: str) -> bool:
    """Whether a new task with this key and the usual fingerprint is a duplicate."""
    (inserted,) = await accept(backend, keyed(key))
    return inserted.duplicate


class Keys(Conformance):
    """One live or successful task per key."""

    async def test_an_equal_task_is_answered_with_the_first_ones_id(self, backend: Backend) -> None:
        first, second = keyed("k"), keyed("k")
        await accept(backend, first)

        assert await accept(backend, second) == [again(first.task_id)]
        assert await missing(backend, second.task_id)
        assert len(await claim(backend)) == 1

    async def test_a_key_with_other_work_is_a_conflict_and_stores_nothing(
        self, backend: Backend
    ) -> None:
        first = keyed("k")
        await accept(backend, first, keyed("other"))
        group = task(), keyed("other", alias=True), keyed("k", b"different"), task()

        answer = await put(backend, *group)

        assert answer == KeyConflict("k", first.task_id)
        assert await missing(backend, *(new.task_id for new in group))
        assert len(await claim(backend)) == 2

    async def test_a_conflict_in_one_group_leaves_the_others_alone(self, backend: Backend) -> None:
        groups = [[keyed("k")], [task(), keyed("k", b"different")], [keyed("k")], [task()]]

        answers = await backend.insert(groups)

        assert [type(answer) for answer in answers] == [Stored, KeyConflict, Stored, Stored]
        assert len(await claim(backend)) == 2

    async def test_equal_tasks_within_one_group_are_one_task(self, backend: Backend) -> None:
        first, second = keyed("k"), keyed("k", alias=True)

        inserted = await accept(backend, first, second)

        assert inserted == [
            Inserted(first.task_id, duplicate=False, fence=0),
            again(first.task_id),
        ]
        assert (await find(backend, second.task_id)).record.duplicate_of == first.task_id

    async def test_conflicting_tasks_within_one_group_store_nothing(self, backend: Backend) -> None:
        first, second = keyed("k"), keyed("k", b"different")

        answer = await put(backend, first, second)

        assert answer == KeyConflict("k", first.task_id)
        assert await missing(backend, first.task_id, second.task_id)
        assert not await is_held(backend, "k")

    async def test_a_refused_group_takes_no_key(self, backend: Backend) -> None:
        await put(backend, keyed("k"), task(), limits={"default": 1})
        await put(backend, keyed("rejected"), limits={"default": 0})

        assert not await is_held(backend, "k")
        assert not await is_held(backend, "rejected")

    async def test_keys_differ_by_every_character(self, backend: Backend) -> None:
        keys = ["k", "K", "k ", "k%", "k_", "", "k\x00", "κ", "k'"]

        inserted = await accept(backend, *(keyed(key) for key in keys))

        assert not any(one.duplicate for one in inserted)

    async def test_a_task_without_a_fingerprint_equals_its_like(self, backend: Backend) -> None:
        first = task(idempotency_key="k")
        await accept(backend, first)

        assert await accept(backend, task(idempotency_key="k")) == [again(first.task_id)]
        assert isinstance(await put(backend, keyed("k")), KeyConflict)

    async def test_a_key_is_held_while_its_task_lives(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = keyed("k")
        await accept(backend, new, key_ttl=1.0)
        clock.advance(10_000)

        assert await is_held(backend, "k")
        lease = await run(backend, new)
        clock.advance(10_000)
        assert await is_held(backend, "k")
        await end(backend, lease, Move.RETRY, delay=5.0)
        assert await is_held(backend, "k")

    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.INTERRUPT, Move.LOSE, Move.CANCEL])
    async def test_a_key_is_held_for_its_time_after_an_effect_or_an_unknown_one(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        new = keyed("k")
        await accept(backend, new, key_ttl=60.0)
        lease = await run(backend, new)
        clock.advance(100)
        await end(backend, lease, move)

        clock.advance(59.999999)
        assert await is_held(backend, "k")
        assert isinstance(await put(backend, keyed("k", b"different")), KeyConflict)
        clock.advance(0.000001)
        assert not await is_held(backend, "k")

    async def test_a_key_freed_by_time_is_taken_anew(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = keyed("k"), keyed("k", b"different")
        await accept(backend, first, key_ttl=60.0)
        await end(backend, await run(backend, first), Move.SUCCEED)
        clock.advance(60)

        await accept(backend, second)

        assert await put(backend, keyed("k")) == KeyConflict("k", second.task_id)

    async def test_a_failed_task_frees_its_key(self, backend: Backend) -> None:
        first = keyed("k")
        await end(backend, await running(backend, first), Move.FAIL)

        assert not await is_held(backend, "k")
        assert (await find(backend, first.task_id)).record.idempotency_key == "k"

    async def test_a_task_cancelled_before_its_start_frees_its_key(self, backend: Backend) -> None:
        free, claimed = keyed("free"), keyed("claimed", owner=A)
        await accept(backend, free, claimed)

        await backend.cancel([free.task_id, claimed.task_id])

        assert not await is_held(backend, "free")
        assert not await is_held(backend, "claimed")

    async def test_a_task_cancelled_after_an_earlier_start_holds_its_key(
        self, backend: Backend
    ) -> None:
        new = keyed("k")
        await end(backend, await running(backend, new), Move.RETRY, delay=60.0)

        await backend.cancel([new.task_id])

        assert await is_held(backend, "k")

    async def test_a_task_cancelled_while_running_holds_its_key(self, backend: Backend) -> None:
        new = keyed("k")
        lease = await running(backend, new)
        await backend.cancel([new.task_id])
        await end(backend, lease, Move.FAIL)

        assert (await find(backend, new.task_id)).record.status is TaskStatus.CANCELLED
        assert await is_held(backend, "k")

    async def test_a_task_abandoned_before_its_start_frees_its_key(self, backend: Backend) -> None:
        new = keyed("k", persist=False, owner=A)
        await accept(backend, new)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.ABANDON)

        assert not await is_held(backend, "k")

    async def test_a_late_outcome_frees_no_key(self, backend: Backend) -> None:
        new = keyed("k")
        lease = await running(backend, new)
        await recover_all(backend, by=B, dead=A)
        await end(backend, lease, Move.FAIL)

        assert await is_held(backend, "k")

    async def test_each_key_keeps_the_time_it_was_taken_with(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first = keyed("k")
        await accept(backend, first, key_ttl=60.0)
        await end(backend, await run(backend, first), Move.SUCCEED)
        clock.advance(30)

        (again,) = await accept(backend, keyed("k"), key_ttl=1.0)

        assert again.duplicate


class Aliases(Conformance):
    """An id that was given out before the commit found its task to be a duplicate."""

    async def test_an_alias_answers_its_task_under_its_own_id(self, backend: Backend) -> None:
        first, alias = keyed("k", tags={"a": "b"}), keyed("k", alias=True)
        await accept(backend, first)

        assert await accept(backend, alias) == [again(first.task_id)]

        lease = await run(backend, first)
        await end(backend, lease, Move.FAIL, error="boom")
        task_seen, alias_seen = await backend.get([first.task_id, alias.task_id])
        assert task_seen is not None
        assert alias_seen is not None
        assert alias_seen.record.task_id == alias.task_id
        assert alias_seen.record.duplicate_of == first.task_id
        assert alias_seen.record.status is TaskStatus.FAILED
        assert alias_seen.record.error == "boom"
        assert task_seen.record.duplicate_of is None
        assert alias_seen.fence == task_seen.fence

    async def test_cancelling_an_alias_cancels_its_task(self, backend: Backend) -> None:
        first, alias = keyed("k"), keyed("k", alias=True)
        await accept(backend, first, alias)

        (answer,) = await backend.cancel([alias.task_id])

        assert answer.status is TaskStatus.CANCELLED
        assert (await find(backend, first.task_id)).record.status is TaskStatus.CANCELLED

    async def test_an_alias_has_the_history_of_its_task(self, backend: Backend) -> None:
        first, alias = keyed("k"), keyed("k", alias=True)
        await accept(backend, first, alias)
        await end(backend, await run(backend, first), Move.RETRY)

        assert await backend.attempts(alias.task_id) == await backend.attempts(first.task_id)
        assert len(await backend.attempts(alias.task_id)) == 1

    async def test_an_alias_is_no_lease(self, backend: Backend) -> None:
        first, alias = keyed("k", owner=A), keyed("k", alias=True)
        await accept(backend, first, alias)

        assert await backend.start([Lease(alias.task_id, 1), Lease(alias.task_id, 0)]) == [
            None,
            None,
        ]
        await begin(backend, Lease(first.task_id, 1))

    async def test_without_the_wish_no_alias_is_kept(self, backend: Backend) -> None:
        first, second = keyed("k"), keyed("k")
        await accept(backend, first, second)

        assert await missing(backend, second.task_id)
