"""Batches and chains, as a user has them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import (
    MemoryBackend,
    QueueConfig,
    QueueFullError,
    ResultUnavailable,
    TaskArgumentError,
    TaskCall,
    TaskCancelled,
    TaskManager,
    TaskStatus,
    get_task_context,
)
from fastapi_taskflow.errors import AlreadyRetried, UnknownTaskFunction
from fastapi_taskflow.words.batches import BatchNotFound, BatchStatus
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Work:
    """Functions that note what they did."""

    def __init__(self, tasks: TaskManager) -> None:
        self.tasks = tasks
        self.ran: list[Any] = []
        self.called: list[tuple[str, str | None]] = []
        self.broken = {"bad"}
        self.gate = asyncio.Event()

        @tasks.task()
        async def note(word: str) -> str:
            if word in self.broken:
                raise LookupError(word)
            self.ran.append(word)
            return word

        @tasks.task(persist=True)
        async def wait(word: str) -> None:
            self.ran.append(word)
            await self.gate.wait()

        @tasks.task(persist=True)
        def told(kind: str) -> None:
            context = get_task_context()
            self.called.append((kind, None if context is None else context.batch_id))

        self.note, self.wait, self.told = note, wait, told

    def callbacks(self) -> dict[str, Any]:
        return {
            f"on_{kind}": self.tasks.call(self.told, kind)
            for kind in ("success", "failure", "done")
        }

    def kinds(self) -> list[str]:
        return sorted(kind for kind, _ in self.called)

    async def done(self, batch_id: str) -> BatchStatus:
        status = await self.tasks.batches.get(batch_id)
        while not status.done:
            await asyncio.sleep(0.01)
            status = await self.tasks.batches.get(batch_id)
        return status


async def test_a_batch_runs_and_calls_back(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        calls = [tasks.call(work.note, f"w{n}") for n in range(10)]
        batch = await tasks.batch(calls, **work.callbacks(), tags={"of": "ten"})
        status = await work.done(batch.id)
        await wait_until(lambda: len(work.called) == 2)
        records = [await tasks.get(task_id) for task_id in batch.task_ids]

    assert sorted(work.ran) == sorted(f"w{n}" for n in range(10))
    assert (status.total, status.success, status.pending, status.running) == (10, 10, 0, 0)
    assert (status.tags, status.chain) == ({"of": "ten"}, False)
    assert sorted(work.called) == [("done", batch.id), ("success", batch.id)]
    assert {one.batch_id for one in records if one} == {batch.id}


async def test_a_failure_is_told_once_and_a_retry_mends_it(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        words = ("a", "bad", "bad", "b")
        batch = await tasks.batch([tasks.call(work.note, one) for one in words], **work.callbacks())
        failed = await work.done(batch.id)
        await wait_until(lambda: len(work.called) == 2)
        first = work.kinds()
        work.broken.clear()
        new = await tasks.batches.retry(batch.id)
        await work.done(batch.id)
        await wait_until(lambda: len(work.called) == 3)
        mended = await tasks.batches.get(batch.id)
        again = await tasks.batches.retry(batch.id)
        context_of_retry = await tasks.get(next(iter(new.values())))

    assert (failed.success, failed.failed) == (2, 2)
    assert first == ["done", "failure"]
    assert set(new) == {batch.task_ids[1], batch.task_ids[2]}
    assert (mended.success, mended.failed, mended.total) == (4, 0, 4)
    assert work.kinds() == ["done", "failure", "success"]
    assert again == {}
    assert context_of_retry is not None
    assert context_of_retry.batch_id == batch.id


async def test_a_retry_of_one_task_counts_too(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        batch = await tasks.batch([tasks.call(work.note, "bad")], **work.callbacks())
        await work.done(batch.id)
        work.broken.clear()
        await tasks.retry(batch.task_ids[0])
        await wait_until(lambda: len(work.called) == 3)
        status = await tasks.batches.get(batch.id)

    assert status.success == 1
    assert work.kinds() == ["done", "failure", "success"]


async def test_cancelling_ends_what_waits_and_asks_what_runs(manager: Make) -> None:
    work = Work(manager(queues={"default": QueueConfig(concurrency=1)}))

    async with work.tasks as tasks:
        batch = await tasks.batch([tasks.call(work.wait, str(n)) for n in range(3)])
        await wait_until(lambda: work.ran)
        await tasks.batches.cancel(batch.id)
        status = await work.done(batch.id)

    assert len(work.ran) == 1
    assert status.cancelled == 3


async def test_an_empty_batch_is_done_at_once(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        batch = await tasks.batch([], **work.callbacks())
        await wait_until(lambda: len(work.called) == 2)
        status = await tasks.batches.get(batch.id)

    assert (status.total, status.done, batch.task_ids) == (0, True, ())
    assert work.kinds() == ["done", "success"]


async def test_a_full_queue_takes_no_part_of_a_batch(manager: Make) -> None:
    tasks = manager(queues={"small": QueueConfig(max_size=2, paused=True)})
    ran = []

    @tasks.task(queue="small")
    async def work(n: int) -> None:
        ran.append(n)

    async with tasks:
        with pytest.raises(QueueFullError):
            await tasks.batch([tasks.call(work, n) for n in range(3)])
        found, _ = await tasks.batches.list()
        live = [one for one in await tasks.merged_list() if one.status is TaskStatus.PENDING]

    assert (found, live) == ([], [])


async def test_what_cannot_be_in_a_batch_is_refused(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        with pytest.raises(TaskArgumentError, match="not registered"):
            await tasks.batch([tasks.call(print, 1)])
        with pytest.raises(TaskArgumentError, match="word"):
            await tasks.batch([work.note])
        with pytest.raises(TaskArgumentError, match="object"):
            await tasks.batch([tasks.call(work.note, object())])  # type: ignore[arg-type]
        with pytest.raises(TaskArgumentError, match="list"):
            await tasks.batch(tasks.call(work.note, "a"))  # type: ignore[arg-type]
        with pytest.raises(TaskArgumentError, match="1 to 1000"):
            await tasks.chain()
        with pytest.raises(BatchNotFound):
            await tasks.batches.get("none")
        assert await tasks.merged_list() == []


async def test_each_step_of_a_chain_is_given_the_result_before(manager: Make) -> None:
    tasks = manager()
    seen: list[Any] = []

    @tasks.task()
    async def first(n: int) -> dict[str, int]:
        return {"n": n}

    @tasks.task(executor="thread")
    def second(factor: int, found: dict[str, int]) -> int:
        return found["n"] * factor

    @tasks.task()
    async def third() -> None:
        seen.append("third takes nothing")

    @tasks.task()
    async def fourth(given: int | None, *, word: str) -> str:
        seen.append((given, word))
        return word

    async with tasks:
        chain = await tasks.chain(
            tasks.call(first, 4),
            TaskCall(second, (3,), {}),
            third,
            TaskCall(fourth, (), {"word": "x"}),
        )
        result = await tasks.result(chain.task_ids[-1], timeout=20)
        value = await tasks.result(chain.task_ids[1])
        status = await tasks.batches.get(chain.id)

    assert (result, value) == ("x", 12)
    assert seen == ["third takes nothing", (None, "x")]
    assert (status.chain, status.success, status.total, status.done) == (True, 4, 4, True)


async def test_a_failed_step_stops_a_chain_until_it_is_retried(manager: Make) -> None:
    tasks = manager()
    healthy = asyncio.Event()

    @tasks.task()
    async def one() -> int:
        return 1

    @tasks.task()
    async def two(n: int) -> int:
        if not healthy.is_set():
            raise LookupError
        return n + 1

    @tasks.task()
    async def three(n: int) -> int:
        return n + 1

    async with tasks:
        chain = await tasks.chain(one, two, three)
        with pytest.raises(TaskCancelled, match="before it in its chain ended failed"):
            await tasks.result(chain.task_ids[2], timeout=20)
        stopped = await tasks.batches.get(chain.id)
        healthy.set()
        new = await tasks.retry(chain.task_ids[2])
        result = await tasks.result(chain.task_ids[2], timeout=20)
        status = await tasks.batches.get(chain.id)

    assert (stopped.success, stopped.failed, stopped.cancelled) == (1, 1, 1)
    assert result == 3
    assert new != chain.task_ids[2]
    assert (status.success, status.done) == (3, True)


async def test_a_chain_that_cannot_be_retried_here_leaves_nothing_behind(manager: Make) -> None:
    async def fails() -> None:
        raise LookupError

    async def follows() -> None: ...

    whole, partly = manager(), manager(queues={"default": QueueConfig(max_size=1)})
    for func in (fails, follows):
        whole.task()(func)
    partly.task()(fails)
    async with whole:
        chain = await whole.chain(fails, follows)
        with pytest.raises(TaskCancelled):
            await whole.result(chain.task_ids[1], timeout=20)
    async with partly:
        with pytest.raises(UnknownTaskFunction):
            await partly.batches.retry(chain.id)
        known = [record.status for record in partly.store.list()]
        await partly.enqueue(fails)

    assert TaskStatus.PENDING not in known


class OneStands(MemoryBackend):
    """Of its searches the first one takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Gate | None = None

    async def search(self, *args: Any, **kwargs: Any) -> Any:
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.stand()
        return await super().search(*args, **kwargs)


async def test_of_two_who_retry_a_chain_at_once_one_hears_of_the_other() -> None:
    store = OneStands()
    tasks = TaskManager(snapshot_backend=store)
    work = Work(tasks)

    async with tasks:
        chain = await tasks.chain(tasks.call(work.note, "bad"), tasks.call(work.told, "after"))
        with pytest.raises(TaskCancelled):
            await tasks.result(chain.task_ids[1], timeout=20)
        gate = store.gate = Gate()
        late = asyncio.create_task(tasks.retry(chain.task_ids[1]))
        await gate.reached()
        await tasks.retry(chain.task_ids[0])
        gate.open()

        with pytest.raises(AlreadyRetried):
            await late


async def test_a_result_that_is_too_large_stops_a_chain(manager: Make) -> None:
    tasks = manager(max_payload_bytes=1000)

    @tasks.task()
    async def large() -> str:
        return "x" * 2000

    @tasks.task()
    async def after(text: str) -> None: ...

    async with tasks:
        chain = await tasks.chain(large, after)
        with pytest.raises(TaskCancelled, match="not stored"):
            await tasks.result(chain.task_ids[1], timeout=20)
        with pytest.raises(ResultUnavailable):
            await tasks.result(chain.task_ids[0])


async def test_a_cancelled_chain_runs_no_further(manager: Make) -> None:
    work = Work(manager())

    async with work.tasks as tasks:
        chain = await tasks.chain(tasks.call(work.wait, "one"), tasks.call(work.note, "two"))
        await wait_until(lambda: work.ran)
        await tasks.batches.cancel(chain.id)
        status = await work.done(chain.id)

    assert work.ran == ["one"]
    assert status.cancelled == 2


async def test_a_chain_is_stored_sealed(manager: Make) -> None:
    work = Work(manager(encrypt_args_key=b"k" * 32))

    async with work.tasks as tasks:
        chain = await tasks.chain(tasks.call(work.note, "secret"), work.note)
        assert await tasks.result(chain.task_ids[1], timeout=20) == "secret"
        batch = await tasks.batch([tasks.call(work.note, "a")], **work.callbacks())
        await work.done(batch.id)
        await wait_until(lambda: len(work.called) == 2)


async def test_without_a_backend_a_batch_lives_in_memory() -> None:
    work = Work(TaskManager())
    work.tasks = TaskManager()
    ran = []

    @work.tasks.task()
    async def count(n: int) -> None:
        ran.append(n)

    @work.tasks.task()
    async def finished() -> None:
        ran.append(-1)

    async with work.tasks as tasks:
        batch = await tasks.batch([tasks.call(count, n) for n in range(3)], on_done=finished)
        await wait_until(lambda: -1 in ran)
        status = await tasks.batches.get(batch.id)

    assert status.success == 3


@pytest.mark.parametrize("on_conflict", ["drop", "replace", "cancel_running"])
async def test_two_of_one_key_that_would_end_each_other_are_refused(
    manager: Make, on_conflict: Any
) -> None:
    work = Work(manager())
    ran: list[int] = []

    @work.tasks.task(key="key", on_conflict=on_conflict)
    async def keyed(key: str, n: int) -> None:
        ran.append(n)

    async with work.tasks as tasks:
        rivals = [tasks.call(keyed, "a", 1), tasks.call(keyed, "a", 2)]
        with pytest.raises(TaskArgumentError, match="one would end the other, or be dropped"):
            await tasks.batch([*rivals, tasks.call(work.note, "neighbour")])
        apart = await tasks.batch([tasks.call(keyed, "a", 3), tasks.call(keyed, "b", 4)])
        assert (await work.done(apart.id)).success == 2

    assert sorted(ran) == [3, 4]
    assert work.ran == []


async def test_no_step_of_a_chain_can_be_dropped(manager: Make) -> None:
    work = Work(manager())

    @work.tasks.task(key="key", on_conflict="drop")
    async def keyed(key: str) -> None: ...

    async with work.tasks as tasks:
        with pytest.raises(TaskArgumentError, match="cannot be a step of a chain"):
            await tasks.chain(tasks.call(keyed, "a"), tasks.call(work.note, "behind it"))


async def test_a_call_that_is_dropped_for_its_key_is_known_by_its_id(manager: Make) -> None:
    work = Work(manager())

    @work.tasks.task(key="key", on_conflict="drop")
    async def keyed(key: str) -> None:
        await work.gate.wait()

    async with work.tasks as tasks:
        first = await tasks.enqueue(keyed, "a")
        batch = await tasks.batch([tasks.call(keyed, "a"), tasks.call(work.note, "neighbour")])
        status = await work.done(batch.id)
        found = await tasks.get(batch.task_ids[0])
        work.gate.set()

    assert (status.success, status.cancelled) == (1, 1)
    assert found is not None
    assert found.duplicate_of == first.task_id


async def test_a_step_that_keeps_no_result_is_refused_before_one_that_takes_it(
    manager: Make,
) -> None:
    work = Work(manager())

    @work.tasks.task(result_ttl=0)
    async def forget() -> str:
        return "something"

    async with work.tasks as tasks:
        with pytest.raises(TaskArgumentError, match="result_ttl=0"):
            await tasks.chain(forget, work.note)
        chain = await tasks.chain(forget, tasks.call(work.note, "takes nothing"))
        assert (await work.done(chain.id)).success == 2


@pytest.mark.parametrize("batch_id", [[], 10**30, True, None, object(), "a\x00b", "\ud800"])
async def test_what_is_no_batch_is_not_found(manager: Make, batch_id: Any) -> None:
    async with manager() as tasks:
        for act in (tasks.batches.get, tasks.batches.cancel, tasks.batches.retry):
            with pytest.raises(BatchNotFound):
                await act(batch_id)


@pytest.mark.parametrize(
    "given",
    [{"limit": -1}, {"limit": "x"}, {"limit": None}, {"limit": 10**30}, {"cursor": True}],
    ids=["below", "text", "none", "huge", "no cursor"],
)
async def test_a_page_of_batches_is_asked_for_rightly(manager: Make, given: dict[str, Any]) -> None:
    async with manager() as tasks:
        with pytest.raises(TaskArgumentError):
            await tasks.batches.list(**given)
