"""Debounce and throttle: which of many calls become tasks, and when these start."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from fastapi_taskflow.backends.base import Backend, Inserted, NewTask
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    B,
    Conformance,
    accept,
    claim,
    end,
    find,
    ids,
    run,
    task,
)
from fastapi_taskflow.testing.conformance.turns import of
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import THROTTLE
from fastapi_taskflow.words.states import Move


def late(seconds: float = 5.0, key: str = "k", **changes: Any) -> NewTask:
    """A debounced one."""
    return of(key, debounce=seconds, **changes)


def rare(seconds: float = 60.0, **changes: Any) -> NewTask:
    """A throttled one."""
    return task(idempotency_key=f"{THROTTLE}k", key_ttl=seconds, **changes)


class Pacing(Conformance):
    """Which of many calls become tasks, and when these start."""

    async def test_each_call_takes_the_place_of_the_one_that_waits(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = late(payload=b"one"), late(payload=b"two")
        (created,) = await accept(backend, first)
        clock.advance(4.0)
        (replaced,) = await accept(backend, second)

        clock.advance(4.0)
        early = await claim(backend)
        clock.advance(1.0)
        (got,) = await claim(backend)

        assert [created.disposition, replaced.disposition] == ["created", "replaced"]
        assert early == []
        assert (got.lease.task_id, got.task.payload) == (second.task_id, b"two")
        assert (await find(backend, first.task_id)).record.status is TaskStatus.CANCELLED

    async def test_it_starts_in_the_end_however_many_calls_come(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        began = clock.now()
        for _ in range(14):
            await accept(backend, late(5.0))
            clock.advance(4.0)

        waiting = await claim(backend)

        assert len(waiting) == 1
        assert waiting[0].task.record.created_at == began
        assert (waiting[0].task.record.due_at or began) <= clock.now()

    async def test_what_was_replaced_before_is_no_first_call(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await accept(backend, of("k", created_at=clock.now()))
        clock.advance(600.0)
        now = clock.now()
        call = late(5.0)

        # Together, as requests share a transaction; apart it would be the same.
        await backend.insert([[of("k", on_conflict="replace", created_at=now)], [call]])

        record = (await find(backend, call.task_id)).record
        assert record.created_at == now
        assert record.due_at == now + timedelta(seconds=5.0)

    async def test_what_runs_or_is_anothers_is_left_alone(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        running, other, call = of("k"), of("k", func_name="other"), late(5.0)
        await accept(backend, running)
        lease = await run(backend, running)
        await accept(backend, other, late(5.0), call)

        clock.advance(60.0)
        assert await claim(backend) == []
        await end(backend, lease, Move.SUCCEED)
        lease = await run(backend, other, B)
        await end(backend, lease, Move.SUCCEED)
        assert ids(await claim(backend)) == [call.task_id]

    async def test_whoever_had_the_turn_gives_it_to_others_first(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, other, call = late(5.0), of("k", func_name="other"), late(5.0)
        await accept(backend, first)
        await accept(backend, other)
        await accept(backend, call)

        clock.advance(60.0)
        waiting = await claim(backend, functions=frozenset({"f", "other"}))

        assert ids(waiting) == [other.task_id]

    async def test_calls_at_once_leave_one(self, backend: Backend, clock: ManualClock) -> None:
        answers = await asyncio.gather(*[accept(backend, late()) for _ in range(6)])
        clock.advance(60.0)

        created = [one.disposition for (one,) in answers]

        assert sorted(created) == ["created"] + ["replaced"] * 5
        assert len(await claim(backend)) == 1

    async def test_a_throttle_lets_one_through(self, backend: Backend, clock: ManualClock) -> None:
        first, second = rare(), rare(alias=True)
        await accept(backend, first)
        clock.advance(600.0)

        (inserted,) = await accept(backend, second)

        assert inserted == Inserted(first.task_id, duplicate=True, fence=0, dropped=True)
        assert (await find(backend, second.task_id)).record.duplicate_of == first.task_id
        assert ids(await claim(backend)) == [first.task_id]

    async def test_its_span_runs_from_the_start(self, backend: Backend, clock: ManualClock) -> None:
        first, second, third = rare(), rare(), rare()
        await accept(backend, first)
        clock.advance(600.0)
        lease = await run(backend, first)
        clock.advance(59.0)

        (dropped,) = await accept(backend, second)
        clock.advance(1.0)
        (created,) = await accept(backend, third)
        await end(backend, lease, Move.SUCCEED)
        (held,) = await accept(backend, rare())

        assert [dropped.disposition, created.disposition] == ["dropped", "created"]
        assert held.task_id == third.task_id

    async def test_neither_its_end_nor_a_retry_changes_that(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first = rare()
        await accept(backend, first)
        await end(backend, await run(backend, first), Move.FAIL)

        (dropped,) = await accept(backend, rare())
        (retried,) = await accept(backend, task(retry_of=first.task_id))
        clock.advance(60.0)
        (created,) = await accept(backend, rare())

        assert [dropped.disposition, dropped.task_id] == ["dropped", first.task_id]
        assert retried.disposition == "created"
        assert created.disposition == "created"

    async def test_what_never_started_holds_nobody_back(self, backend: Backend) -> None:
        first = rare()
        await accept(backend, first)
        await backend.cancel([first.task_id])

        (created,) = await accept(backend, rare())

        assert created.disposition == "created"

    async def test_throttled_calls_at_once_leave_one(self, backend: Backend) -> None:
        answers = await asyncio.gather(*[accept(backend, rare()) for _ in range(6)])

        assert sorted(one.disposition for (one,) in answers) == ["created"] + ["dropped"] * 5
        assert len({one.task_id for (one,) in answers}) == 1
