"""Order keys: one task of a key at a time, and in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, Inserted, Lease, NewTask
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
    ids,
    put,
    recover_all,
    run,
    task,
)
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.states import Move


def of(key: str, **changes: Any) -> NewTask:
    """A task with an order key."""
    return task(order_key=key, **changes)


async def some(backend: Backend, key: str, number: int, **changes: Any) -> list[str]:
    """So many new tasks of a key, in order."""
    new = [of(key, **changes) for _ in range(number)]
    await accept(backend, *new)
    return [one.task_id for one in new]


async def claimed(backend: Backend, who: str = A, **changes: Any) -> Lease:
    """The lease of the only task that can be claimed."""
    (got,) = await claim(backend, who, **changes)
    return got.lease


class Turns(Conformance):
    """Of the live tasks of a key the first to arrive has the turn, until it ends."""

    async def test_tasks_of_a_key_run_one_at_a_time_and_in_order(self, backend: Backend) -> None:
        waiting = await some(backend, "k", 3)

        for who, expected in zip((A, B, A), waiting, strict=True):
            lease = await claimed(backend, who)
            assert lease.task_id == expected
            assert await claim(backend, B) == []
            await begin(backend, lease)
            assert await claim(backend, B) == []
            await end(backend, lease, Move.SUCCEED)

        assert await claim(backend) == []

    async def test_one_group_may_have_several_of_a_key(self, backend: Backend) -> None:
        first, other, second = of("k"), of("l"), of("k")
        await accept(backend, first, other, second)

        assert ids(await claim(backend)) == [first.task_id, other.task_id]
        assert (await find(backend, second.task_id)).behind
        assert not (await find(backend, first.task_id)).behind
        assert (await find(backend, first.task_id)).record.order_key == "k"

    async def test_order_is_by_arrival_whatever_priority_or_due_time(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first = of("k", delay=60.0)
        second = of("k", priority=9)
        await accept(backend, first, second)

        assert await claim(backend) == []
        clock.advance(60)
        lease = await claimed(backend)
        assert lease.task_id == first.task_id
        await begin(backend, lease)
        await end(backend, lease, Move.FAIL)

        assert ids(await claim(backend)) == [second.task_id]

    @pytest.mark.parametrize("move", [Move.RETRY, Move.SNOOZE, Move.RESCUE])
    async def test_a_task_that_waits_for_its_retry_keeps_its_turn(
        self, backend: Backend, clock: ManualClock, move: Move
    ) -> None:
        waiting = await some(backend, "k", 2)
        lease = await claimed(backend)
        await begin(backend, lease)

        await end(backend, lease, move, delay=60.0)

        assert await claim(backend, B) == []
        clock.advance(60)
        assert ids(await claim(backend, B)) == waiting[:1]

    async def test_a_claim_that_is_given_back_keeps_its_turn(self, backend: Backend) -> None:
        waiting = await some(backend, "k", 2)

        await end(backend, await claimed(backend), Move.GIVE_BACK)

        assert ids(await claim(backend, B)) == waiting[:1]

    async def test_what_was_cancelled_passes_the_turn_on(self, backend: Backend) -> None:
        waiting = await some(backend, "k", 5)

        await backend.cancel([waiting[2]])
        await backend.cancel([waiting[1], waiting[0]])

        assert ids(await claim(backend)) == waiting[3:4]
        await backend.cancel([waiting[3]])
        assert ids(await claim(backend)) == waiting[4:]

    async def test_the_dead_pass_it_on_when_their_tasks_have_ended(self, backend: Backend) -> None:
        waiting = await some(backend, "k", 2)
        lease = await claimed(backend)
        await begin(backend, lease)
        (handed,) = await recover_all(backend, B, A)
        assert await claim(backend, B) == []

        await end(backend, handed.lease, Move.LOSE)
        late = await end(backend, lease, Move.SUCCEED)

        assert late.late
        assert ids(await claim(backend, B)) == waiting[1:]

    async def test_a_turn_is_due_when_it_comes(self, backend: Backend, clock: ManualClock) -> None:
        busy = await some(backend, "busy", 3)
        await some(backend, "other", 1)
        clock.advance(1)
        (one, other) = await claim(backend, limit=2)
        for lease in (one.lease, other.lease):
            await begin(backend, lease)
        (late,) = await some(backend, "late", 1)
        clock.advance(1)

        await end(backend, one.lease, Move.SUCCEED)

        assert (await find(backend, busy[1])).record.due_at == clock.now()
        assert ids(await claim(backend)) == [late, busy[1]]

    async def test_a_due_time_is_kept_behind_others(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = of("k"), of("k", delay=60.0)
        due = clock.now() + timedelta(seconds=60)
        await accept(backend, first, second)
        lease = await run(backend, first)

        await end(backend, lease, Move.SUCCEED)

        assert (await find(backend, second.task_id)).record.due_at == due
        assert await claim(backend) == []
        assert await backend.next_due(["default"]) == pytest.approx(60.0)

    async def test_those_behind_are_not_due(self, backend: Backend) -> None:
        await some(backend, "k", 3)

        await claimed(backend)

        assert await backend.next_due(["default"]) is None

    async def test_keys_hold_in_all_queues_and_for_all_functions(self, backend: Backend) -> None:
        await accept(backend, of("k"), of("k", queue="other"), of("k", func_name="g"))
        wide: dict[str, Any] = {
            "queues": {"default": 5, "other": 5},
            "functions": frozenset({"f", "g"}),
        }

        for _ in range(3):
            lease = await claimed(backend, **wide)
            await begin(backend, lease)
            await end(backend, lease, Move.SUCCEED)

    async def test_a_manual_retry_stands_behind(self, backend: Backend) -> None:
        first, second = of("k"), of("k")
        await accept(backend, first, second)
        await end(backend, await run(backend, first), Move.FAIL)

        retry = of("k", retry_of=first.task_id, on_conflict="drop")
        (inserted,) = await accept(backend, retry)

        assert inserted == Inserted(retry.task_id, duplicate=False, fence=0)
        assert ids(await claim(backend)) == [second.task_id]

    async def test_a_born_claimed_task_of_a_key_is_free(self, backend: Backend) -> None:
        (inserted,) = await accept(backend, of("k", owner=A))

        assert inserted.fence == 0
        assert len(await claim(backend, B)) == 1

    async def test_light_tasks_have_no_order_key(self, backend: Backend) -> None:
        with pytest.raises(TaskArgumentError, match="order_key"):
            await put(backend, of("k", persist=False, owner=A))

    async def test_many_writers_keep_the_order(self, backend: Backend, second: Backend) -> None:
        """The order of a key is that in which its tasks are stored, whoever stores them."""

        async def write(store: Backend, who: str) -> None:
            for number in range(8):
                await accept(store, of("k", tags={"n": f"{number}", "who": who}))

        await asyncio.gather(write(backend, A), write(second, B))
        seen: dict[str, list[int]] = {A: [], B: []}
        for turn in range(16):
            store, who = (backend, A) if turn % 2 else (second, B)
            (got,) = await claim(store, who)
            seen[got.task.record.tags["who"]].append(int(got.task.record.tags["n"]))
            await begin(store, got.lease)
            await end(store, got.lease, Move.SUCCEED)

        assert seen == {A: list(range(8)), B: list(range(8))}

    async def test_ends_and_inserts_at_once_lose_no_turn(
        self, backend: Backend, second: Backend
    ) -> None:
        await some(backend, "k", 1)
        done = 0

        async def add() -> None:
            for _ in range(12):
                await some(second, "k", 1)

        adding = asyncio.ensure_future(add())
        while not (adding.done() and done == 13):
            for got in await claim(backend):
                await begin(backend, got.lease)
                await end(backend, got.lease, Move.SUCCEED)
                done += 1
            await asyncio.sleep(0)
        await adding

    async def test_a_busy_key_hides_nobody(self, backend: Backend) -> None:
        await some(backend, "busy", 300, priority=0)
        (other,) = await some(backend, "other", 1)
        plain = task()
        await accept(backend, plain)

        assert ids(await claim(backend, limit=3))[1:] == [other, plain.task_id]
