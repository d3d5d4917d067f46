"""A child is kept: what one function does to its process is not the next one's concern."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.rules.ends import Raised, Returned
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import endwork, leftbehind
from tests.support.waiting import wait_until


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(slots=1)
    await executor.open()
    yield executor
    await executor.close(1.0)


async def told(executor: ProcessExecutor, func: Any, *args: Any) -> Any:
    end = await Watched(executor, call_of(func, *args)).end()
    assert isinstance(end, Returned), end
    return end.value


async def test_the_next_function_finds_all_as_it_was(executor: ProcessExecutor) -> None:
    before = await told(executor, leftbehind.looks)
    assert before["handled"] == [True, True]
    assert before["exit code"] == 1

    for name in leftbehind.SETTINGS:
        await told(executor, leftbehind.changes, name)
        assert (name, await told(executor, leftbehind.looks)) == (name, before)


async def test_a_process_without_its_streams_is_replaced(executor: ProcessExecutor) -> None:
    for name in leftbehind.FILES:
        changed = await told(executor, leftbehind.changes, name)
        pid, numbers = await told(executor, leftbehind.file_numbers)
        assert (name, numbers) == (name, [0, 1, 2])
        assert pid != changed


@pytest.mark.parametrize("name", ["gives", "raises"])
async def test_what_takes_long_to_import_here_holds_nobody_up(
    executor: ProcessExecutor, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFLOW_TEST_PLACE", str(tmp_path))
    monkeypatch.delitem(sys.modules, "tests.support.slowkind", raising=False)
    await told(executor, endwork.pid)  # the next call goes to a child that waits
    watched = Watched(executor, call_of(getattr(leftbehind, f"{name}_slow")))
    await wait_until((tmp_path / "imports").exists)
    (tmp_path / "go on").touch()

    end = await watched.end()
    found = end.error if isinstance(end, Raised) else getattr(end, "value", None)
    assert type(found).__module__ == "tests.support.slowkind"
    assert (tmp_path / "let go").read_text() == "True"
