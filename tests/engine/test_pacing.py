"""Debounce and throttle, as functions and their callers see them."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    TaskAdmin,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
)
from tests.engine.test_running import ended

Make = Callable[..., TaskManager]
SUCCESS, CANCELLED = TaskStatus.SUCCESS, TaskStatus.CANCELLED


async def test_of_calls_on_several_instances_the_last_one_runs(manager: Make) -> None:
    managers = [manager() for _ in range(2)]
    saved: list[tuple[int, str]] = []
    functions = []
    for tasks in managers:

        @tasks.task(key="document")
        async def save(document: int, text: str) -> None:
            saved.append((document, text))

        functions.append(save)
        await tasks.startup()
    answers = [
        await managers[n % 2].enqueue(functions[n % 2], 1, f"v{n}", debounce=0.1 if n == 5 else 600)
        for n in range(6)
    ]
    other = await managers[0].enqueue(functions[0], 2, "other", debounce=0.1)

    assert await ended(managers[0], answers[-1].task_id) is SUCCESS
    assert await ended(managers[0], other.task_id) is SUCCESS
    assert [await ended(managers[1], one.task_id) for one in answers[:-1]] == [CANCELLED] * 5
    assert sorted(saved) == [(1, "v5"), (2, "other")]
    assert [one.disposition for one in answers] == ["created"] + ["replaced"] * 5
    assert not answers[-1].duplicate


async def test_without_a_key_equal_arguments_are_equal_calls(manager: Make) -> None:
    tasks, built = manager(), list[str]()

    @tasks.task
    async def build(target: str) -> None:
        built.append(target)

    await tasks.startup()
    calls = [await tasks.enqueue(build, target, debounce=600) for target in ("a", "b", "a")]
    last = await tasks.enqueue(build, "a", debounce=0.1)

    assert await ended(tasks, last.task_id) is SUCCESS
    words = [one.disposition for one in (*calls, last)]
    assert words == ["created", "created", "replaced", "replaced"]
    assert built == ["a"]


@pytest.mark.parametrize(("option", "answer"), [("debounce", "replaced"), ("throttle", "dropped")])
async def test_in_which_order_arguments_are_named_does_not_matter(
    manager: Make, option: str, answer: str
) -> None:
    tasks = manager()

    @tasks.task
    async def build(target: str, flags: dict[str, int]) -> None: ...

    await tasks.startup()
    span: dict[str, Any] = {option: 600}
    await tasks.enqueue(build, target="a", flags={"x": 1, "y": 2}, **span)
    second = await tasks.enqueue(build, flags={"y": 2, "x": 1}, target="a", **span)

    assert second.disposition == answer


async def test_a_throttle_starts_one_and_names_it(manager: Make) -> None:
    managers = [manager() for _ in range(2)]
    asked: list[int] = []
    functions = []
    for tasks in managers:

        @tasks.task(persist=False)
        async def refresh(customer: int) -> None:
            asked.append(customer)

        functions.append(refresh)
        await tasks.startup()
    first = await managers[0].enqueue(functions[0], 1, throttle=3600.0)
    assert await ended(managers[0], first.task_id) is SUCCESS
    second = await managers[1].enqueue(functions[1], 1, throttle=3600.0)
    other = await managers[1].enqueue(functions[1], 2, throttle=3600.0)
    assert await ended(managers[1], other.task_id) is SUCCESS

    assert (second.task_id, second.duplicate) == (first.task_id, True)
    assert [one.disposition for one in (first, second, other)] == ["created", "dropped", "created"]
    assert asked == [1, 2]


def test_requests_pace_tasks_as_well(tmp_path: Any) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app, seen = FastAPI(), list[str]()
    TaskAdmin(app, tasks, auto_install=True)

    @tasks.task(key="customer")
    def sync(customer: int, text: str) -> None:
        seen.append(text)

    @app.post("/sync/{text}")
    async def endpoint(text: str, background: ManagedBackgroundTasks) -> list[str]:
        return [
            background.add_task(sync, 1, text, throttle=600.0),
            background.add_task(sync, 2, text, debounce=0.1),
        ]

    with TestClient(app) as client:
        first, last = (client.post(f"/sync/{text}").json() for text in ("one", "two"))
        throttled = client.get(f"/tasks/{last[0]}").json()

    assert throttled["duplicate_of"] == first[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"debounce": 0}, "seconds above 0"),
        ({"debounce": "5s"}, "seconds above 0"),
        ({"throttle": -1.0}, "seconds above 0"),
        ({"throttle": 1e12}, "at most"),
        ({"debounce": 1.0, "delay": 1.0}, "give debounce or delay"),
        ({"debounce": 1.0, "throttle": 1.0}, "give debounce or throttle"),
        ({"throttle": 1.0, "idempotency_key": "k"}, "give throttle or idempotency_key"),
        ({"idempotency_key": "throttle=mine"}, "begins with 'throttle='"),
    ],
)
async def test_what_cannot_be_is_refused(manager: Make, options: dict[str, Any], said: str) -> None:
    tasks = manager()

    @tasks.task
    async def work() -> None: ...

    await tasks.startup()
    with pytest.raises(TaskArgumentError, match=said):
        await tasks.enqueue(work, **options)


async def test_only_registered_functions_are_paced(manager: Make) -> None:
    tasks = manager()

    async def stranger() -> None: ...

    await tasks.startup()
    with pytest.raises(TaskArgumentError, match=r"debounce= and throttle= .* not registered"):
        await tasks.enqueue(stranger, throttle=1.0)
