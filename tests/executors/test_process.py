"""Tasks in child processes, through the whole engine."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import pytest

from fastapi_taskflow import ConfigurationError, TaskManager, TaskRecord
from fastapi_taskflow.rules import importable
from fastapi_taskflow.testing import async_drain
from tests.support import childwork
from tests.support.gone import is_gone
from tests.support.waiting import wait_until


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[TaskManager]:
    """With two processes that have little time to obey; of `place`, whoever waits is let go."""
    manager = TaskManager(
        snapshot_db=tmp_path / "tasks.db",
        max_process_workers=2,
        process_shutdown_timeout=0.2,
        drain_timeout=60.0,
    )
    for func in (childwork.meets, childwork.own_pid):
        manager.task(executor="process")(func)
    async with manager:
        yield manager
        (tmp_path / "open").touch()


async def added(tasks: TaskManager, func: Any, *args: Any, **settings: Any) -> str:
    if not tasks.registry.is_registered(func):
        tasks.task(executor="process", **settings)(func)
    return (await tasks.enqueue(func, *args)).task_id


async def arrived(place: Path, name: str) -> int:
    """The process in which it runs."""
    await wait_until((place / f"{name} is").exists)
    return int((place / f"{name} is").read_text())


async def ended(tasks: TaskManager, task_id: str) -> TaskRecord:
    await wait_until(lambda: _has_ended(tasks, task_id))
    record = await tasks.get(task_id)
    assert record is not None
    return record


def _has_ended(tasks: TaskManager, task_id: str) -> bool:
    record = tasks.store.get(task_id)
    return record is not None and record.end_time is not None


async def test_it_runs_in_another_process_that_is_kept(tasks: TaskManager, tmp_path: Path) -> None:
    tasks.task(executor="process", name="first")(childwork.tidies)
    (tmp_path / "open").touch()
    pids = set()
    for _ in range(3):
        record = await ended(tasks, await added(tasks, childwork.tidies, str(tmp_path)))
        assert (record.status.value, record.executor) == ("success", "process")
        pids.add(await arrived(tmp_path, "tidies"))

    assert len(pids) == 1
    assert pids != {os.getpid()}


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("exit", "its process ended with exit code 3 while it ran"),
        ("kill", "its process was killed by SIGKILL (signal 9) while it ran"),
        ("segfault", "its process was killed by SIGSEGV (signal 11) while it ran"),
    ],
)
async def test_a_crash_interrupts_its_task_and_no_other(
    tasks: TaskManager, tmp_path: Path, how: str, text: str
) -> None:
    neighbour = await added(tasks, childwork.meets, str(tmp_path), "neighbour")
    await arrived(tmp_path, "neighbour")
    record = await ended(tasks, await added(tasks, childwork.dies_of, how, retries=3))
    (tmp_path / "open").touch()

    assert (record.status.value, record.error) == ("interrupted", f"Interrupted: {text}")
    assert [line[20:] for line in record.logs] == ["is about to die"]
    assert (await ended(tasks, neighbour)).status.value == "success"


async def test_a_crash_runs_again_what_may_run_again(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, childwork.dies_once, str(tmp_path), requeue_on_interrupt=True)
    await async_drain(tasks, timeout=60)

    assert (await ended(tasks, task_id)).status.value == "success"
    assert (tmp_path / "lived").exists()


@pytest.mark.parametrize("func", [childwork.matches_to_no_end, childwork.counts_to_no_end])
async def test_a_cancel_kills_what_does_not_obey_and_nothing_else(
    tasks: TaskManager, tmp_path: Path, func: Any
) -> None:
    neighbour = await added(tasks, childwork.meets, str(tmp_path), "neighbour")
    task_id = await added(tasks, func, str(tmp_path), "one")
    pid = await arrived(tmp_path, "one")
    await arrived(tmp_path, "neighbour")
    await tasks.cancel(task_id)
    record = await ended(tasks, task_id)
    healed = await ended(tasks, await added(tasks, childwork.own_pid))
    (tmp_path / "open").touch()

    assert record.status.value == "cancelled"
    assert is_gone(pid)
    assert healed.status.value == "success"
    assert (await ended(tasks, neighbour)).status.value == "success"


async def test_a_timeout_kills_and_is_retried(tasks: TaskManager, tmp_path: Path) -> None:
    func = childwork.matches_to_no_end
    task_id = await added(tasks, func, str(tmp_path), "one", timeout=0.05, retries=1)
    record = await ended(tasks, task_id)

    assert (record.status.value, record.retries_used) == ("failed", 1)
    assert str(record.error).startswith("Timed out")


async def test_a_function_that_is_stopped_may_tidy_up(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, childwork.tidies, str(tmp_path))
    await arrived(tmp_path, "tidies")
    await tasks.cancel(task_id)

    assert (await ended(tasks, task_id)).status.value == "cancelled"
    assert (tmp_path / "tidied").exists()


async def test_lines_are_there_while_it_runs(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, childwork.says, str(tmp_path))
    await arrived(tmp_path, "says")
    record = await wait_until(
        lambda: (found := tasks.store.get(task_id)) and len(found.logs) > 1 and found
    )

    assert record.status.value == "running"
    assert [line[20:] for line in record.logs] == ["by hand", "by logging"]


async def test_an_error_is_of_its_own_class_here(tasks: TaskManager) -> None:
    retried = await added(
        tasks, childwork.fails_first, retries=1, retry_on=(childwork.TwoArguments,)
    )
    called_off = await added(tasks, childwork.calls_it_off, retries=5)

    record = await ended(tasks, retried)
    assert (record.status.value, record.retries_used) == ("success", 1)
    assert (await ended(tasks, called_off)).status.value == "cancelled"


async def test_a_process_that_dies_idle_loses_no_task(tasks: TaskManager, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    await ended(tasks, await added(tasks, childwork.meets, str(tmp_path), "first"))
    pid = await arrived(tmp_path, "first")
    os.kill(pid, signal.SIGKILL)
    record = await ended(tasks, await added(tasks, childwork.meets, str(tmp_path), "second"))

    assert record.status.value == "success"
    assert await arrived(tmp_path, "second") != pid


async def test_signals_of_a_service_manager_are_for_the_parent(
    tasks: TaskManager, tmp_path: Path
) -> None:
    task_id = await added(tasks, childwork.meets, str(tmp_path), "one")
    pid = await arrived(tmp_path, "one")
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    (tmp_path / "open").touch()

    assert (await ended(tasks, task_id)).status.value == "success"


async def test_a_process_that_a_function_forks_can_be_ended(tasks: TaskManager) -> None:
    record = await ended(tasks, await added(tasks, childwork.forks))

    assert record.status.value == "success"
    assert [line[20:] for line in record.logs] == ["15"]


async def test_an_argument_that_cannot_be_sent_fails_its_task(tasks: TaskManager) -> None:
    record = await ended(tasks, await added(tasks, childwork.takes, Lock()))

    assert record.status.value == "failed"
    assert "takes: argument 1 (lock) cannot be sent to a process: TypeError: " in str(record.error)


async def test_what_runs_at_the_end_is_stopped_with_it(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db", drain_timeout=0.05)
    async with tasks:
        task_id = await added(tasks, childwork.matches_to_no_end, str(tmp_path), "one")
        pid = await arrived(tmp_path, "one")
    record = tasks.store.get(task_id)

    assert record is not None
    assert record.status.value == "interrupted"
    await wait_until(lambda: is_gone(pid))


def test_what_cannot_be_imported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def nested() -> None: ...

    async def coroutine() -> None: ...

    def typed() -> None: ...

    typed.__module__, typed.__qualname__ = "__main__", "typed"
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    monkeypatch.setattr(importable, "can_send_code", lambda: False)
    task = TaskManager().task(executor="process")

    for func, text in (
        (nested, "inside another function"),
        (lambda: None, "lambda"),
        (coroutine, "make it a plain `def`"),
        (typed, "fastapi-taskflow.process."),
    ):
        with pytest.raises(ConfigurationError, match=text):
            task(func)


async def test_a_name_that_leads_elsewhere_is_told(
    tasks: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await added(tasks, childwork.takes, 1)
    assert (await ended(tasks, task_id)).status.value == "success"
    func = childwork.takes
    monkeypatch.setattr(childwork, "takes", lambda value: None)
    record = await ended(tasks, await added(tasks, func, 1))

    assert record.status.value == "failed"
    assert "put @task on top" in str(record.error)
