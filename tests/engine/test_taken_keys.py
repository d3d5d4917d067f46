"""A task whose idempotency key another one has by now: it is not run again, and that is said."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from fastapi_taskflow import TaskManager, TaskStatus
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.exceptions import KeyTaken
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.testing import async_drain
from tests.engine.test_bulk import over
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Shop:
    """Charges a card: the first time it fails, then it waits if it is told to."""

    def __init__(self, tasks: TaskManager) -> None:
        self.tasks, self.operations = tasks, Operations(tasks.runtime)
        self.calls, self.closed = 0, False
        self.paid = asyncio.Event()
        self.charge = tasks.task(name="charge", persist=True)(self._charge)

    async def _charge(self, amount: int) -> None:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("bank is closed")
        await self.paid.wait()

    async def ordered(self, *, succeeds: bool) -> tuple[str, str, str]:
        """A failed task, the one that has its key by now, and what is said of that."""
        first = (await self.tasks.enqueue(self.charge, 7, idempotency_key="order-1")).task_id
        assert await ended(self.tasks, first) is TaskStatus.FAILED
        heir = await self.order_again(succeeds=succeeds)
        return first, heir, "succeeded" if succeeds else "runs"

    async def order_again(self, *, succeeds: bool) -> str:
        if succeeds:
            self.paid.set()
        heir = (await self.tasks.enqueue(self.charge, 7, idempotency_key="order-1")).task_id
        wanted = TaskStatus.SUCCESS if succeeds else TaskStatus.RUNNING

        async def reached() -> bool:
            record = await self.tasks.get(heir)
            return record is not None and record.status is wanted

        await wait_until(reached)
        return heir

    async def nothing_happened(self, first: str) -> None:
        """No task was added, and the audit has no act on one."""
        record = await self.tasks.get(first)
        assert record is not None
        assert record.retried_as is None
        assert len((await self.tasks.runtime.backend.search(Query(), limit=9)).tasks) == 2
        entries, _ = await self.operations.audit(limit=9)
        assert [one.action for one in entries] == []
        assert self.calls == 2


@pytest.fixture(params=[True, False], ids=["succeeded", "runs"])
def succeeds(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def shop(manager: Make) -> Iterator[Shop]:
    shop = Shop(manager())
    yield shop
    shop.paid.set()


async def test_a_retry_says_which_task_has_the_key(shop: Shop, succeeds: bool) -> None:
    async with shop.tasks:
        first, heir, became = await shop.ordered(succeeds=succeeds)

        with pytest.raises(KeyTaken, match=f"belongs to task {heir}, which {became}") as refused:
            await shop.tasks.retry(first)

        assert (refused.value.task_id, refused.value.held_by) == (first, heir)
        await shop.nothing_happened(first)
        shop.paid.set()


async def test_many_are_skipped_with_that_reason(shop: Shop, succeeds: bool) -> None:
    async with shop.tasks:
        first, heir, became = await shop.ordered(succeeds=succeeds)

        by_id = await shop.operations.retry_many([first])
        all_failed = await shop.operations.retry_failed()

        for done in (by_id, all_failed):
            assert (done.retried, done.skipped) == ([], 1)
            ((task_id, reason),) = done.refusals
            assert task_id == first
            assert f"belongs to task {heir}, which {became}" in reason
        await shop.nothing_happened(first)
        shop.paid.set()


async def test_an_action_on_all_that_match_says_so_too(shop: Shop, succeeds: bool) -> None:
    async with shop.tasks:
        first, heir, _ = await shop.ordered(succeeds=succeeds)

        begun = await shop.operations.start_bulk("retry", Query(func_name="charge"))
        info = await over(shop.tasks, begun)

        assert (info.found, info.done, info.refused) == (1, 0, 1)
        ((task_id, reason),) = info.refusals
        assert (task_id, reason) == (first, f"Its idempotency key now belongs to task {heir}.")
        assert len((await shop.tasks.runtime.backend.search(Query(), limit=9)).tasks) == 2
        shop.paid.set()


async def test_it_does_not_run_again_with_other_arguments(shop: Shop, succeeds: bool) -> None:
    async with shop.tasks:
        first, heir, _ = await shop.ordered(succeeds=succeeds)

        with pytest.raises(KeyTaken, match=heir):
            await shop.operations.run_again(first, {"amount": 8})

        await shop.nothing_happened(first)
        shop.paid.set()


async def test_a_dropped_call_did_not_run_again(manager: Make) -> None:
    tasks = manager()
    operations = Operations(tasks.runtime)
    let_go = asyncio.Event()

    @tasks.task(persist=True, key="customer", on_conflict="drop")
    async def sync(customer: int) -> None:
        if calls:
            await let_go.wait()
        calls.append(customer)

    calls: list[int] = []
    async with tasks:
        done = (await tasks.enqueue(sync, 1)).task_id
        assert await ended(tasks, done) is TaskStatus.SUCCESS
        running = (await tasks.enqueue(sync, 1)).task_id

        with pytest.raises(KeyTaken, match=f"its key now belongs to task {running}"):
            await operations.run_again(done, {})

        assert (await operations.audit(limit=9))[0] == []
        let_go.set()
        await async_drain(tasks)
