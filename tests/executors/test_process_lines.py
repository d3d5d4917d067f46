"""What functions in a child do to its logging and its pipes, and whom their lines are of."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.rules.ends import Lost, Returned
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import linework


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(slots=1)
    await executor.open()
    yield executor
    await executor.close(1.0)


async def lines(executor: ProcessExecutor, func: Any, *args: Any) -> list[str]:
    watched = Watched(executor, call_of(func, *args))
    assert isinstance(await watched.end(), Returned), watched.told
    return [line.message for line in watched.lines]


@pytest.mark.parametrize("how", ["dictConfig", "basicConfig"])
async def test_lines_come_after_logging_was_configured_anew(
    executor: ProcessExecutor, how: str
) -> None:
    assert await lines(executor, linework.configures, how) == ["before", "after"]
    assert await lines(executor, linework.logs, "next") == ["next"]


async def test_a_thread_left_behind_says_nothing_for_the_next(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    assert await lines(executor, linework.leaves_a_thread, str(tmp_path)) == ["by a thread"]
    assert await lines(executor, linework.lets_it_log, str(tmp_path)) == ["one", "in time"]


async def test_who_closes_all_files_is_told_so(executor: ProcessExecutor) -> None:
    end = await Watched(executor, call_of(linework.closes_all)).end()

    assert isinstance(end, Lost)
    assert end.how is not None
    assert end.how.startswith("it closed the pipes between its process and the server")
