"""What a store, a handler or a thread refuses harms its own task only."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from fastapi_taskflow import (
    Backend,
    LifecycleEvent,
    MemoryBackend,
    TaskArgumentError,
    TaskManager,
    TaskObserver,
    TaskRecord,
    TaskStatus,
    task_log,
)
from fastapi_taskflow.admin.api.schemas import TaskInfo
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from tests.support.waiting import wait_until

T = TypeVar("T")

pytestmark = pytest.mark.anyio


class Picky(Forwarding):
    """Refuses calls of ``verbs`` that have the word poison anywhere in what they are asked."""

    def __init__(self, store: Backend | None = None) -> None:
        super().__init__(store or MemoryBackend())
        self.verbs: set[str] = set()
        self.words = ("poison",)
        self.refused = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        if verb in self.verbs and any(word in repr(asked) for word in self.words):
            self.refused += 1
            raise TypeError("no column holds this")
        return await call()


class Shop:
    def __init__(self, store: Backend | None = None, **settings: Any) -> None:
        self.store = Picky(store)
        self.manager = TaskManager(
            snapshot_backend=self.store,
            drain_timeout=0.1,
            **{"max_concurrent_tasks": 1, **settings},
        )
        self.ran: list[Any] = []
        self.durable = self.manager.task(name="durable", persist=True)(self._durable)
        self.plain = self.manager.task(name="plain")(self._plain)
        self.blocking = self.manager.task(name="blocking")(self._blocking)

    async def _durable(self, what: str) -> None:
        await self._plain(what)

    async def _plain(self, what: str) -> None:
        task_log(what)
        self.ran.append(what)
        if what.startswith("bad"):
            raise ValueError(what)

    def _blocking(self, what: str) -> None:
        self.ran.append(what)

    async def add(self, func: Callable[..., Any], what: str, **options: Any) -> str:
        return (await self.manager.enqueue(func, what, **options)).task_id

    async def ended(self, *ids: str) -> list[TaskRecord]:
        async def all_ended() -> list[TaskRecord]:
            found = [one for task_id in ids if (one := await self.manager.get(task_id))]
            done = len(found) == len(ids) and all(one.end_time for one in found)
            return found if done else []

        found: list[TaskRecord] = await wait_until(all_ended)
        return found

    async def states(self, *ids: str) -> list[TaskStatus]:
        return [record.status for record in await self.ended(*ids)]

    async def listed(self) -> dict[str, TaskRecord]:
        return {record.task_id: record for record in await self.manager.merged_list()}

    @property
    def running(self) -> int:
        return sum(queue["running"] for queue in self.manager.queue_stats())


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with shop.manager:
        yield shop
        # Those that ended in the block left their slot.
        assert await shop.states(await shop.add(shop.plain, "last")) == [TaskStatus.SUCCESS]
        assert shop.running == 0


GOOD = [f"good {number}" for number in range(20)]


async def test_an_insert_that_the_store_refuses_fails_for_its_caller_only(shop: Shop) -> None:
    shop.store.verbs = {"insert"}

    half = [shop.add(shop.durable, what) for what in GOOD[:10]]
    bad = shop.add(shop.durable, "bad", tags={"a": "poison"})
    rest = [shop.add(shop.durable, what) for what in GOOD[10:]]
    *ids, refusal = await asyncio.gather(*half, *rest, bad, return_exceptions=True)

    assert isinstance(refusal, TaskArgumentError)
    assert "'durable' cannot be stored: no column holds this" in str(refusal)
    assert await shop.states(*map(str, ids)) == [TaskStatus.SUCCESS] * 20


async def test_an_end_that_the_store_refuses_is_stored_without_its_texts(shop: Shop) -> None:
    shop.store.verbs = {"finish"}

    bad = await shop.add(shop.durable, "bad poison")
    ids = [await shop.add(shop.durable, what) for what in GOOD]

    (failed,) = await shop.ended(bad)
    assert failed.status is TaskStatus.FAILED
    assert failed.error == "How it ended could not be stored whole: no column holds this"
    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
    assert (await shop.manager.operations.health()).stuck == {}


async def test_a_state_that_the_store_refuses_is_listed_without_what_it_cannot_hold(
    shop: Shop,
) -> None:
    shop.store.verbs = {"mirror"}

    bad = await shop.add(shop.plain, "bad", tags={"a": "poison"})
    ids = [await shop.add(shop.plain, what) for what in GOOD]
    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
    listed = await shop.listed()

    assert set(ids) <= listed.keys()
    assert listed[bad].status is TaskStatus.FAILED
    (stored,) = await shop.store.get([bad])
    assert stored is not None
    assert stored.record.tags == {}
    assert stored.record.error == "The record could not be stored whole: no column holds this"
    assert (await shop.manager.operations.health()).states_cut >= 1


async def test_a_state_that_the_store_refuses_takes_no_earlier_lines_with_it(
    open_store: Callable[[], Backend],
) -> None:
    shop, go_on = Shop(open_store()), asyncio.Event()

    @shop.manager.task()
    async def talk() -> None:
        task_log("first")
        await go_on.wait()
        # More than are kept: what the store has is to be replaced.
        for _ in range(1_000):
            task_log("more")
        task_log("poison")

    async def lines() -> list[str]:
        (stored,) = await shop.store.get([task_id])
        return [] if stored is None else stored.record.logs

    async with shop.manager:
        task_id = (await shop.manager.enqueue(talk)).task_id
        assert await wait_until(lines)
        shop.store.verbs = {"mirror"}
        go_on.set()
        await shop.ended(task_id)
        await shop.listed()

        assert shop.store.refused
        (line,) = await lines()
        assert line.endswith("first")


async def test_a_state_of_which_the_store_takes_nothing_hides_no_other(shop: Shop) -> None:
    shop.store.verbs, shop.store.words = {"mirror"}, ("blocking",)

    await shop.add(shop.blocking, "bad")
    ids = [await shop.add(shop.plain, what) for what in GOOD]
    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20

    assert set(ids) <= (await shop.listed()).keys()
    health = await shop.manager.operations.health()
    assert health.states_dropped >= 1
    assert health.complaints == ()


async def test_log_lines_that_the_store_refuses_take_no_others_with_them() -> None:
    shop = Shop(max_concurrent_tasks=None)
    go_on = asyncio.Event()

    @shop.manager.task(persist=True)
    async def talk(what: str) -> None:
        task_log(what)
        await go_on.wait()

    async with shop.manager:
        shop.store.verbs = {"append_logs"}
        bad, good = [await shop.add(talk, what) for what in ("poison", "fine")]
        await wait_until(lambda: shop.store.refused)

        async def lines() -> list[str]:
            (stored,) = await shop.store.get([good])
            return [] if stored is None else stored.record.logs

        (line,) = await wait_until(lines)
        go_on.set()
        assert await shop.states(bad, good) == [TaskStatus.SUCCESS] * 2

    assert line.endswith(" fine")


async def test_a_start_that_the_store_refuses_gives_its_slot_back(shop: Shop) -> None:
    bad = await shop.add(shop.durable, "bad", delay=0.05)
    shop.store.verbs, shop.store.words = {"start"}, (bad,)

    await wait_until(lambda: shop.store.refused)
    ids = [await shop.add(shop.durable, what) for what in GOOD]

    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
    assert "bad" not in shop.ran


async def test_a_service_that_fails_is_named_as_long_as_it_does(shop: Shop) -> None:
    shop.store.verbs, shop.store.words = {"claim"}, ("ClaimRequest",)
    waiting = await shop.add(shop.durable, "good", delay=0.01)

    async def complaints() -> tuple[str, ...]:
        return (await shop.manager.operations.health()).complaints

    assert await wait_until(complaints) == ("claims fails: no column holds this",)
    assert (await shop.manager.operations.health()).ready
    shop.store.verbs = set()
    assert await shop.states(waiting) == [TaskStatus.SUCCESS]
    assert await complaints() == ()


async def test_a_record_that_a_user_has_changed_hides_no_other(shop: Shop) -> None:
    held = asyncio.Event()

    @shop.manager.task()
    async def stand() -> None:
        await held.wait()

    bad = (await shop.manager.enqueue(stand)).task_id
    record = shop.manager.store.get(bad)
    assert record is not None
    record.tags["a"] = object()  # type: ignore[assignment]
    record.priority = "high"  # type: ignore[assignment]
    ids = [await shop.add(shop.blocking, what) for what in GOOD]
    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
    listed = await shop.listed()
    assert set(ids) <= listed.keys()
    assert TaskInfo.of(listed[bad]).tags == {}
    assert "priority is 'high', tags are a dict of 1" in (listed[bad].error or "")
    held.set()
    ids = [await shop.add(shop.plain, what) for what in GOOD]

    assert await shop.states(*ids, bad) == [TaskStatus.SUCCESS] * 21
    assert set(ids) <= (await shop.listed()).keys()


class Raising(logging.Handler):
    """A handler of the app's own, with a defect."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.tried += 1
        raise RuntimeError("no room in the log")


@pytest.mark.parametrize("kind", ["plain", "durable"])
async def test_a_log_handler_that_raises_keeps_no_attempt_from_ending(
    shop: Shop, kind: str
) -> None:
    handler = Raising()
    logger = logging.getLogger("fastapi_taskflow")
    logger.addHandler(handler)
    try:
        bad = await shop.add(getattr(shop, kind), "bad")
        assert await shop.states(bad) == [TaskStatus.FAILED]
    finally:
        logger.removeHandler(handler)

    assert handler.tried


class Leaving(TaskObserver):
    """Does what no observer should."""

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        raise SystemExit(3)


async def test_an_observer_that_leaves_takes_nobody_with_it() -> None:
    shop = Shop(loggers=[Leaving()])
    async with shop.manager:
        ids = [await shop.add(shop.plain, what) for what in GOOD]
        assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
        assert set(ids) <= (await shop.listed()).keys()


async def test_a_thread_that_cannot_be_had_fails_its_task_and_frees_its_slot(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        (failed,) = await shop.ended(await shop.add(shop.blocking, "first"))
    after = await shop.ended(await shop.add(shop.blocking, "second"))

    assert (failed.status, failed.error) == (TaskStatus.FAILED, "can't start new thread")
    assert [record.status for record in after] == [TaskStatus.SUCCESS]
    assert shop.ran == ["second"]


class Slow(Exception):
    """An error that is written elsewhere than on the event loop."""

    def __str__(self) -> str:
        return "slowly"


async def test_an_error_for_which_there_is_no_thread_ends_its_task(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    @shop.manager.task()
    async def fail() -> None:
        raise Slow

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        (failed,) = await shop.ended((await shop.manager.enqueue(fail)).task_id)

    assert failed.status is TaskStatus.FAILED
    assert failed.error == "Slow: its text was not written, as no thread could be had"


class Unbuildable:
    """What building an `Order` raises, once it is set."""

    error: BaseException | None = None


@dataclass
class Order:
    number: int

    def __post_init__(self) -> None:
        if Unbuildable.error is not None:
            raise Unbuildable.error


@pytest.mark.parametrize("error", [RuntimeError("no database"), SystemExit(3), KeyboardInterrupt()])
async def test_a_class_that_can_be_built_no_more_keeps_its_own_tasks_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    @shop.manager.task(persist=True)
    async def ship(order: Order) -> None:
        shop.ran.append(order)

    bad = (await shop.manager.enqueue(ship, Order(1), delay=0.05)).task_id
    ids = [await shop.add(shop.durable, what, delay=0.05) for what in GOOD]
    monkeypatch.setattr(Unbuildable, "error", error)

    assert await shop.states(*ids) == [TaskStatus.SUCCESS] * 20
    record = await shop.manager.get(bad)
    assert record is not None
    assert record.status is TaskStatus.PENDING
    assert set(shop.ran) == set(GOOD)


class Incomparable(type):
    def __subclasscheck__(cls, other: type) -> bool:
        raise SystemExit(3)


class Odd(Exception, metaclass=Incomparable):
    """An error that refuses to be compared with others."""


@pytest.mark.parametrize("persist", [False, True])
async def test_errors_that_cannot_be_compared_fail_their_own_task_only(
    shop: Shop, persist: bool
) -> None:
    @shop.manager.task(persist=persist, retries=3, retry_on=(Odd,))
    async def fail() -> None:
        raise ValueError("an error")

    (failed,) = await shop.ended((await shop.manager.enqueue(fail)).task_id)

    assert failed.status is TaskStatus.FAILED
