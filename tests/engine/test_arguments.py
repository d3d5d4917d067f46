"""What an attempt gets, how long it is held, and what becomes of what cannot be read."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass
from enum import Enum
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    MemoryBackend,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
)
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Upload:
    """Something that a task should not keep alive."""

    def __init__(self) -> None:
        self.content = bytes(1_000)


async def ended(tasks: TaskManager, task_id: str) -> TaskStatus:
    async def status() -> TaskStatus | None:
        record = await tasks.get(task_id)
        final = record is not None and record.end_time is not None
        return record.status if final and record is not None else None

    return TaskStatus(await wait_until(status))


# Given


async def test_every_attempt_gets_what_was_stored(manager: Make):
    tasks = manager()
    seen: list[list[int]] = []

    @tasks.task(persist=True, retries=2)
    async def spoil(numbers: list[int]) -> None:
        seen.append(list(numbers))
        numbers.clear()
        if len(seen) < 3:
            raise ConnectionError

    numbers = [1, 2]
    async with tasks:
        await tasks.pause("default")
        task_id = (await tasks.enqueue(spoil, numbers)).task_id
        numbers.append(3)
        await tasks.resume("default")
        await ended(tasks, task_id)

    assert seen == [[1, 2]] * 3
    assert numbers == [1, 2, 3]


def test_a_durable_task_of_a_request_gets_what_was_stored() -> None:
    app = FastAPI()
    manager = TaskManager(snapshot_backend=MemoryBackend())
    manager.install(app)
    seen: list[object] = []

    @manager.task(persist=True)
    async def keep(numbers: list[int] | None = None, *, n: int = 0) -> None:
        seen.append((numbers, n))

    numbers = [1]
    call = manager.call(keep, n=1)

    @app.post("/")
    async def add(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(keep, numbers)
        background_tasks.add_task(call)
        numbers.append(2)
        call.kwargs["n"] = 2

    with TestClient(app) as client:
        client.post("/")

    assert seen == [([1], 0), (None, 1)]


async def test_a_plain_task_gets_the_object_itself(manager: Make):
    tasks = manager()
    seen: list[object] = []

    @tasks.task()
    async def keep(thing: object) -> None:
        seen.append(thing)

    box: dict[str, int] = {}
    async with tasks:
        await ended(tasks, (await tasks.enqueue(keep, box)).task_id)

    assert seen[0] is box


async def test_a_call_that_is_changed_after_its_enqueue_runs_as_it_was(manager: Make):
    tasks = manager()
    seen: list[int] = []

    @tasks.task(persist=True)
    async def note(n: int) -> None:
        seen.append(n)

    call = tasks.call(note, n=1)
    async with tasks:
        await tasks.pause("default")
        task_id = (await tasks.enqueue(call)).task_id
        call.kwargs["n"] = 2
        await tasks.resume("default")
        await ended(tasks, task_id)

    assert seen == [1]


async def test_what_would_not_come_back_is_refused_at_the_call(manager: Make):
    tasks = manager()

    def refuse_lists(self: Any) -> None:
        if isinstance(self.value, list):
            raise ValueError("s3cret")
        self.value = [self.value]

    kind = make_dataclass("Wrapped", [("value", Any)], namespace={"__post_init__": refuse_lists})

    @tasks.task(persist=True)
    async def take(thing: kind) -> None: ...  # type: ignore[valid-type]

    async with tasks:
        with pytest.raises(TaskArgumentError, match="Wrapped") as caught:
            await tasks.enqueue(take, kind(1))
    assert "s3cret" not in str(caught.value)


# Let go


async def _fine(upload: Upload) -> None:
    del upload


async def _wrong(upload: Upload) -> None:
    raise ConnectionError


def _fine_in_thread(upload: Upload) -> None:
    del upload


def _wrong_in_thread(upload: Upload) -> None:
    raise ConnectionError


@pytest.fixture
def _nothing_else_helps_or_holds() -> Iterator[None]:
    """No collector that frees cycles, and no log of the tests' that keeps tracebacks."""
    gc.disable()
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


@pytest.mark.usefixtures("_nothing_else_helps_or_holds")
@pytest.mark.parametrize("function", [_fine, _wrong, _fine_in_thread, _wrong_in_thread])
async def test_an_ended_task_holds_no_argument(manager: Make, function: Callable[[Upload], Any]):
    tasks = manager()
    tasks.task(retries=1, name="it")(function)
    async with tasks:
        upload = Upload()
        gone = weakref.ref(upload)
        task_id = (await tasks.enqueue(function, upload)).task_id
        del upload
        await ended(tasks, task_id)
        # The asyncio task of the attempt ends a moment later.
        await wait_until(lambda: gone() is None)


@pytest.mark.usefixtures("_nothing_else_helps_or_holds")
@pytest.mark.parametrize("fails", [False, True])
async def test_an_ended_durable_task_holds_no_argument(manager: Make, fails: bool):
    tasks = manager()
    kind = make_dataclass("Upload", [("content", bytes)])
    held: list[weakref.ref[Any]] = []

    @tasks.task(persist=True, retries=1)
    async def read(upload: kind) -> None:  # type: ignore[valid-type]
        held.append(weakref.ref(upload))
        if fails:
            raise ConnectionError

    async with tasks:
        task_id = (await tasks.enqueue(read, kind(b"a"))).task_id
        await ended(tasks, task_id)
        await wait_until(lambda: all(ref() is None for ref in held))
    assert len(held) == 1 + fails


async def test_an_ended_task_holds_no_long_name_of_an_argument(manager: Make):
    tasks = manager()

    @tasks.task()
    async def take(**fields: int) -> None: ...

    async with tasks:
        fields: dict[str, Any] = {"n" * 100_000: 1, "m": 2}
        task_id = (await tasks.enqueue(take, **fields)).task_id
        await ended(tasks, task_id)
        known = tasks.store.get(task_id)
        assert known is not None
        assert known.kwargs == {}
        read = await tasks.get(task_id)
        assert read is not None
        assert read.kwargs == fields


async def test_a_cancelled_task_holds_no_argument(manager: Make):
    tasks = manager()
    tasks.task(name="it")(_fine)
    async with tasks:
        await tasks.pause("default")
        upload = Upload()
        gone = weakref.ref(upload)
        task_id = (await tasks.enqueue(_fine, upload)).task_id
        del upload
        await tasks.cancel(task_id)
        assert await ended(tasks, task_id) is TaskStatus.CANCELLED
        assert gone() is None


async def test_a_task_that_waits_in_the_store_holds_no_argument(manager: Make):
    tasks = manager()
    kind = make_dataclass("Later", [("content", bytes)])
    made: list[weakref.ref[Any]] = []

    def count(self: Any) -> None:
        made.append(weakref.ref(self))

    kind = make_dataclass("Later", [("content", bytes)], namespace={"__post_init__": count})

    @tasks.task(persist=True)
    async def read(later: kind) -> None: ...  # type: ignore[valid-type]

    async with tasks:
        await tasks.enqueue(read, kind(b"a"), delay=60)
        assert len(made) > 1
        assert [ref() for ref in made if ref() is not None] == []


def test_a_chain_that_goes_on_holds_no_argument_of_a_task_that_has_ended():
    manager, app = TaskManager(), FastAPI()
    manager.install(app)
    seen: list[bool] = []

    @app.post("/")  # type: ignore[untyped-decorator]
    async def add(background_tasks: BackgroundTasks) -> None:
        upload = Upload()
        gone = weakref.ref(upload)

        async def look() -> None:
            await asyncio.sleep(0)
            gc.collect()
            seen.append(gone() is None)

        background_tasks.add_task(_fine, upload)
        background_tasks.add_task(look)
        del upload

    with TestClient(app) as client:
        client.post("/")

    assert seen == [True]


async def test_an_ended_task_can_be_retried_with_arguments_that_can_be_stored(manager: Make):
    tasks = manager()
    seen: list[object] = []

    @tasks.task()
    async def fail(thing: object, *more: object) -> None:
        seen.append(thing)
        raise ConnectionError

    async with tasks:
        for thing in ([1, {2}], "x" * 5_000, object()):
            await ended(tasks, (await tasks.enqueue(fail, thing)).task_id)
        ids = [record.task_id for record in reversed(tasks.store.list())]
        for task_id in ids[:2]:
            await ended(tasks, await tasks.retry(task_id))
        with pytest.raises(TaskArgumentError, match="were not stored"):
            await tasks.retry(ids[2])

    assert seen[3:] == [[1, {2}], "x" * 5_000]


async def test_what_was_enqueued_is_shown_after_the_end(manager: Make):
    tasks = manager()

    @tasks.task()
    async def plain(*args: object) -> None: ...

    @tasks.task(persist=True)
    async def durable(*args: object) -> None: ...

    given = ([1], "x" * 5_000)
    async with tasks:
        for func in (plain, durable):
            task_id = (await tasks.enqueue(func, *given)).task_id
            await ended(tasks, task_id)
            record = await tasks.get(task_id)
            assert record is not None
            assert record.args == given


# Not readable


def colours(*names: str) -> Any:
    return Enum("Colour", list(names), module=__name__, qualname="Colour")


async def test_what_only_newer_code_can_read_waits_for_it(
    manager: Make, caplog: pytest.LogCaptureFixture
):
    older, newer, seen = manager(), manager(), []

    def paint_on(tasks: TaskManager, kind: Any) -> Callable[..., Any]:
        @tasks.task(persist=True)
        async def paint(colour: kind) -> None:
            seen.append((tasks, colour))

        return paint

    before, after = colours("RED"), colours("RED", "GREEN")
    paint_on(older, before)
    paint = paint_on(newer, after)
    async with newer:
        await newer.pause("default")
        ids = [(await newer.enqueue(paint, c)).task_id for c in (*after, after.GREEN)]

    with caplog.at_level(logging.ERROR):
        async with older:
            await older.resume("default")
            assert await ended(older, ids[0]) is TaskStatus.SUCCESS

            async def given_back() -> bool:
                records = [await older.get(task_id) for task_id in ids[1:]]
                return all(
                    one is not None
                    and one.status is TaskStatus.PENDING
                    and one.due_at is not None
                    and 59 < (one.due_at - one.created_at).total_seconds() < 90
                    for one in records
                )

            await wait_until(given_back)
            health = await older.operations.health()
            (function,) = await older.operations.functions()
            stored = await older.runtime.backend.get(ids[1:])
    assert seen == [(older, before.RED)]
    assert [(one.failures, one.interruptions, one.owner) for one in stored if one] == [
        (0, 0, None)
    ] * 2
    assert "GREEN" in health.unreadable["paint"]
    assert health.reasons == ()
    assert function.unreadable == health.unreadable["paint"]
    alarms = [one.getMessage() for one in caplog.records if "cannot be run here" in one.message]
    assert len(alarms) == 1

    # As when their minute is over.
    async with newer:
        for task_id in ids[1:]:
            await newer.cancel(task_id)
            await ended(newer, await newer.retry(task_id))
    assert [colour for _, colour in seen[1:]] == [after.GREEN] * 2


async def test_arguments_that_only_a_newer_function_takes_wait_for_it(manager: Make):
    older, newer = manager(), manager()
    called: list[Any] = []

    @newer.task(name="ship", persist=True)
    async def ship(parcel: int, express: bool) -> None: ...

    @older.task(name="ship", persist=True)
    async def ship_slowly(parcel: int) -> None:
        called.append(parcel)

    async with newer:
        await newer.pause("default")
        task_id = (await newer.enqueue(ship, 1, express=True)).task_id
    async with older:
        await older.resume("default")
        await wait_until(older.runtime.engine().unreadable.functions)
        fine = (await older.enqueue(ship_slowly, 3)).task_id
        assert await ended(older, fine) is TaskStatus.SUCCESS
        health = await older.operations.health()
        record = await older.get(task_id)

    assert called == [3]
    assert "express" in health.unreadable["ship"]
    assert record is not None
    assert record.status is TaskStatus.PENDING


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_a_class_that_raises_when_it_is_read_stops_nobody(
    manager: Make, error: type[BaseException]
):
    tasks, fails = manager(), False

    def refuse(self: Any) -> None:
        if fails:
            raise error

    kind = make_dataclass("Trap", [("x", int)], namespace={"__post_init__": refuse})
    seen: list[object] = []

    @tasks.task(persist=True)
    async def take(thing: kind | int) -> None:  # type: ignore[valid-type]
        seen.append(thing)

    async with tasks:
        await tasks.pause("default")
        trap = (await tasks.enqueue(take, kind(1))).task_id
        fails = True
        fine = (await tasks.enqueue(take, 2)).task_id
        await tasks.resume("default")
        assert await ended(tasks, fine) is TaskStatus.SUCCESS
        record = await tasks.get(trap)
        with pytest.raises(TaskArgumentError, match="Trap"):
            await tasks.enqueue(take, object.__new__(kind))

    assert seen == [2]
    assert record is not None
    assert record.status is TaskStatus.PENDING
