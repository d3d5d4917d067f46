"""Arguments of registered functions fit their parameters when the task is added."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    TaskArgumentError,
    TaskCall,
    TaskManager,
)
from tests.support.waiting import wait_until


async def send(address: str, /, subject: str = "Hello", *, copies: int = 1) -> None: ...


async def charge(amount: int, *, currency: str) -> None: ...


WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (send, (), {}, r"'send': missing a required argument: 'address'"),
    (send, ("a", "b", "c"), {}, "too many positional arguments"),
    (send, ("a",), {"subjct": "x"}, r"'subjct'\. It takes .*Did you mean 'subject'\?"),
    (send, ("a",), {"prioritty": 1}, r"Did you mean 'priority'\?"),
    (send, ("a", "b"), {"subject": "x"}, "multiple values for argument 'subject'"),
    (charge, (5,), {}, "missing a required .*'currency'"),
    (charge, (5, "EUR"), {}, "too many positional"),
    (charge, (5,), {"currencies": "EUR"}, r"given 'currencies', which.*Did you mean 'currency'\?"),
]


@pytest.mark.parametrize("how", ["add_task", "enqueue", "call"])
@pytest.mark.parametrize(("function", "args", "kwargs", "message"), WRONG)
async def test_arguments_that_do_not_fit_are_refused_where_they_are_given(
    tasks: TaskManager,
    how: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    message: str,
) -> None:
    tasks.task()(function)

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        add: Any = {"add_task": unbound.add_task, "enqueue": tasks.enqueue, "call": tasks.call}[how]
        with pytest.raises(TaskArgumentError, match=message) as refused:
            await _settled(lambda: add(function, *args, **kwargs))
        assert await tasks.merged_list() == []

    # As Python itself would say it.
    assert isinstance(refused.value, TypeError)


async def _settled(act: Callable[[], Any]) -> Any:
    answer = act()
    return await answer if inspect.isawaitable(answer) else answer


def test_a_call_made_by_hand_is_bound_as_well(tasks: TaskManager) -> None:
    tasks.task()(charge)
    wrong: Any = TaskCall(charge, [5], None)  # type: ignore[arg-type]

    for call in (TaskCall(charge, (5,), {}), wrong):
        with pytest.raises(TaskArgumentError):
            ManagedBackgroundTasks(tasks).add_task(call)


@pytest.mark.parametrize("persist", [False, True])
def test_one_caller_s_arguments_fail_only_his_request(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[int] = []

    @tasks.task(persist=persist)
    async def work(number: int) -> None:
        ran.append(number)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks, count: int) -> None:
        background_tasks.add_task(work, count)
        if count == 1:
            background_tasks.add_task(work)  # type: ignore[call-arg]

    with TestClient(app, raise_server_exceptions=False) as client:
        answers = [client.post(f"/?count={count}").status_code for count in range(3)]

    assert answers == [200, 500, 200]
    assert ran == [0, 2]


def test_arguments_of_a_decorator_s_own_are_not_asked_for(tasks: TaskManager) -> None:
    def with_session(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return func("a session", *args, **kwargs)

        return wrapper

    seen: list[Any] = []

    @tasks.task()
    @with_session
    def save(session: str, name: str) -> None:
        seen.extend([session, name])

    app = FastAPI()
    tasks.install(app)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(save, name="ada")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert seen == ["a session", "ada"]


SESSION: Any = Depends(dict)


async def test_what_fastapi_injects_must_be_given_to_a_task(tasks: TaskManager) -> None:
    seen: list[Any] = []

    @tasks.task()
    async def save(name: str, session: Any = SESSION) -> None:
        seen.append((name, session))

    async with tasks:
        with pytest.raises(TaskArgumentError, match=r"session would be what FastAPI's Depends"):
            await tasks.enqueue(save, "ada")
        await tasks.enqueue(save, "ada", session=None)
        await wait_until(lambda: seen == [("ada", None)])


def test_what_nobody_registered_fails_as_a_task(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)

    @app.post("/")
    async def endpoint(tasks: ManagedBackgroundTasks) -> str:
        return tasks.add_task(charge)

    with TestClient(app) as client:
        record = tasks.store.get(client.post("/").json())

    assert record is not None
    assert record.status == "failed"
    assert "charge()" in str(record.error)


# Parameters with names of options

GIVEN: dict[str, Any] = {
    "priority": "express",
    "queue": ["night"],
    "eager": "soon",
    "tags": {"a": object},
    "idempotency_key": 5,
    "delay": "long",
    "run_at": "noon",
}


def parcel(  # noqa: PLR0913, PLR0917
    got: dict[str, Any],
    priority: Any = "stock",
    queue: Any = "stock",
    eager: Any = "stock",
    tags: Any = "stock",
    idempotency_key: Any = "stock",
    delay: Any = "stock",
    run_at: Any = "stock",
) -> None:
    got.update({name: value for name, value in locals().items() if name in GIVEN})


def logged(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


class Van:
    def parcel(self, got: dict[str, Any], priority: Any = "stock", tags: Any = "stock") -> None:
        got.update(priority=priority, tags=tags)

    __call__ = parcel


FORMS: dict[str, tuple[Any, bool]] = {
    "registered": (parcel, True),
    "not registered": (parcel, False),
    "registered and decorated": (logged(parcel), True),
    "decorated": (logged(parcel), False),
    "partial": (functools.partial(parcel, queue="bound"), False),
    "method": (Van().parcel, False),
    "object": (Van(), False),
    "lambda": (lambda got, priority="stock", **_: got.update(priority=priority), False),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_keyword_that_the_function_declares_is_the_function_s(form: str) -> None:
    func, registered = FORMS[form]
    tasks, app = TaskManager(), FastAPI()
    tasks.install(app)
    if registered:
        tasks.task(name="parcel")(func)
    got: dict[str, Any] = {}
    declared = [name for name in GIVEN if name in inspect.signature(func).parameters]

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(func, got, **{name: GIVEN[name] for name in declared})

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert declared
    assert {name: got[name] for name in declared} == {name: GIVEN[name] for name in declared}


def test_none_is_an_argument_too(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    got: dict[str, Any] = {}

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(parcel, got, priority=None, tags=None)

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert (got["priority"], got["tags"], got["queue"]) == (None, None, "stock")


async def test_enqueue_leaves_a_function_its_keywords_too(tasks: TaskManager) -> None:
    got: list[Any] = []

    @tasks.task(persist=True)
    async def deliver(number: int, priority: str, tags: list[str]) -> None:
        got.append((number, priority, tags))

    async with tasks:
        enqueue: Any = tasks.enqueue
        answer = await enqueue(deliver, 7, priority="express", tags=["a"], queue="default")
        await wait_until(lambda: got)
        record = await tasks.get(answer.task_id)

    assert got == [(7, "express", ["a"])]
    assert record is not None
    assert (record.priority, record.tags) == (None, {})


async def test_beside_a_call_every_keyword_is_an_option(tasks: TaskManager) -> None:
    got: list[Any] = []

    @tasks.task(persist=True)
    async def deliver(number: int, priority: str) -> None:
        got.append((number, priority))

    async with tasks:
        call = tasks.call(deliver, 7, priority="express")
        answer = await tasks.enqueue(call, priority=10, tags={"a": "b"})
        await wait_until(lambda: got)
        record = await tasks.get(answer.task_id)

    assert got == [(7, "express")]
    assert record is not None
    assert (record.priority, record.tags) == (10, {"a": "b"})


async def test_options_of_a_function_with_open_keywords_stay_options(tasks: TaskManager) -> None:
    got: list[Any] = []

    @tasks.task()
    async def note(**words: Any) -> None:
        got.append(words)

    async with tasks:
        answer = await tasks.enqueue(note, word="x", priority=3)
        await wait_until(lambda: got)
        record = await tasks.get(answer.task_id)

    assert got == [{"word": "x"}]
    assert record is not None
    assert record.priority == 3


async def test_an_option_that_a_position_has_filled_is_refused(tasks: TaskManager) -> None:
    @tasks.task()
    async def deliver(number: int, priority: str) -> None: ...

    async with tasks:
        with pytest.raises(TaskArgumentError, match="multiple values for argument 'priority'"):
            await tasks.enqueue(deliver, 7, "express", priority=10)


def test_such_a_function_is_told_of_once(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    def register() -> Callable[..., None]:
        @tasks.task()
        def deliver(priority: str, tags: list[str], word: str) -> None: ...

        return deliver

    register()
    register()

    told = [each.message for each in caplog.records]
    assert len(told) == 1
    assert "'deliver'" in told[0]
    assert "priority, tags" in told[0]
    assert "task_manager.call(" in told[0]
