"""`batch(session=)` and `chain(session=)`: all of it exists if its caller's transaction commits."""

from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import BatchNotFound, QueueConfig, QueueFullError, TaskManager
from fastapi_taskflow.backends.base import Query
from tests.support.shops import Shop, done, ordering
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["session", "async session"])
async def test_a_batch_is_a_part_of_the_transaction_and_calls_once(
    shop: Shop, manager: Make, kind: str
) -> None:
    tasks, heard = manager(queues={"small": QueueConfig(max_size=2)}), list[object]()

    @tasks.task(persist=True)
    async def pack(number: int) -> None:
        heard.append(number)

    @tasks.task(persist=True)
    async def tell(word: str) -> None:
        heard.append(word)

    @tasks.task(persist=True, queue="small")
    async def weigh(number: int) -> None: ...

    await tasks.startup()
    calls = [tasks.call(pack, number) for number in range(5)]
    ends: dict[str, Any] = {
        "on_success": tasks.call(tell, "good"),
        "on_done": tasks.call(tell, "over"),
    }

    async with shop.open(kind) as session:
        lost = await tasks.batch(calls, **ends, session=session)
        none = await tasks.batch([], on_done=tasks.call(tell, "never"), session=session)
        await done(session.rollback())
        with pytest.raises(QueueFullError):
            await tasks.batch([tasks.call(weigh, n) for n in range(3)], session=session)
        kept = await tasks.batch(calls, **ends, session=session)
        await done(session.execute(ordering(1)))
        await done(session.commit())

    await wait_until(lambda: len(heard) >= 7)
    stored, _ = await tasks.operations.search(Query(batch_id=kept.id), limit=20)
    assert len(stored) == 7
    assert sorted(map(str, heard)) == ["0", "1", "2", "3", "4", "good", "over"]
    assert (await tasks.batches.get(kept.id)).success == 5
    assert [await tasks.get(one) for one in lost.task_ids] == [None] * 5
    for gone in (lost, none):
        with pytest.raises(BatchNotFound):
            await tasks.batches.get(gone.id)
    assert shop.orders() == [1]


async def test_a_chain_begins_with_the_commit_and_passes_results_on(
    shop: Shop, manager: Make
) -> None:
    tasks, heard = manager(), list[int]()

    @tasks.task(persist=True)
    async def add(number: int, before: int = 0) -> int:
        heard.append(number + before)
        return number + before

    await tasks.startup()
    steps = [tasks.call(add, number) for number in (1, 10, 100)]

    async with shop.open("async session") as session:
        await tasks.chain(*steps, session=session)
        await session.rollback()
        made = await tasks.chain(*steps, session=session)
        await session.commit()

    await wait_until(lambda: len(heard) == 3)
    assert heard == [1, 11, 111]
    assert await tasks.result(made.task_ids[-1]) == 111
