"""Order keys, as functions and their callers see them."""

import asyncio
import enum
import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Key,
    ManagedBackgroundTasks,
    Sensitive,
    TaskAdmin,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
    get_task_context,
)
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.words.conflicts import OnConflict
from tests.engine.test_running import ended
from tests.engine.test_slots import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
SUCCESS, CANCELLED = TaskStatus.SUCCESS, TaskStatus.CANCELLED


async def test_tasks_of_a_key_run_in_order_and_one_at_a_time_on_all_instances(
    manager: Make,
) -> None:
    managers = [manager() for _ in range(3)]
    inside: dict[int, int] = defaultdict(int)
    seen: dict[int, list[int]] = defaultdict(list)
    functions = []
    for tasks in managers:

        @tasks.task(key="customer", retries=1)
        async def serve(customer: int, number: int) -> None:
            inside[customer] += 1
            assert inside[customer] == 1
            await asyncio.sleep(0)
            inside[customer] -= 1
            context = get_task_context()
            if number % 5 == 0 and context is not None and context.attempt == 0:
                raise RuntimeError
            seen[customer].append(number)

        functions.append(serve)
        await tasks.startup()
    ids = []
    for number in range(30):
        for customer in range(2):
            who = (number + customer) % 3
            enqueued = await managers[who].enqueue(functions[who], customer, number)
            assert enqueued.disposition == "created"
            ids.append(enqueued.task_id)

    for task_id in ids:
        assert await ended(managers[0], task_id) is SUCCESS

    assert seen == {0: list(range(30)), 1: list(range(30))}


@pytest.mark.parametrize("how", ["drop", "replace", "cancel_running"])
async def test_what_a_new_task_does_where_another_lives(manager: Make, how: OnConflict) -> None:
    tasks, gate = manager(), Gate()

    @tasks.task(key="customer", on_conflict=how)
    async def serve(customer: int, name: str) -> None:
        await gate.pass_through(name)

    await tasks.startup()
    first = await tasks.enqueue(serve, 1, "first")
    other = await tasks.enqueue(serve, 2, "other")
    await wait_until(lambda: gate.inside == 2)
    answers = [await tasks.enqueue(serve, 1, name) for name in ("second", "third")]
    if how == "cancel_running":
        assert await ended(tasks, first.task_id) is CANCELLED
    gate.open()

    words = [one.disposition for one in answers]
    if how == "drop":
        assert words == ["dropped", "dropped"]
        assert {one.task_id for one in answers} == {first.task_id}
        assert answers[0].duplicate
    else:
        assert words == (["created", "replaced"] if how == "replace" else ["replaced", "replaced"])
        assert await ended(tasks, answers[0].task_id) is CANCELLED
        assert await ended(tasks, answers[1].task_id) is SUCCESS
    assert await ended(tasks, other.task_id) is SUCCESS
    if how != "cancel_running":
        assert await ended(tasks, first.task_id) is SUCCESS
    left = set[str]() if how == "drop" else {"third"}
    assert set(gate.names) == {"first", "other"} | left


async def test_functions_share_a_named_key_and_no_other(manager: Make) -> None:
    tasks, gate = manager(), Gate()

    @tasks.task
    async def pay(customer: Annotated[int, Key("customer")], name: str) -> None:
        await gate.pass_through(name)

    @tasks.task
    async def ship(name: str, customer: Annotated[int, Key("customer")] | None = None) -> None:
        await gate.pass_through(name)

    @tasks.task
    async def mail(customer: Annotated[int, Key], name: str) -> None:
        await gate.pass_through(name)

    await tasks.startup()
    await tasks.enqueue(pay, 1, "pay")
    shipped = await tasks.enqueue(ship, "ship", customer=1)
    await tasks.enqueue(mail, 1, "mail")
    await tasks.enqueue(ship, "nobody")
    await tasks.enqueue(ship, "nobody too")

    await wait_until(lambda: gate.inside == 4)
    assert set(gate.names) == {"pay", "mail", "nobody", "nobody too"}
    record = await tasks.get(shipped.task_id)
    assert record is not None
    assert record.order_key == "customer:1"
    gate.open()
    assert await ended(tasks, shipped.task_id) is SUCCESS


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        ("a:b", "a:b"),
        (True, "True"),
        (Colour.RED, "red"),
        (date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (None, None),
    ],
    ids=str,
)
async def test_plain_values_are_keys(manager: Make, value: Any, shown: str | None) -> None:
    tasks = manager()

    @tasks.task(key=lambda one: value)
    async def serve(one: int) -> None:
        pass

    await tasks.startup()
    record = await tasks.get((await tasks.enqueue(serve, 1)).task_id)

    assert record is not None
    assert record.order_key == (None if shown is None else f"serve():{shown}")


class Hostile:
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no text of me")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 129, "digest"),
        ("", "1 to 128 characters"),
        ("a\0b", "NUL"),
        ("\ud800", "not valid Unicode"),
        (10**5000, "cannot be written"),
        (Hostile(), "takes text, a number"),
        ({"a": 1}, "takes text, a number"),
        (b"bytes", "takes text, a number"),
    ],
    ids=["long", "empty", "nul", "surrogate", "number", "hostile", "unhashable", "bytes"],
)
async def test_no_other_value_is(manager: Make, value: Any, said: str) -> None:
    tasks, ran = manager(), []

    @tasks.task(key=lambda one: value)
    async def serve(one: int) -> None:
        ran.append(one)

    await tasks.startup()
    with pytest.raises(TaskArgumentError, match=said):
        await tasks.enqueue(serve, 1)
    assert tasks.store.list() == []


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit(1), KeyError("x")])
async def test_a_key_that_raises_is_the_callers_error(manager: Make, error: BaseException) -> None:
    tasks = manager()

    def broken(one: int) -> str:
        raise error

    @tasks.task(key=broken)
    async def serve(one: int) -> None:
        pass

    await tasks.startup()
    with pytest.raises(TaskArgumentError, match=f"{type(error).__name__} in .*broken") as caught:
        await tasks.enqueue(serve, 1)
    assert "secret" not in str(caught.value)


async def test_each_key_starts_no_more_often_than_its_rate(manager: Make) -> None:
    managers = [manager() for _ in range(2)]
    started: dict[int, list[float]] = defaultdict(list)
    functions = []
    for tasks in managers:

        @tasks.task(key="tenant", key_rate_limit="10/s")
        async def call(tenant: int) -> None:
            started[tenant].append(time.monotonic())

        functions.append(call)
        await tasks.startup()
    # Within a second or two: ten at once, and then one every tenth of a second.
    sent = [
        await managers[n % 2].enqueue(functions[n % 2], n % 2 if n < 26 else 2) for n in range(27)
    ]
    for one in sent:
        assert await ended(managers[0], one.task_id) is SUCCESS

    assert {tenant: len(times) for tenant, times in started.items()} == {0: 13, 1: 13, 2: 1}
    for times in started.values():
        for first, last in itertools.combinations(range(len(times)), 2):
            # A claim may be long before its start, on a busy machine.
            assert last - first < 10 + 10 * (times[last] - times[first] + 0.5)


async def test_the_key_of_a_secret_is_a_digest(manager: Make) -> None:
    tasks = manager()

    @tasks.task(key="token")
    async def by_name(token: str) -> None:
        pass

    @tasks.task(key=lambda card: f"card-{card}")
    async def by_mark(card: Annotated[str, Sensitive]) -> None:
        pass

    await tasks.startup()
    for func in (by_name, by_mark):
        keys = set()
        for _ in range(2):
            record = await tasks.get((await tasks.enqueue(func, "hunter2-hunter2")).task_id)
            assert record is not None
            assert record.order_key is not None
            keys.add(record.order_key)
        assert len(keys) == 1
        assert "hunter2" not in keys.pop()


def test_what_cannot_be_a_key_is_refused_at_decoration() -> None:
    make: Any = TaskManager().task

    async def serve(customer: int, *rest: int) -> None: ...
    async def later(customer: int) -> None: ...
    async def two(a: Annotated[int, Key()], b: Annotated[int, Key()]) -> None: ...
    async def lost(a: "Annotated[int, Key(), Nowhere]") -> None: ...  # noqa: F821

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"key": "custoner"}, "Did you mean 'customer'"),
        ({"key": "rest"}, "no such parameter"),
        ({"key": 7}, "takes a parameter's name"),
        ({"key": str}, "takes a parameter's name"),
        ({"key": Key("x")}, "takes a parameter's name"),
        ({"key": later}, "plain function"),
        ({"on_conflict": "drop"}, "needs a key"),
        ({"key_rate_limit": "1/s"}, "needs a key"),
        ({"key": "customer", "key_rate_limit": "fast"}, "such as '100/m'"),
        ({"key": "customer", "on_conflict": "wait"}, "'queue' or 'drop'"),
    ]
    for settings, said in wrong:
        with pytest.raises(ConfigurationError, match=said):
            make(**settings)(serve)
    for func, said in [(two, "one key"), (lost, "cannot be read")]:
        with pytest.raises(ConfigurationError, match=said):
            make(func)
    with pytest.raises(ConfigurationError, match="one key"):
        make(key="b")(two)
    for name in ("", "a:b", "x" * 65, 7, "()"):
        with pytest.raises(ConfigurationError, match="letters, digits"):
            Key(name)  # type: ignore[arg-type]


def test_names_of_functions_never_meet_in_a_key() -> None:
    tasks = TaskManager()
    names = ["a", "a:b", "a%3Ab", "n" * 200, "n" * 199 + "m", "a" * 105 + ":" * 5]
    keys = set()
    for name in names:

        async def func(one: str) -> None: ...

        tasks.task(name=name, key="one")(func)
        entry = tasks.registry.by_name(name)
        assert entry is not None
        assert entry.ordering is not None
        key = entry.ordering.key("x" * 128)
        assert len(key) <= 250
        keys.add(key)
    assert len(keys) == len(names)


def test_a_request_may_add_tasks_of_one_key(tmp_path: Any) -> None:
    tasks, app, seen = TaskManager(snapshot_db=tmp_path / "t.db"), FastAPI(), []
    TaskAdmin(app, tasks, auto_install=True)

    @tasks.task(key="customer")
    def serve(customer: int, number: int) -> None:
        seen.append(number)

    @tasks.task(key="customer", on_conflict="drop", delay=0)
    def once(customer: int) -> None: ...

    @app.post("/{customer}")
    async def buy(customer: int, background: ManagedBackgroundTasks) -> list[str]:
        for number in range(5):
            background.add_task(serve, customer, number)
        return [background.add_task(once, customer, delay=60) for _ in range(3)]

    with TestClient(app) as client:
        ids = client.post("/1").json()
        asyncio.run(wait_until(lambda: len(seen) == 5))
        shown = [client.get(f"/tasks/{task_id}").json() for task_id in ids]

    assert seen == list(range(5))
    assert [one["duplicate_of"] for one in shown] == [None, ids[0], ids[0]]
