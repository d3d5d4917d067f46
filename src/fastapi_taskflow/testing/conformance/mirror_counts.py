"""Mirror: what it does to counters, places in queues, keys and retries."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend, QueueIsFull, Stored
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    claim,
    keyed,
    put,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.words.models import TaskStatus


class MirroredCounts(Conformance):
    """What is mirrored counts as what goes through the other verbs."""

    async def test_a_task_that_ended_before_its_first_write_counts_once(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        state = snapshot(light(), TaskStatus.SUCCESS, clock.now())
        await backend.mirror(A, [state])
        await backend.mirror(A, [state])

        assert [tuple(cell) for cell in await backend.tally() if cell.rows or cell.ended] == [
            ("default", "f", TaskStatus.SUCCESS, 1, 1, 0.5)
        ]

    async def test_states_on_the_way_leave_no_count(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        for status in (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.FAILED):
            await backend.mirror(A, [snapshot(new, status, clock.now())])

        assert [tuple(cell)[2:5] for cell in await backend.tally() if cell.rows or cell.ended] == [
            (TaskStatus.FAILED, 1, 1)
        ]

    async def test_waiting_tasks_take_a_place_until_they_start(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.PENDING)])
        assert isinstance(await put(backend, task(), limits={"default": 1}), QueueIsFull)

        await backend.mirror(A, [snapshot(new, TaskStatus.RUNNING, clock.now())])
        assert isinstance(await put(backend, task(), limits={"default": 1}), Stored)

    async def test_a_retry_of_the_owner_takes_no_place(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.PENDING)])

        # It ran and failed between two writes.
        await backend.mirror(A, [snapshot(new, TaskStatus.PENDING, clock.now(), failures=1)])

        assert isinstance(await put(backend, task(), limits={"default": 1}), Stored)

    @pytest.mark.parametrize(
        ("status", "started", "held"),
        [
            (TaskStatus.SUCCESS, True, True),
            (TaskStatus.FAILED, True, False),
            (TaskStatus.INTERRUPTED, True, True),
            (TaskStatus.INTERRUPTED, False, False),
            (TaskStatus.CANCELLED, True, True),
            (TaskStatus.CANCELLED, False, False),
        ],
    )
    async def test_a_mirrored_end_holds_or_frees_the_key(
        self, backend: Backend, clock: ManualClock, status: TaskStatus, started: bool, held: bool
    ) -> None:
        new = keyed("k", persist=False, owner=A)
        await accept(backend, new, key_ttl=60.0)
        state = snapshot(new, status, clock.now() if started else None)
        await backend.mirror(A, [state])
        clock.advance(59)

        (inserted,) = await accept(backend, keyed("k"))

        assert inserted.duplicate is held
        if held:
            clock.advance(1)
            (inserted,) = await accept(backend, keyed("k"))
            assert not inserted.duplicate

    async def test_a_mirrored_task_that_failed_may_be_retried(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.FAILED, clock.now())])

        await accept(backend, task(retry_of=new.task_id))

        assert len(await claim(backend)) == 1
