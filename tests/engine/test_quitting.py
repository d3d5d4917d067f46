"""Classes that end the process wherever their code runs end nothing here."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from fastapi_taskflow import TaskArgumentError, TaskflowError, TaskManager
from tests.support import hostile
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


# What stands here is made in the test: pytest looks at the values that it passes on.
VALUES: dict[str, Callable[[], Any]] = {"class": lambda: hostile.OfQuits, "object": hostile.OfQuits}
OPTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "priority": lambda: {"priority": hostile.OfQuits()},
    "queue": lambda: {"queue": hostile.OfQuits()},
    "delay": lambda: {"delay": hostile.OfQuits()},
    "run_at": lambda: {"run_at": hostile.OfQuits()},
    "key": lambda: {"idempotency_key": hostile.OfQuits},
    "tags": lambda: {"tags": hostile.OfQuits()},
    "tag": lambda: {"tags": {"a": hostile.OfQuits()}},
    "shut": lambda: {"tags": hostile.Shut(a="b")},
}


@pytest.mark.parametrize("kind", VALUES)
async def test_a_plain_task_gets_such_an_argument_and_others_run_beside_it(
    manager: Make, kind: str
) -> None:
    tasks = manager(max_concurrent_tasks=1)
    value = VALUES[kind]()
    got: list[Any] = []

    @tasks.task()
    async def take(given: Any) -> None:
        got.append("it" if given is value else given)

    async with tasks:
        await tasks.enqueue(take, value)
        for number in range(20):
            await tasks.enqueue(take, number)
        await wait_until(lambda: len(got) == 21)

    assert got.count("it") == 1
    assert set(got) == {"it", *range(20)}


@pytest.mark.parametrize("option", OPTIONS)
async def test_such_an_option_is_refused_as_any_other(manager: Make, option: str) -> None:
    tasks = manager()

    @tasks.task()
    async def work() -> None: ...

    async with tasks:
        with pytest.raises(TaskArgumentError):
            await tasks.enqueue(work, **OPTIONS[option]())


async def test_what_is_no_id_is_no_task_and_a_uuid_is_one(manager: Make) -> None:
    tasks = manager()

    @tasks.task()
    async def work() -> None: ...

    async with tasks:
        made = await tasks.enqueue(work)
        for nothing in (None, 5, object(), b"12345678", hostile.OfQuits(), "\ud800", ""):
            unknown: Any = nothing
            assert await tasks.get(unknown) is None
            with pytest.raises(TaskflowError):
                await tasks.cancel(unknown)
        known: Any = UUID(made.task_id)
        record = await tasks.get(known)

    assert record is not None
    assert record.task_id == made.task_id
