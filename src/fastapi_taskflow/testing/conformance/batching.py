"""Batches: what is kept of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import (
    Admission,
    Backend,
    Batches,
    Callback,
    Lease,
    Member,
    NewBatch,
    NewTask,
    Query,
    QueueIsFull,
    Stored,
    StoredBatch,
)
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    fresh_id,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

S, F, D = Callback.SUCCESS, Callback.FAILURE, Callback.DONE


def batches_of(backend: Backend) -> Batches:
    """The port of batches, as `logins_of`."""
    found = backend.batches
    return pytest.skip("This backend has no Backend.batches.") if found is None else found


def batch(number: int = 2, *kinds: Callback, chain: bool = False, **changes: Any) -> NewBatch:
    """A batch of so many tasks of ``f``, with callbacks of ``g``."""
    batch_id, tasks = fresh_id(), list[NewTask]()
    for place in range(number):
        after = tasks[-1].task_id if chain and tasks else None
        member = Member(batch_id, place, after, chain and place > 0)
        tasks.append(task(member=member, **changes))
    calls = {kind: task(func_name="g", member=Member(batch_id)) for kind in kinds}
    return NewBatch(batch_id, tasks[0].created_at if tasks else task().created_at, tuple(tasks),
                    calls, chain, {"of": "a kind"})  # fmt: skip


async def add(backend: Backend, new: NewBatch, **limits: int) -> Admission:
    """Store one batch."""
    (answer,) = await batches_of(backend).add([new], limits)
    return answer


async def added(backend: Backend, *args: Any, **kwargs: Any) -> NewBatch:
    """Make a batch and store it."""
    new = batch(*args, **kwargs)
    answer = await add(backend, new)
    assert isinstance(answer, Stored)
    assert [one.task_id for one in answer.tasks] == [one.task_id for one in new.tasks]
    return new


async def look(backend: Backend, new: NewBatch) -> StoredBatch:
    """A batch that is stored."""
    (found,) = await batches_of(backend).find([new.batch_id])
    assert found is not None
    return found


async def counts(backend: Backend, new: NewBatch) -> tuple[int, int, int]:
    """How its tasks ended: success, failed, cancelled."""
    found = await look(backend, new)
    return found.success, found.failed, found.cancelled


async def called(backend: Backend, new: NewBatch) -> set[Callback]:
    """The callbacks that were added so far."""
    found = set()
    for kind, call in new.callbacks.items():
        (stored,) = await backend.get([call.task_id])
        if stored is not None:
            found.add(kind)
    page = await backend.search(Query(func_name="g", batch_id=new.batch_id), limit=10)
    assert len(page.tasks) == len(found)
    return found


async def started(backend: Backend, instance: str = A) -> list[Lease]:
    """All tasks of ``f`` that are due, claimed and started."""
    claims = await claim(backend, instance)
    leases = [one.lease for one in claims]
    for lease in leases:
        await begin(backend, lease)
    return leases


async def run_all(backend: Backend, *moves: Move) -> None:
    """Run what is due, and end it so."""
    for lease, move in zip(await started(backend), moves, strict=True):
        await end(backend, lease, move)


class KeptBatches(Conformance):
    """What is stored, and shown."""

    async def test_a_batch_is_stored_with_its_tasks(self, backend: Backend) -> None:
        new = await added(backend, 3, S, D)

        found = await look(backend, new)
        tasks = [await find(backend, one.task_id) for one in new.tasks]

        assert found == StoredBatch(
            new.batch_id, new.created_at, False, {"of": "a kind"}, 3, 0, 0, 0, 0, None
        )
        assert [one.record.batch_id for one in tasks] == [new.batch_id] * 3
        assert [one.member for one in tasks] == [Member(new.batch_id, n) for n in range(3)]
        assert await called(backend, new) == set()
        assert await batches_of(backend).find(["none"]) == [None]
        assert await batches_of(backend).find([]) == []

    async def test_a_batch_that_is_sent_again_is_stored_once(self, backend: Backend) -> None:
        new = await added(backend, 2, S, D)
        (lease, _) = await started(backend)
        await end(backend, lease, Move.SUCCEED)

        again = await add(backend, new)

        assert isinstance(again, Stored)
        assert await counts(backend, new) == (1, 0, 0)
        assert (await look(backend, new)).running == 1

    async def test_a_queue_without_room_takes_nothing(self, backend: Backend) -> None:
        new = batch(3, D)

        answer = await add(backend, new, default=2)

        assert answer == QueueIsFull("default", 2, new.tasks[2].task_id)
        assert await batches_of(backend).find([new.batch_id]) == [None]
        rejected = await find(backend, new.tasks[2].task_id)
        assert (rejected.record.status, rejected.member) == (TaskStatus.REJECTED, None)
        assert await backend.count(Query()) == 1

    async def test_pages_and_searches_go_by_batch(self, backend: Backend) -> None:
        new = [await added(backend, 2) for _ in range(3)]
        await accept(backend, task())

        first, cursor = await batches_of(backend).page(limit=2)
        second, end_of_all = await batches_of(backend).page(limit=2, cursor=cursor)
        page = await backend.search(Query(batch_id=new[1].batch_id), limit=10)

        assert [one.batch_id for one in first + second] == [one.batch_id for one in new][::-1]
        assert end_of_all is None
        assert [one.record.task_id for one in page.tasks] == [
            one.task_id for one in reversed(new[1].tasks)
        ]
        assert await backend.count(Query(batch_id=new[0].batch_id)) == 2
        assert await backend.count(Query(batch_id="none")) == 0

    async def test_an_empty_batch_is_done_at_once(self, backend: Backend) -> None:
        new = await added(backend, 0, S, F, D)

        assert await called(backend, new) == {S, D}
        assert (await look(backend, new)).ended_at is not None

    async def test_done_batches_are_purged(self, backend: Backend, clock: ManualClock) -> None:
        done, live = await added(backend, 1, F), await added(backend, 1, F)
        (first, second) = await started(backend)
        await end(backend, first, Move.SUCCEED)
        clock.advance(60)

        purged = await backend.purge(clock.now() - timedelta(seconds=30), limit=10)
        await end(backend, second, Move.FAIL)

        assert (purged.batches, len(purged.task_ids)) == (1, 1)
        assert await batches_of(backend).find([done.batch_id]) == [None]
        assert await called(backend, live) == {F}

    async def test_arguments_that_are_held_are_replaced(self, backend: Backend) -> None:
        new = await added(backend, 1, S, D)
        port = batches_of(backend)

        held = await port.held(limit=10)
        one, other = held
        assert await port.reseal([(one, b"new"), (other._replace(payload=b"?"), b"?")]) == [
            True,
            False,
        ]
        assert [x.payload for x in await port.held(limit=10)] == [b"new", other.payload]
        assert await port.held(limit=10, after=one.task_id) == [other]
        await run_all(backend, Move.SUCCEED)

        assert (await find(backend, new.callbacks[one.kind].task_id)).payload == b"new"
        assert await port.held(limit=10) == []
