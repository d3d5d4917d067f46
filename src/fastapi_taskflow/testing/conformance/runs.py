"""What the tests of executors share: an open one, and calls that are watched."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fastapi_taskflow.executors.base import Call, Executor, Run, Told
from fastapi_taskflow.testing.conformance import work
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.said import Line, Progress, Said

__all__ = ["Running", "Watched", "call_of", "until"]

# Far beyond what anything takes; it only keeps a test that fails from hanging.
_PATIENCE_SECONDS = 120.0
_numbers = itertools.count(1)


class Watched:
    """One call, and all that its executor told of it."""

    def __init__(self, executor: Executor, call: Call) -> None:
        self.told: list[Told] = []
        # Each with True if it came after the end.
        self.said: list[tuple[Said, bool]] = []
        self.run: Run = executor.run(call, self.told.append, self._say)

    def _say(self, said: Said) -> None:
        self.said.append((said, bool(self.told)))

    @property
    def lines(self) -> list[Line]:
        """Of its log."""
        return [said for said, _ in self.said if isinstance(said, Line)]

    @property
    def progress(self) -> list[Progress]:
        """What came through of its progress."""
        return [said for said, _ in self.said if isinstance(said, Progress)]

    @property
    def late(self) -> bool:
        """It said something after its end."""
        return any(late for _, late in self.said)

    async def end(self) -> Told:
        """How it ended, when it has."""
        await until(lambda: bool(self.told))
        return self.told[0]


class Running:
    """Base of all groups of tests: how an executor is made, and what it can do.

    Attributes:
        coroutines: It runs coroutine functions, not plain ones.
        stops: A run can be ended, whatever its function does.
        apart: A function's process may die without harm to the engine's.
        carries_context: Context variables reach the function.
        crowd: Runs that are under way together in tests of many.
    """

    pytestmark = pytest.mark.anyio

    coroutines = False
    stops = False
    apart = False
    carries_context = True
    crowd = 30

    def make_executor(self) -> Executor:
        """A new one that was not opened, with at least three slots."""
        raise NotImplementedError

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def executor(self) -> AsyncIterator[Executor]:
        """An open one."""
        executor = self.make_executor()
        await executor.open()
        yield executor
        await executor.close(1.0)

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """Where functions meet the test; at the end those that wait are let go."""
        with new_place() as name:
            yield Path(name)
            let_pass(Path(name))

    @property
    def work(self) -> SimpleNamespace:
        """Functions that this executor can run."""
        return work.coroutines if self.coroutines else work.plain

    async def waiting(
        self, executor: Executor, place: Path, count: int = 1, *, func: str = "wait"
    ) -> list[Watched]:
        """Calls that have arrived, and wait for `let_pass`."""
        function = getattr(self.work, func)
        names = [f"run {number}" for number in range(count)]
        watched = [Watched(executor, call_of(function, str(place), name)) for name in names]
        there = [place / f"{name} arrived" for name in names]
        await until(lambda: all(map(Path.exists, there)) or any(each.told for each in watched))
        assert [each.told for each in watched] == [[] for _ in watched]
        return watched


def let_pass(place: Path) -> None:
    """Whoever waits at this place may go on."""
    (place / "open").touch()


def call_of(func: Callable[..., Any], *args: Any, **fields: Any) -> Call:
    """A call with a task id of its own; ``fields`` replace what it has."""
    given: dict[str, Any] = {
        "func_name": "work",
        "func": func,
        "args": args,
        "kwargs": {},
        "context": contextvars.copy_context(),
        "task_id": f"018f0000-0000-7000-8000-{next(_numbers):012x}",
    }
    return Call(**(given | fields))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not so in two minutes.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        await asyncio.sleep(0.005)
