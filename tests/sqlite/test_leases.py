"""What a process remembers of its own leases is never trusted further than the store."""

from fastapi_taskflow.backends.base import ClaimRequest, Lease, Outcome, Settled
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.testing.conformance.harness import accept, find, instance, task
from fastapi_taskflow.words.states import Move
from tests.sqlite.conftest import Opener


async def numbers(backend: SqliteBackend) -> dict[TaskStatus, int]:
    return {cell.status: cell.rows for cell in await backend.tally() if cell.rows}


async def test_a_task_lost_to_another_process_stops_no_neighbours_start(open_backend: Opener):
    ours, theirs = await open_backend(), await open_backend()
    await ours.enlist(instance("a"))
    kept, lost = task(owner="a"), task(owner="a")
    await accept(ours, kept, lost)
    await theirs.cancel([lost.task_id])

    started = await ours.start([Lease(kept.task_id, 1), Lease(lost.task_id, 1)])

    assert started[0] is not None
    assert started[1] is None
    assert await numbers(ours) == {TaskStatus.RUNNING: 1, TaskStatus.CANCELLED: 1}


async def test_a_task_lost_to_another_process_stops_no_neighbours_success(open_backend: Opener):
    ours, theirs = await open_backend(), await open_backend()
    for name in ("a", "b"):
        await ours.enlist(instance(name))
    kept, lost = task(owner="a"), task(owner="b")
    await accept(ours, kept, lost)
    leases = [Lease(kept.task_id, 1), Lease(lost.task_id, 1)]
    await ours.start(leases)
    (claim,) = await theirs.recover("a", "b", limit=10)
    await theirs.finish([Outcome(claim.lease, Move.RESCUE)])

    answers = await ours.finish([Outcome(lease, Move.SUCCEED, elapsed=0.5) for lease in leases])

    assert answers == [Settled(TaskStatus.SUCCESS), Settled(TaskStatus.PENDING, late=True)]
    assert (await find(ours, kept.task_id)).record.elapsed == 0.5
    assert await numbers(ours) == {TaskStatus.SUCCESS: 1, TaskStatus.PENDING: 1}


async def test_a_cancel_asked_elsewhere_leaves_a_success_one(open_backend: Opener):
    ours, theirs = await open_backend(), await open_backend()
    await ours.enlist(instance("a"))
    one = task(owner="a")
    await accept(ours, one)
    await ours.start([Lease(one.task_id, 1)])
    await theirs.cancel([one.task_id])

    answers = await ours.finish([Outcome(Lease(one.task_id, 1), Move.SUCCEED, logs=("line",))])

    assert answers == [Settled(TaskStatus.SUCCESS)]
    assert (await find(ours, one.task_id)).record.logs == ["line"]


async def test_the_second_run_of_a_task_starts_and_ends_like_its_first(open_backend: Opener):
    ours = await open_backend()
    await ours.enlist(instance("a"))
    one = task(owner="a")
    await accept(ours, one)
    await ours.start([Lease(one.task_id, 1)])
    await ours.finish([Outcome(Lease(one.task_id, 1), Move.RETRY, error="once")])
    again = ClaimRequest("a", "c", {one.queue: 5}, 5, frozenset({one.func_name}), 0)
    (claim,) = await ours.claim(again)

    await ours.start([claim.lease])
    await ours.finish([Outcome(claim.lease, Move.SUCCEED)])

    found = await find(ours, one.task_id)
    assert (found.record.status, found.record.error) == (TaskStatus.SUCCESS, None)
    assert found.record.retries_used == found.failures == 1
    assert await numbers(ours) == {TaskStatus.SUCCESS: 1}
