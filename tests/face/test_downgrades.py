"""No durable function is run as something less because of the form in which it is added."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager
from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.testing import async_drain

Make = Callable[..., TaskManager]

ran: list[str] = []


def timed(function: Any) -> Any:
    @functools.wraps(function)
    async def inner(*args: Any) -> Any:
        ran.append("timed")
        return await function(*args)

    return inner


class Sender:
    async def send(self, to: str = "") -> None:
        ran.append("sent")

    async def __call__(self, to: str = "") -> None:
        ran.append("called")


FORMS: dict[str, Callable[[Any], Any]] = {
    "decorated": timed,
    "decorated twice": lambda task: timed(timed(task)),
    "cached": functools.lru_cache,
    "partial": functools.partial,
    "partial of a decorated one": lambda task: functools.partial(timed(task)),
    "decorated partial": lambda task: timed(functools.partial(task)),
}
SETTINGS: list[dict[str, Any]] = [
    {"persist": True},
    {"requeue_on_interrupt": True},
]


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def hide(tasks: TaskManager, form: str, **settings: Any) -> Any:
    @tasks.task(**settings)
    async def send(to: str = "") -> None:
        ran.append("sent")

    return FORMS[form](send)


async def refuses(tasks: TaskManager, func: Any, match: str) -> None:
    async with tasks:
        with pytest.raises(TaskArgumentError, match=match):
            await tasks.enqueue(func)
        with pytest.raises(TaskArgumentError, match=match):
            ManagedBackgroundTasks(tasks).add_task(func)
        assert await tasks.merged_list() == []
    assert ran == []


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
@pytest.mark.parametrize("form", FORMS)
async def test_what_hides_a_durable_function_is_refused(
    tasks: TaskManager, form: str, settings: Any
) -> None:
    await refuses(tasks, hide(tasks, form, **settings), "'send' is durable")


async def test_where_every_task_is_durable_hidden_ones_are_refused(make_manager: Make) -> None:
    tasks = make_manager(requeue_pending=True)

    await refuses(tasks, hide(tasks, "decorated"), "above the other decorators")


async def test_methods_of_a_durable_function_are_refused(tasks: TaskManager) -> None:
    for name in ("send", "__call__"):
        tasks.task(persist=True, name=name)(getattr(Sender, name))

    await refuses(tasks, Sender().send, "a bound method")
    await refuses(tasks, Sender(), "an object")


async def test_a_decorator_below_the_task_is_the_task(tasks: TaskManager) -> None:
    @tasks.task(persist=True)
    @timed
    async def send() -> None:
        ran.append("sent")

    async with tasks:
        task_id = (await tasks.enqueue(send)).task_id
        await async_drain(tasks)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.func_name == "send"
    assert ran == ["timed", "sent"]


@pytest.mark.parametrize("form", ["decorated", "partial"])
async def test_one_that_is_not_durable_keeps_its_settings(tasks: TaskManager, form: str) -> None:
    @tasks.task(retries=1)
    async def fail() -> None:
        ran.append("tried")
        raise ConnectionError

    async with tasks:
        task_id = (await tasks.enqueue(FORMS[form](fail))).task_id
        await async_drain(tasks)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.retries_used == 1
    assert record.func_name == "test_downgrades.fail" or record.func_name.endswith(".fail")


@pytest.mark.parametrize("form", [None, "decorated", "partial"])
@pytest.mark.parametrize("by_default", [False, True])
async def test_a_durable_task_of_another_manager_is_refused(
    make_manager: Make, form: str | None, by_default: bool
) -> None:
    tasks, other = make_manager(), make_manager(requeue_pending=by_default)

    @other.task(persist=not by_default)
    async def send() -> None:
        ran.append("sent")

    await refuses(tasks, send if form is None else FORMS[form](send), "another")


async def test_one_that_both_managers_know_runs(make_manager: Make) -> None:
    tasks, other = make_manager(), make_manager()

    @tasks.task()
    @other.task(persist=True)
    async def send() -> None:
        ran.append("sent")

    async with tasks:
        await tasks.enqueue(send)
        await async_drain(tasks)

    assert ran == ["sent"]


async def test_another_managers_plain_task_runs_with_a_warning(
    make_manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tasks, other = make_manager(), make_manager()

    @other.task(retries=3)
    async def fail() -> None:
        ran.append("tried")
        raise ConnectionError

    async with tasks:
        with caplog.at_level(logging.WARNING):
            await tasks.enqueue(fail)
            await tasks.enqueue(fail)
            await async_drain(tasks)

    assert ran == ["tried", "tried"]
    assert caplog.text.count("another TaskManager") == 1


async def test_hidden_functions_of_others_do_no_harm(tasks: TaskManager) -> None:
    class Endless:
        """Wraps itself."""

        def __init__(self) -> None:
            self.__wrapped__ = self

        async def __call__(self) -> None:
            ran.append("endless")

    class Hostile:
        """Answers whatever it is asked, and cannot be looked up."""

        __hash__ = None  # type: ignore[assignment]

        def __getattr__(self, name: str) -> Any:
            return Hostile()

        async def __call__(self) -> None:
            ran.append("hostile")

    async with tasks:
        for func in (Endless(), Hostile(), len, functools.partial(print, end="")):
            await tasks.enqueue(func, *([()] if func is len else []))
        await async_drain(tasks)

    assert sorted(ran) == ["endless", "hostile"]
