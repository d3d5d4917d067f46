"""Options at the door: plain values within their limits, or one caller's own error."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_taskflow import (
    ConfigurationError,
    ManagedBackgroundTasks,
    MemoryBackend,
    QueueConfig,
    TaskArgumentError,
    TaskManager,
)
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Level(IntEnum):
    HIGH = 7


class Colour(Enum):
    RED = "red"


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("asked for a text")

    __repr__ = __str__


class Broken(dict[str, str]):
    def items(self) -> Any:
        raise RuntimeError("asked for its items")


class Shy:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")


class Moody(Enum):
    SAD = (1, 2)


WRONG: list[dict[str, Any]] = [
    {"priority": "high"},
    {"priority": 1.5},
    {"priority": True},
    {"priority": 2**31},
    {"priority": float("nan")},
    {"queue": 5},
    {"queue": ""},
    {"queue": "a\nb"},
    {"queue": "q" * 201},
    {"delay": -1},
    {"delay": float("inf")},
    {"delay": float("nan")},
    {"delay": 1e12},
    {"delay": True},
    {"delay": "5"},
    {"delay": timedelta(seconds=5)},
    {"run_at": "2030-01-01"},
    {"run_at": 1_900_000_000},
    {"run_at": date(2030, 1, 1)},
    {"run_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))},
    {"run_at": datetime(1901, 1, 1, tzinfo=UTC)},
    {"delay": 5.0, "run_at": datetime(2030, 1, 1, tzinfo=UTC)},
    {"tags": "urgent"},
    {"tags": ["urgent"]},
    {"tags": {5: "x"}},
    {"tags": {"name": None}},
    {"tags": {"name": ["x"]}},
    {"tags": {"name": object()}},
    {"tags": {"name": 10**5000}},
    {"tags": {"name": "a\0b"}},
    {"tags": {"": "x"}},
    {"tags": Broken(name="x")},
    {"tags": Shy()},
    {"tags": {"name": Shy()}},
    {"tags": {"name": Moody.SAD}},
    {"priority": Shy()},
    {"delay": Shy()},
    {"run_at": Shy()},
    {"idempotency_key": Shy()},
    {"queue": Shy()},
    {"idempotency_key": ""},
    {"idempotency_key": 5},
    {"idempotency_key": "a\0b"},
    {"idempotency_key": "half \ud800"},
]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("options", WRONG)
async def test_an_option_that_cannot_be_is_its_caller_s_error(
    tasks: TaskManager, persist: bool, options: dict[str, Any]
) -> None:
    ran: list[int] = []

    @tasks.task(persist=persist)
    async def work(number: int) -> None:
        ran.append(number)

    async with tasks:
        others = [tasks.enqueue(work, number) for number in range(3)]
        refused, *ids = await asyncio.gather(
            tasks.enqueue(work, 99, **options), *others, return_exceptions=True
        )
        unbound = ManagedBackgroundTasks(tasks)
        with pytest.raises(TaskArgumentError):
            unbound.add_task(work, 99, **options)
        unbound.add_task(work, 3)
        await unbound()
        await wait_until(lambda: sorted(ran) == [0, 1, 2, 3])
        listed = await tasks.merged_list()

    assert isinstance(refused, TaskArgumentError)
    assert "'work'" in str(refused)
    assert not [found for found in ids if isinstance(found, BaseException)]
    assert len(listed) == 4


@pytest.mark.parametrize("eager", ["no", 0, "false", []])
async def test_eager_is_true_or_false(tasks: TaskManager, eager: Any) -> None:
    async with tasks:
        with pytest.raises(TaskArgumentError, match="eager takes True or False"):
            ManagedBackgroundTasks(tasks).add_task(print, eager=eager)


@dataclass
class Odd:
    """Of no kind that an option could be."""


hostile = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.datetimes(),
    st.timedeltas(),
    st.dictionaries(st.text(st.characters(exclude_categories=())), st.text() | st.integers()),
    st.lists(st.text()),
    st.sampled_from([Level.HIGH, Colour.RED, Loud("x"), 10**5000, Odd()]),
)
OPTIONS = ("idempotency_key", "tags", "priority", "queue", "delay", "run_at")
options_of_a_stranger = st.fixed_dictionaries({}, optional=dict.fromkeys(OPTIONS, hostile))


@given(given_options=st.lists(options_of_a_stranger, max_size=5), persist=st.booleans())
@settings(max_examples=50)
def test_whatever_one_caller_says_the_others_run_and_are_listed(
    given_options: list[dict[str, Any]], persist: bool
) -> None:
    async def main() -> None:
        tasks = TaskManager(snapshot_backend=MemoryBackend())
        ran: list[int] = []

        @tasks.task(persist=persist)
        async def work(number: int) -> None:
            ran.append(number)

        async def stranger(options: dict[str, Any]) -> None:
            with suppress(TaskArgumentError):
                await tasks.enqueue(work, -1, **options)

        async with tasks:
            strangers = [stranger(options) for options in given_options]
            others = [tasks.enqueue(work, number) for number in range(20)]
            await asyncio.gather(*strangers[:2], *others, *strangers[2:])
            await wait_until(lambda: set(range(20)) <= set(ran))
            assert len(await tasks.merged_list()) >= 20
            await wait_until(lambda: all(queue["running"] == 0 for queue in tasks.queue_stats()))

    # Each unknown queue is told of.
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(main())
    finally:
        logging.disable(logging.NOTSET)


async def test_values_of_other_classes_become_plain(tasks: TaskManager) -> None:
    @tasks.task(persist=True)
    async def work() -> None: ...

    async with tasks:
        answer = await tasks.enqueue(
            work,
            priority=Level.HIGH,
            idempotency_key=Loud("key"),
            tags=MappingProxyType({Loud("name"): Loud("value")}),
            queue=Loud("default"),
        )
        record = await tasks.get(answer.task_id)

    assert record is not None
    assert (record.priority, type(record.priority)) == (7, int)
    assert (record.idempotency_key, type(record.idempotency_key)) == ("key", str)
    assert record.tags == {"name": "value"}
    assert {type(text) for pair in record.tags.items() for text in pair} == {str}


@pytest.mark.parametrize("persist", [False, True])
async def test_scalars_are_tags_too(tasks: TaskManager, persist: bool) -> None:
    tags: dict[str, Any] = {
        "order": 7,
        "rate": 0.5,
        "paid": True,
        "id": UUID(int=1),
        "colour": Colour.RED,
        "level": Level.HIGH,
        "price": Decimal("9.90"),
        "day": date(2030, 1, 2),
        "at": datetime(2030, 1, 2, 3, tzinfo=UTC),
        "hour": time(3, 4),
        "none": "",
    }

    @tasks.task(persist=persist)
    async def work() -> None: ...

    async with tasks:
        answer = await tasks.enqueue(work, tags=tags)
        record = await tasks.get(answer.task_id)

    assert record is not None
    assert record.tags == {
        "order": "7",
        "rate": "0.5",
        "paid": "True",
        "id": "00000000-0000-0000-0000-000000000001",
        "colour": "red",
        "level": "7",
        "price": "9.90",
        "day": "2030-01-02",
        "at": "2030-01-02T03:00:00+00:00",
        "hour": "03:04:00",
        "none": "",
    }


async def test_none_says_that_there_is_none(tasks: TaskManager) -> None:
    @tasks.task()
    async def work() -> None: ...

    async with tasks:
        answer = await tasks.enqueue(
            work,
            idempotency_key=None,
            tags=None,
            priority=None,
            queue=None,
            delay=None,
            run_at=None,
        )
        record = await tasks.get(answer.task_id)

    assert record is not None
    assert (record.idempotency_key, record.tags, record.priority) == (None, {}, None)


# What a decorator says


@pytest.mark.parametrize(
    "given_settings",
    [
        {"persist": "false"},
        {"persist": "no"},
        {"eager": 1},
        {"requeue_on_interrupt": "yes"},
        {"priority": "5"},
        {"priority": 2**70},
        {"retries": "3"},
        {"retries": True},
        {"retries": 2**31},
        {"timeout": "10"},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"queue": 5},
        {"name": 5},
        {"retry_on": "ValueError"},
        {"no_retry_on": [ValueError, "KeyError"]},
        {"executor": 5},
    ],
    ids=str,
)
def test_a_decorator_refuses_what_cannot_work(
    tasks: TaskManager, given_settings: dict[str, Any]
) -> None:
    def work() -> None: ...

    with pytest.raises(ConfigurationError, match=next(iter(given_settings))):
        tasks.task(**given_settings)(work)

    assert not tasks.registry.is_registered(work)


def test_a_decorator_takes_plain_values_from_others(tasks: TaskManager) -> None:
    @tasks.task(priority=Level.HIGH, retries=Level.HIGH, name=Loud("loud"))
    def work() -> None: ...

    config = tasks.registry.get_config(work)
    assert config is not None
    assert (type(config.priority), type(config.retries), type(config.name)) == (int, int, str)


def test_the_decorator_works_without_parentheses(tasks: TaskManager) -> None:
    @tasks.task
    def work() -> str:
        return "done"

    config = tasks.registry.get_config(work)
    assert config is not None
    assert (config.name, config.persist) == ("work", False)
    assert work() == "done"


@pytest.mark.parametrize(
    ("func", "message"),
    [
        ("work", r"got 'work'.*name='\.\.\.'"),
        (5, "got 5"),
        (Odd, "would only make an object"),
        (staticmethod(print), "below @staticmethod"),
        (property(print), "Expected a function"),
    ],
)
@pytest.mark.parametrize("bare", [True, False])
def test_what_is_no_function_cannot_be_a_task(
    tasks: TaskManager, func: Any, message: str, bare: bool
) -> None:
    decorate: Any = tasks.task if bare else tasks.task()

    with pytest.raises(ConfigurationError, match=message):
        decorate(func)


# What is found at the start


async def test_a_decorator_s_unknown_queue_is_an_error_at_the_start(make_manager: Make) -> None:
    tasks = make_manager(queues={"mail": QueueConfig(), "images": QueueConfig()})

    @tasks.task(queue="mial")
    async def send() -> None: ...

    with pytest.raises(ConfigurationError, match=r"'send'.*'mial'.*Did you mean 'mail'\?.*images"):
        await tasks.startup()


async def test_the_default_queue_is_known_to_decorators(tasks: TaskManager) -> None:
    @tasks.task(queue="default")
    async def send() -> None: ...

    async with tasks:
        pass


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("durable", [False, True])
async def test_requeue_on_interrupt_needs_a_store(
    make_manager: Make, caplog: pytest.LogCaptureFixture, persist: bool, durable: bool
) -> None:
    tasks = make_manager() if durable else TaskManager()

    @tasks.task(persist=persist, requeue_on_interrupt=True)
    async def work() -> None: ...

    if persist and not durable:
        with pytest.raises(ConfigurationError, match="has no backend"):
            await tasks.startup()
        return
    async with tasks:
        for _ in range(2):
            answer = await tasks.enqueue(work)
            live = tasks.store.find(answer.task_id)
            assert live is not None
            assert live.durable is durable
    warned = [each for each in caplog.records if "means nothing without a backend" in each.message]
    assert len(warned) == (not durable)


def test_requeue_without_a_store_is_told_of_also_where_no_engine_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = TaskManager()
    app = FastAPI()
    tasks.install(app)
    ran: list[int] = []

    @tasks.task(requeue_on_interrupt=True)
    async def work() -> None:
        ran.append(1)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(work)

    client = TestClient(app)
    assert client.post("/").is_success
    assert client.post("/").is_success

    assert ran == [1, 1]
    warned = [each for each in caplog.records if "means nothing without a backend" in each.message]
    assert len(warned) == 1


# What is added by mistake


CALLED = r"coroutine .*work: it was called already\. Write add_task\(work, \.\.\.\)"


@pytest.mark.parametrize("how", ["add_task", "enqueue", "call"])
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda work: work(1), CALLED),
        (lambda _: None, "got None"),
        (lambda _: "work", r"the text 'work'\. There is a task 'work': import its function"),
        (lambda _: "wrok", r"Did you mean 'work'\?"),
        (lambda _: 5, "got 5"),
    ],
)
async def test_what_is_no_function_cannot_be_added(
    tasks: TaskManager, how: str, mistake: Any, message: str
) -> None:
    @tasks.task()
    async def work(number: int) -> None: ...

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        add: Any = {"add_task": unbound.add_task, "enqueue": tasks.enqueue, "call": tasks.call}[how]
        with pytest.raises(TaskArgumentError, match=message):
            await _settled(lambda: add(mistake(work)))


async def _settled(act: Callable[[], Any]) -> Any:
    answer = act()
    return await answer if asyncio.iscoroutine(answer) else answer
