"""What comes back from a child process: values, errors, and word of what could not come."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.rules.ends import Raised, Returned
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import endwork


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(slots=1)
    await executor.open()
    yield executor
    await executor.close(1.0)


async def pid(executor: ProcessExecutor) -> Any:
    end = await Watched(executor, call_of(endwork.pid)).end()
    assert isinstance(end, Returned)
    return end.value


async def test_what_cannot_be_sent_is_no_failure_and_is_told(executor: ProcessExecutor) -> None:
    first = await pid(executor)
    for name, text in (
        ("lock", "What it returned (lock) cannot leave its process: TypeError"),
        ("socket", "What it returned (socket) cannot leave its process: TypeError"),
        ("leaving", "What it returned (Leaving) cannot leave its process: SystemExit"),
        ("one way", "What it returned cannot be made in the server's process: RuntimeError"),
        ("one way out", "What it returned cannot be made in the server's process: SystemExit"),
    ):
        watched = Watched(executor, call_of(endwork.gives, name))
        assert await watched.end() == Returned(None, lost=text)
        assert [(line.message, line.level) for line in watched.lines] == [(text, "warning")]

    # The child is as good as it was.
    assert await pid(executor) == first


async def test_what_can_be_sent_comes_as_it_was(executor: ProcessExecutor) -> None:
    big = Watched(executor, call_of(endwork.gives, "big"))
    local = await Watched(executor, call_of(endwork.gives, "local")).end()

    assert await big.end() == Returned(b"x" * 20_000_000)
    assert big.lines == []
    assert isinstance(local, Returned)
    assert local.value.name == "by value"


async def test_a_value_comes_whole_however_it_lies_to_what_is_read_at_once(
    executor: ProcessExecutor,
) -> None:
    await pid(executor)
    for size in range(15_950, 16_010):
        told = await Watched(executor, call_of(bytes, size)).end()
        assert told == Returned(bytes(size))


async def test_an_error_comes_as_one_of_its_class(executor: ProcessExecutor) -> None:
    first = await pid(executor)
    for name, (kind, args) in endwork.EXPECTED.items():
        told = await Watched(executor, call_of(endwork.raises, name)).end()
        assert isinstance(told, Raised)
        assert (name, type(told.error).__name__) == (name, kind)
        assert args is None or told.error.args == args
        assert "in raises" in str(told.stacktrace)

    assert await pid(executor) == first


async def test_a_group_keeps_its_members_and_all_is_in_the_trace(executor: ProcessExecutor) -> None:
    told = await Watched(executor, call_of(endwork.raises_group)).end()

    assert isinstance(told, Raised)
    assert isinstance(told.error, ExceptionGroup)
    assert [type(each).__name__ for each in told.error.exceptions] == ["TwoArguments", "KeyError"]
    assert told.error.__notes__ == ["a note"]
    for text in ("a note", "the cause", "TwoArguments: one: two"):
        assert text in str(told.stacktrace)


async def test_an_error_that_tells_nothing_of_itself_is_a_failure(
    executor: ProcessExecutor,
) -> None:
    first = await pid(executor)
    told = await Watched(executor, call_of(endwork.raises, "tells nothing")).end()

    assert isinstance(told, Raised)
    assert await pid(executor) == first
