"""Child processes that are replaced after a number of tasks, or when they have grown."""

import importlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import ConfigurationError, TaskManager
from fastapi_taskflow.executors import Executor, Lost, Returned, Stopped
from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import childwork, gatedmodule, memorywork
from tests.support.gone import is_gone
from tests.support.waiting import wait_until


async def opened(**settings: Any) -> ProcessExecutor:
    executor = ProcessExecutor(**settings)
    await executor.open()
    return executor


@pytest.fixture
async def of_two() -> AsyncIterator[ProcessExecutor]:
    executor = await opened(slots=2, max_tasks_per_child=2)
    yield executor
    await executor.close(5.0)


async def pid(executor: Executor) -> int:
    told = await Watched(executor, call_of(childwork.own_pid)).end()
    assert isinstance(told, Returned)
    assert isinstance(told.value, int)
    return told.value


async def test_a_child_runs_so_many_tasks_and_ends(of_two: ProcessExecutor) -> None:
    pids = Counter([await pid(of_two) for _ in range(6)])

    assert set(pids.values()) <= {1, 2}
    assert sum(pids.values()) == 6
    gone = [one for one, count in pids.items() if count == 2]
    await wait_until(lambda: all(map(is_gone, gone)))


async def test_the_next_child_is_there_before_the_last_task_ends(
    of_two: ProcessExecutor, tmp_path: Path
) -> None:
    await pid(of_two)
    last = Watched(of_two, call_of(childwork.meets, str(tmp_path), "last"))
    await wait_until(lambda: len(of_two.pool) == 2)

    (tmp_path / "open").touch()
    await last.end()
    assert str(await pid(of_two)) != (tmp_path / "last is").read_text()


async def test_a_child_that_has_grown_is_replaced() -> None:
    executor = await opened(slots=1, max_memory_per_child=150_000_000)
    try:
        first = await pid(executor)
        assert await pid(executor) == first
        await Watched(executor, call_of(memorywork.keeps, 200)).end()

        await wait_until(lambda: is_gone(first))
        assert await pid(executor) != first
        await wait_until(lambda: len(executor.pool) == 1)
    finally:
        await executor.close(5.0)


async def test_a_new_child_imports_what_others_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"""
import os, pathlib
pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()

def dies(): os._exit(3)
"""
    (tmp_path / "touching.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    executor = await opened(slots=1)
    try:
        lost = Watched(executor, call_of(importlib.import_module("touching").dies))
        assert await lost.end() == Lost("its process ended with exit code 3")

        # Here, in the child that is gone, and in the next one, which was not called.
        await wait_until(lambda: sum(name.name.isdigit() for name in tmp_path.iterdir()) == 3)
    finally:
        await executor.close(5.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tasks_per_child": 0},
        {"max_tasks_per_child": "10"},
        {"max_memory_per_child": 200_000},
        {"max_memory_per_child": "1 G"},
    ],
    ids=str,
)
def test_a_renewal_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        TaskManager(**wrong)


def test_a_renewal_is_a_setting_of_the_manager() -> None:
    settings = TaskManager(max_tasks_per_child=100, max_memory_per_child="1GB").runtime.settings

    assert (settings.max_tasks_per_child, settings.max_memory_per_child) == (100, 10**9)


async def test_a_child_that_imports_ahead_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFLOW_TEST_PLACE", str(tmp_path))
    executor = await opened(slots=1, patience=0.0)

    def importing() -> list[int]:
        return [int(found.name.split()[1]) for found in tmp_path.glob("imports *")]

    first = Watched(executor, call_of(gatedmodule.pid))
    await wait_until(lambda: len(importing()) == 1)
    [slow] = importing()
    first.run.stop("timeout")  # as of a task whose timeout is shorter than its imports
    assert await first.end() == Stopped()
    await wait_until(lambda: len(importing()) == 2)

    # It is waited for, by who does not have to, and no other one is started.
    second = Watched(executor, call_of(gatedmodule.pid))
    second.run.stop("cancel")
    assert await second.end() == Stopped()
    assert len(executor.pool) == 1

    third = Watched(executor, call_of(gatedmodule.pid))
    (tmp_path / "go on").touch()
    told = await third.end()
    assert [told] == [Returned(one) for one in importing() if one != slow]
    await executor.close(5.0)
