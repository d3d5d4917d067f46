"""Order keys: what a new task does where a live one has its key."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Inserted,
    KeyConflict,
    Lease,
    NewTask,
    QueueIsFull,
    Stored,
)
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    claim,
    end,
    find,
    ids,
    put,
    run,
    task,
)
from fastapi_taskflow.testing.conformance.turns import claimed, of, some
from fastapi_taskflow.words.conflicts import OnConflict
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class Conflicts(Conformance):
    """What a new task does where a live one has its key."""

    async def test_a_dropped_one_is_the_live_one(self, backend: Backend) -> None:
        first, second = of("k", on_conflict="drop"), of("k", on_conflict="drop", alias=True)
        await accept(backend, first)

        (inserted,) = await accept(backend, second)

        assert inserted == Inserted(first.task_id, duplicate=True, fence=0, dropped=True)
        assert inserted.disposition == "dropped"
        assert (await find(backend, second.task_id)).record.duplicate_of == first.task_id
        assert len(await claim(backend)) == 1
        await end(backend, await _leased(backend, first), Move.GIVE_BACK)

    async def test_nothing_is_dropped_where_nothing_is_live(self, backend: Backend) -> None:
        first, second = of("k", on_conflict="drop"), of("k", on_conflict="drop")
        await accept(backend, first)
        await end(backend, await run(backend, first), Move.FAIL)

        (inserted,) = await accept(backend, second)

        assert inserted.disposition == "created"
        assert ids(await claim(backend)) == [second.task_id]

    async def test_a_replacement_elsewhere_asks_nothing_of_a_queue_over_its_limit(
        self, backend: Backend
    ) -> None:
        await accept(backend, of("k"), task(), task())
        elsewhere = of("k", on_conflict="replace", queue="other")

        answer = await put(backend, elsewhere, limits={"default": 1, "other": 1})

        assert isinstance(answer, Stored)
        assert (await find(backend, elsewhere.task_id)).record.status is TaskStatus.PENDING

    async def test_a_replacement_stands_behind_what_runs(self, backend: Backend) -> None:
        running, waiting = of("k"), of("k", idempotency_key="i", fingerprint=b"same")
        await accept(backend, running, waiting)
        lease = await run(backend, running)
        new = of("k", on_conflict="replace", idempotency_key="i", fingerprint=b"other")
        conflict = await put(backend, new)
        new = new._replace(idempotency_key=None)

        (inserted,) = await accept(backend, new)

        assert isinstance(conflict, KeyConflict)
        assert inserted.disposition == "replaced"
        assert (await find(backend, waiting.task_id)).record.status is TaskStatus.CANCELLED
        assert not (await find(backend, running.task_id)).cancel_asked
        assert await claim(backend) == []
        await end(backend, lease, Move.SUCCEED)
        assert ids(await claim(backend)) == [new.task_id]

    @pytest.mark.parametrize("how", ["replace", "cancel_running"])
    async def test_what_is_claimed_and_not_started_is_replaced(
        self, backend: Backend, how: OnConflict
    ) -> None:
        await some(backend, "k", 1)
        lease = await claimed(backend)

        (inserted,) = await accept(backend, of("k", on_conflict=how))

        assert await backend.start([lease]) == [None]
        assert ids(await claim(backend, B)) == [inserted.task_id]

    async def test_what_runs_is_asked_to_end(self, backend: Backend) -> None:
        running, waiting, last = of("k"), of("k"), of("k", on_conflict="cancel_running")
        await accept(backend, running, waiting)
        lease = await run(backend, running)

        (inserted,) = await accept(backend, last)

        assert inserted.disposition == "replaced"
        assert (await backend.signals(A)).cancel == (running.task_id,)
        assert (await find(backend, waiting.task_id)).record.status is TaskStatus.CANCELLED
        assert await claim(backend, B) == []
        await end(backend, lease, Move.DRAIN)
        assert ids(await claim(backend, B)) == [last.task_id]

    async def test_the_last_of_several_at_once_stays(self, backend: Backend) -> None:
        groups = [[of("k", on_conflict="replace", due_at=None)] for _ in range(4)]

        await backend.insert(groups)

        states = [(await find(backend, one.task_id)).record.status for (one,) in groups]
        assert states == [TaskStatus.CANCELLED] * 3 + [TaskStatus.PENDING]
        assert ids(await claim(backend)) == [groups[-1][0].task_id]

    async def test_a_refused_group_displaces_nothing(self, backend: Backend) -> None:
        waiting = of("k", queue="other")
        await accept(backend, waiting)

        answer = await put(
            backend, of("k", on_conflict="replace"), task(queue="full"), limits={"full": 0}
        )

        assert isinstance(answer, QueueIsFull)
        assert (await find(backend, waiting.task_id)).record.status is TaskStatus.PENDING
        assert len(await claim(backend, queues={"other": 1})) == 1

    async def test_a_replacement_fits_where_the_other_waited(self, backend: Backend) -> None:
        limits = {"default": 1}
        await put(backend, of("k"), limits=limits)

        assert isinstance(await put(backend, of("l"), limits=limits), QueueIsFull)
        answer = await put(backend, of("k", on_conflict="replace"), limits=limits)

        assert isinstance(answer, Stored)
        assert answer.tasks[0].disposition == "replaced"

    async def test_a_repeated_insert_displaces_nothing_more(self, backend: Backend) -> None:
        first, second = of("k", on_conflict="replace"), of("k")
        await accept(backend, first)
        await accept(backend, second)

        await accept(backend, first)

        assert (await find(backend, second.task_id)).record.status is TaskStatus.PENDING


async def _leased(backend: Backend, new: NewTask) -> Lease:
    return Lease(new.task_id, (await find(backend, new.task_id)).fence)
