"""What users do with tasks, each in a few steps, on a store that may fail at any of them."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from fastapi_taskflow import (
    IdempotencyConflict,
    ManagedBackgroundTasks,
    QueueFullError,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.exceptions import TaskStateError
from tests.faults.world import Right, World
from tests.support.waiting import wait_until

SUCCESS = Right(TaskStatus.SUCCESS, effects=1)
CANCELLED = Right(TaskStatus.CANCELLED, effects=0)
INTERRUPTED = Right(TaskStatus.INTERRUPTED, effects=0, most_starts=1)
RESCUED = Right(TaskStatus.SUCCESS, effects=1, most_starts=2)
FOR_EVER = 3600.0
# Seconds; nobody watches these instances while they live.
DEAD_AFTER = 0.3


async def started(world: World) -> TaskManager:
    manager = world.manager()
    await world.start(manager)
    return manager


async def cancelled(world: World, manager: TaskManager, task: str) -> None:
    # Asked again after a lost answer, the task may have ended by that.
    with suppress(TaskStateError):
        await world.insist(lambda: manager.cancel(task))


async def plain(world: World) -> None:
    manager = await started(world)
    for name in ("plain", "threaded", "plain"):
        await world.enqueue(manager, name, right=SUCCESS)


async def many(world: World) -> None:
    """More than there are slots, on two engines."""
    first = world.manager(max_concurrent_tasks=2)
    second = world.manager(faulty=False, max_concurrent_tasks=2)
    await world.start(first)
    await world.start(second)
    for number in range(10):
        await world.enqueue(first, "numbered", number, right=SUCCESS)


async def retries(world: World) -> None:
    manager = await started(world)
    await world.enqueue(manager, "flaky", 2, right=Right(TaskStatus.SUCCESS, 1, failures=2))
    await world.enqueue(manager, "flaky", 9, right=Right(TaskStatus.FAILED, 0, failures=3))


async def words(world: World) -> None:
    """Snooze, Cancel, and a timeout."""
    manager = await started(world)
    sleepy = Right(TaskStatus.SUCCESS, effects=1, most_starts=2)
    await world.enqueue(manager, "sleepy", right=sleepy)
    await world.enqueue(manager, "quitting", right=CANCELLED)
    await world.enqueue(manager, "endless", right=Right(TaskStatus.FAILED, 0, failures=1))


async def cancel(world: World) -> None:
    manager = await started(world)
    running = await world.enqueue(manager, "held", right=CANCELLED)
    waiting = await world.enqueue(manager, "plain", right=CANCELLED, delay=FOR_EVER)
    await world.running(running)
    for task in (running, waiting):
        await cancelled(world, manager, task)


async def cancel_elsewhere(world: World) -> None:
    """Asked on an engine that does not have the task."""
    manager = await started(world)
    other = world.manager(faulty=False, roles={"enqueue", "maintain"})
    await world.start(other)
    task = await world.enqueue(manager, "held", right=CANCELLED)
    await world.running(task)
    await cancelled(world, other, task)


async def keys(world: World) -> None:
    manager = await started(world)
    task = await world.enqueue(manager, "numbered", 1, right=SUCCESS, idempotency_key="k")
    again = await world.enqueue(manager, "numbered", 1, right=SUCCESS, idempotency_key="k")
    assert again == task
    await world.ended(task)
    again = await world.enqueue(manager, "numbered", 1, right=SUCCESS, idempotency_key="k")
    assert again == task
    with pytest.raises(IdempotencyConflict) as conflict:
        await world.enqueue(manager, "numbered", 2, right=SUCCESS, idempotency_key="k")
    assert conflict.value.task_id == task


async def full_queue(world: World) -> None:
    manager = await started(world)
    for _ in range(2):
        await world.enqueue(manager, "plain", right=SUCCESS, queue="paused")
    with pytest.raises(QueueFullError) as full:
        await world.enqueue(manager, "plain", right=SUCCESS, queue="paused")
    assert full.value.task_id is not None
    world.rights[full.value.task_id] = Right(TaskStatus.REJECTED, effects=0)
    await world.insist(lambda: manager.resume("paused"))


async def pause(world: World) -> None:
    manager = await started(world)
    await world.insist(lambda: manager.pause("default"))
    task = await world.enqueue(manager, "plain", right=SUCCESS)
    # What is accepted later in another queue runs, this one waits.
    await world.insist(lambda: manager.resume("paused"))
    other = await world.enqueue(manager, "plain", right=SUCCESS, queue="paused")
    await world.ended(other)
    assert task not in {one for one, _ in world.starts}
    await world.insist(lambda: manager.resume("default"))


async def group(world: World) -> None:
    manager = await started(world)
    tasks = ManagedBackgroundTasks(manager)
    for _ in range(3):
        world.rights[tasks.add_task(world.do_plain)] = SUCCESS
    await tasks()
    found = await world.truth.get(list(world.rights))
    assert all(found), "a request's tasks are stored together"


async def not_durable(world: World) -> None:
    manager = await started(world)
    await world.enqueue(manager, "fleeting", right=SUCCESS)
    await world.enqueue(manager, "fleeting", 1, right=Right(TaskStatus.SUCCESS, 1, failures=1))
    await world.enqueue(manager, "fleeting", 9, right=Right(TaskStatus.FAILED, 0, failures=2))
    keyed = await world.enqueue(manager, "fleeting", 0, right=SUCCESS, idempotency_key="k")
    assert keyed == await world.enqueue(manager, "fleeting", 0, right=SUCCESS, idempotency_key="k")


async def drain(world: World) -> None:
    """The first engine is told to stop with work in hand; a second one goes on with it."""
    first = world.manager(max_concurrent_tasks=2)
    await world.start(first)
    held = await world.enqueue(first, "held", right=INTERRUPTED)
    requeueable = await world.enqueue(first, "held_requeueable", right=SUCCESS)
    await world.running(held, requeueable)
    await world.enqueue(first, "plain", right=SUCCESS)
    await world.stop(first)
    world.release.set()
    await world.start(world.manager(faulty=False))


async def recovery(world: World) -> None:
    """An engine dies with work in hand; one whose store fails sees to it for a third."""
    heir = world.manager(roles={"maintain"})
    await world.start(heir)
    dying = await at_work(world)
    await world.crash(dying)
    await world.start(world.manager(faulty=False, roles={"execute"}))
    await runs_again(world)
    world.release.set()


async def restart(world: World) -> None:
    """As `recovery`, by an engine that starts after the death."""
    dying = await at_work(world)
    await world.crash(dying)
    await world.start(world.manager(instance_ttl=DEAD_AFTER))
    await runs_again(world)
    world.release.set()


async def rebirth(world: World) -> None:
    """An engine is taken for dead while it lives, and goes on under a new name.

    The one that was given its tasks never got the answer.
    """
    robbed = await at_work(world, faulty=True, instance_ttl=FOR_EVER)
    heir = world.manager(faulty=False, roles={"maintain"})
    await world.start(heir)
    old = robbed.runtime.engine().instance_id
    await world.truth.recover(heir.runtime.engine().instance_id, old, limit=100)
    await runs_again(world)
    (held,) = (task for task, right in world.rights.items() if right is INTERRUPTED)
    world.rights[held] = Right(TaskStatus.INTERRUPTED, effects=1)
    world.release.set()
    await world.enqueue(robbed, "plain", right=SUCCESS)


async def at_work(
    world: World, *, faulty: bool = False, instance_ttl: float = DEAD_AFTER
) -> TaskManager:
    """An engine that runs two tasks which end when they are released."""
    manager = world.manager(faulty=faulty, instance_ttl=instance_ttl)
    await world.start(manager)
    held = await world.enqueue(manager, "held", right=INTERRUPTED)
    requeueable = await world.enqueue(manager, "held_requeueable", right=RESCUED)
    await world.running(held, requeueable)
    return manager


async def runs_again(world: World) -> None:
    """Wait until the requeueable task runs anew."""
    (task,) = (task for task, right in world.rights.items() if right is RESCUED)
    await wait_until(lambda: world.starts.count((task, 0)) == 2, within=20.0)


SCENARIOS: dict[str, Callable[[World], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        plain,
        many,
        retries,
        words,
        cancel,
        cancel_elsewhere,
        keys,
        full_queue,
        pause,
        group,
        not_durable,
        drain,
        recovery,
        restart,
        rebirth,
    )
}
