"""Mirror: write-behind of tasks that live in their owner's memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Inserted,
    MirrorAnswer,
    NewTask,
    Snapshot,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    claim,
    end,
    find,
    recover_all,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL, Move

OK = MirrorAnswer(accepted=True, cancel_asked=False)
NO = MirrorAnswer(accepted=False, cancel_asked=False)


def light(**changes: Any) -> NewTask:
    """A task of the memory tier."""
    return task(persist=False, owner=A, **changes)


def snapshot(
    new: NewTask, status: TaskStatus, start: datetime | None = None, **changes: Any
) -> Snapshot:
    """The state of a task; terminal ones that started took half a second."""
    ended = None
    if status in TERMINAL:
        ended = (start or new.created_at) + timedelta(seconds=0.5)
    return Snapshot(
        task=new,
        status=status,
        start_time=start,
        end_time=ended,
        due_at=None,
        retries_used=0,
        failures=0,
        elapsed=None if start is None or ended is None else 0.5,
        error=None,
        stacktrace=None,
        logs=(),
    )._replace(**changes)


class Mirroring(Conformance):
    """The owner's latest word is what the store shows."""

    async def test_a_task_that_is_not_stored_yet_appears_whole(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light(tags={"a": "b"}, priority=3, source="schedule", queue="q", payload=None)
        state = snapshot(
            new,
            TaskStatus.FAILED,
            clock.now(),
            retries_used=2,
            failures=3,
            error="why",
            stacktrace="where",
            logs=("one", "two"),
        )

        assert await backend.mirror(A, [state]) == [OK]

        stored = await find(backend, new.task_id)
        record = stored.record
        assert (record.status, record.queue, record.priority) == (TaskStatus.FAILED, "q", 3)
        assert (record.tags, record.source) == ({"a": "b"}, "schedule")
        assert (record.start_time, record.end_time) == (state.start_time, state.end_time)
        assert (record.duration, record.retries_used) == (0.5, 2)
        assert (record.error, record.stacktrace) == ("why", "where")
        assert record.logs == ["one", "two"]
        assert record.instance == A
        assert (stored.persist, stored.failures, stored.owner) == (False, 3, None)
        assert stored.payload is None

    async def test_a_retry_that_is_not_stored_yet_says_what_it_retries(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light(retry_of="first")

        await backend.mirror(A, [snapshot(new, TaskStatus.RUNNING, clock.now())])

        assert (await find(backend, new.task_id)).record.retry_of == "first"

    async def test_a_live_task_belongs_to_its_writer_and_is_never_claimed(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        waiting, started = light(), light()
        due = clock.now() - timedelta(seconds=5)
        await backend.mirror(
            A,
            [
                snapshot(waiting, TaskStatus.PENDING, due_at=due),
                snapshot(started, TaskStatus.RUNNING, clock.now()),
            ],
        )

        assert {got.lease.task_id for got in await backend.owned(A)} == {
            waiting.task_id,
            started.task_id,
        }
        assert await claim(backend, B) == []
        assert await claim(backend, A) == []
        assert await backend.next_due(["default"]) is None
        assert (await find(backend, waiting.task_id)).record.due_at == due

    async def test_newer_states_replace_older_ones_and_logs_add_up(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new, start = light(), clock.now()
        states = [
            snapshot(new, TaskStatus.PENDING),
            snapshot(new, TaskStatus.RUNNING, start, logs=("a",)),
            snapshot(new, TaskStatus.PENDING, start, failures=1, error="boom", logs=("b",)),
            snapshot(new, TaskStatus.RUNNING, start, failures=1, retries_used=1),
            snapshot(new, TaskStatus.SUCCESS, start, failures=1, retries_used=1, logs=("c",)),
        ]
        for state in states:
            assert await backend.mirror(A, [state]) == [OK]
            assert (await find(backend, new.task_id)).record.status is state.status

        stored = await find(backend, new.task_id)
        assert (stored.failures, stored.record.retries_used) == (1, 1)
        assert stored.record.error is None
        assert stored.record.logs == ["a", "b", "c"]
        assert await backend.owned(A) == []

    async def test_lines_that_come_anew_replace_those_of_earlier_snapshots(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new, start = light(), clock.now()
        states = [
            snapshot(new, TaskStatus.RUNNING, start, logs=("a",)),
            snapshot(new, TaskStatus.RUNNING, start, logs=("b",), logs_anew=True),
            snapshot(new, TaskStatus.RUNNING, start, logs=("c",)),
        ]

        for state in states:
            await backend.mirror(A, [state])

        stored = await find(backend, new.task_id)
        assert stored.record.logs == ["b", "c"]

    async def test_snapshots_of_one_task_in_one_call_count_in_order(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()

        answers = await backend.mirror(
            A,
            [
                snapshot(new, TaskStatus.RUNNING, clock.now()),
                snapshot(new, TaskStatus.SUCCESS, clock.now()),
                snapshot(new, TaskStatus.RUNNING, clock.now()),
            ],
        )

        assert answers == [OK, OK, NO]
        assert await backend.mirror(A, []) == []

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    async def test_a_terminal_row_stays_as_it_is(
        self, backend: Backend, clock: ManualClock, status: TaskStatus
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, status, clock.now())])
        before = await find(backend, new.task_id)

        answers = await backend.mirror(
            A, [snapshot(new, TaskStatus.RUNNING, clock.now(), logs=("x",), error="new")]
        )

        assert answers == [NO]
        assert await find(backend, new.task_id) == before

    async def test_a_row_that_was_recovered_is_its_old_owners_no_more(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.RUNNING, clock.now())])
        (got,) = await recover_all(backend, by=B, dead=A)

        assert await backend.mirror(A, [snapshot(new, TaskStatus.SUCCESS, clock.now())]) == [NO]
        await end(backend, got.lease, Move.LOSE, error="its process ended")
        assert await backend.mirror(A, [snapshot(new, TaskStatus.SUCCESS, clock.now())]) == [NO]

        assert (await find(backend, new.task_id)).record.status is TaskStatus.INTERRUPTED

    async def test_an_instance_with_a_new_id_goes_on_writing(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.PENDING)])

        answers = await backend.mirror(B, [snapshot(new, TaskStatus.RUNNING, clock.now())])

        assert answers == [OK]
        assert [got.lease.task_id for got in await backend.owned(B)] == [new.task_id]
        assert await backend.owned(A) == []

    async def test_the_wish_to_cancel_reaches_the_owner(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.PENDING)])
        await backend.cancel([new.task_id])

        answers = await backend.mirror(A, [snapshot(new, TaskStatus.RUNNING, clock.now())])

        assert answers == [MirrorAnswer(accepted=True, cancel_asked=True)]
        answers = await backend.mirror(A, [snapshot(new, TaskStatus.CANCELLED, clock.now())])
        assert answers[0].accepted
        assert (await backend.signals(A)).cancel == ()

    async def test_a_task_that_was_inserted_goes_on_by_mirror(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = light(idempotency_key="k", tags={"a": "b"})
        assert await accept(backend, new) == [Inserted(new.task_id, duplicate=False, fence=1)]

        answers = await backend.mirror(A, [snapshot(new, TaskStatus.SUCCESS, clock.now())])

        assert answers == [OK]
        record = (await find(backend, new.task_id)).record
        assert (record.status, record.tags) == (TaskStatus.SUCCESS, {"a": "b"})
