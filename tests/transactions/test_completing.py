"""`complete_in(session)`: what a task did and that it has succeeded are one commit."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from fastapi_taskflow import (
    ConfigurationError,
    TaskContext,
    TaskManager,
    TaskStatus,
    get_task_context,
    task_log,
)
from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.words.errors import TaskStateError
from fastapi_taskflow.words.states import Move
from tests.support.shops import SESSIONS, Shop, done, ordering
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.anyio


def this_task() -> TaskContext:
    found = get_task_context()
    assert found is not None
    return found


async def ended(manager: TaskManager, task_id: str) -> Any:
    async def record() -> Any:
        found = await manager.get(task_id)
        return found if found is not None and found.end_time is not None else None

    return await wait_until(record)


@pytest.mark.parametrize("kind", SESSIONS)
async def test_the_end_and_its_effects_are_one_commit(shop: Shop, manager: Make, kind: str) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def order(number: int) -> None:
        task_log("before")
        async with shop.open(kind) as session:
            await done(session.execute(ordering(number)))
            await this_task().complete_in(session, {"number": number})
            await done(session.commit())
        # It is over already.
        raise RuntimeError("afterwards")

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7)

    assert await tasks.result(accepted.task_id) == {"number": 7}
    record = await ended(tasks, accepted.task_id)
    assert (record.status, record.error) == (TaskStatus.SUCCESS, None)
    assert [line.split(" ", 1)[1] for line in record.logs] == ["before"]
    assert shop.orders() == [7]


async def test_threads_complete_as_well(shop: Shop, manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    def order(number: int) -> None:
        with Session(shop.engine) as session, session.begin():
            session.execute(ordering(number))
            this_task().complete_in(session)

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7)

    assert (await ended(tasks, accepted.task_id)).status is TaskStatus.SUCCESS
    assert shop.orders() == [7]


async def test_a_rollback_takes_the_end_back(shop: Shop, manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True, retries=1)
    async def order(number: int) -> str:
        context = this_task()
        async with AsyncSession(shop.async_engine) as session, session.begin():
            await session.execute(ordering(number))
            await context.complete_in(session)
            if context.attempt == 0:
                raise RuntimeError("first")
        return "ignored"

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7)

    record = await ended(tasks, accepted.task_id)
    assert (record.status, record.retries_used) == (TaskStatus.SUCCESS, 1)
    assert shop.orders() == [7]


@pytest.mark.parametrize("kind", SESSIONS)
async def test_no_second_transaction_completes_it(shop: Shop, manager: Make, kind: str) -> None:
    tasks, over = manager(), asyncio.Event()
    raised: list[Exception] = []

    @tasks.task(persist=True)
    async def order(*numbers: int) -> None:
        for number in numbers:
            async with shop.open(kind) as session:
                await done(session.execute(ordering(number)))
                try:
                    await this_task().complete_in(session)
                except TaskStateError as exc:
                    raised.append(exc)
                    await done(session.rollback())
                else:
                    await done(session.commit())
        over.set()

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7, 8)
    async with asyncio.timeout(60):
        await over.wait()

    assert (await ended(tasks, accepted.task_id)).status is TaskStatus.SUCCESS
    assert len(raised) == 1
    assert shop.orders() == [7]


async def test_who_lost_the_lease_commits_nothing(shop: Shop, manager: Make) -> None:
    tasks = manager()
    others = asyncio.Event()
    raised: list[Exception] = []

    @tasks.task(persist=True, requeue_on_interrupt=True)
    async def order(number: int) -> None:
        context = this_task()
        if raised:
            return
        # Somebody believes that this instance is dead, and has its task.
        backend = tasks.runtime.engine().backend
        lease = Lease(context.task_id, context.fence)
        await backend.finish([Outcome(lease, Move.DRAIN)])
        try:
            async with AsyncSession(shop.async_engine) as session, session.begin():
                await session.execute(ordering(number))
                await context.complete_in(session)
        except TaskStateError as exc:
            raised.append(exc)
        others.set()

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7)
    async with asyncio.timeout(60):
        await others.wait()

    assert (await ended(tasks, accepted.task_id)).status is TaskStatus.SUCCESS
    assert len(raised) == 1
    assert shop.orders() == []


async def test_nobody_takes_a_task_that_is_being_committed(shop: Shop, manager: Make) -> None:
    tasks, free = manager(), threading.Event()
    in_transaction = asyncio.Event()
    loop = asyncio.get_running_loop()

    @tasks.task(persist=True)
    def order(number: int) -> None:
        with Session(shop.engine) as session, session.begin():
            session.execute(ordering(number))
            this_task().complete_in(session)
            loop.call_soon_threadsafe(in_transaction.set)
            free.wait(60)

    await tasks.startup()
    accepted = await tasks.enqueue(order, 7)
    async with asyncio.timeout(60):
        await in_transaction.wait()
    stealing = asyncio.create_task(_steal(tasks, accepted.task_id))
    await asyncio.sleep(0)
    free.set()

    assert await stealing is TaskStatus.SUCCESS
    assert (await ended(tasks, accepted.task_id)).status is TaskStatus.SUCCESS
    assert shop.orders() == [7]


async def _steal(tasks: TaskManager, task_id: str) -> TaskStatus:
    """As its instance would at the end of a drain."""
    (settled,) = await tasks.runtime.engine().backend.finish(
        [Outcome(Lease(task_id, 1), Move.INTERRUPT)]
    )
    assert settled is not None
    return settled.status


async def test_only_durable_tasks_of_this_process_can(shop: Shop, manager: Make) -> None:
    tasks = manager()
    told: list[str] = []

    @tasks.task()
    async def plain() -> None:
        with Session(shop.engine) as session, pytest.raises(ConfigurationError, match="persist"):
            this_task().complete_in(session)
        told.append("plain")

    @tasks.task(persist=True)
    async def elsewhere() -> None:
        with sa.create_engine("sqlite://").connect() as sql, pytest.raises(ConfigurationError):
            this_task().complete_in(sql)
        told.append("elsewhere")

    @tasks.task(persist=True)
    def unawaited() -> None:
        with pytest.raises(ConfigurationError, match="plain function"):
            this_task().complete_in(AsyncSession(shop.async_engine))
        told.append("unawaited")

    await tasks.startup()
    for func in (plain, elsewhere, unawaited):
        await tasks.enqueue(func)
    await wait_until(lambda: sorted(told) == ["elsewhere", "plain", "unawaited"])
