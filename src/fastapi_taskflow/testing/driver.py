"""A driver in the hands of a state machine: with a clock, a place of its own, and a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import ignore
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.clock import Clock

__all__ = ["DriverMachine"]

P = ParamSpec("P")
T = TypeVar("T")


class DriverMachine(RuleBasedStateMachine):
    """An open driver, closed when the steps are over."""

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        """A new, unopened backend whose store lives at ``place``, an empty directory."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.place = new_place()
        self.runner = asyncio.Runner()
        self.backend = self.make_backend(self.clock, Path(self.place.name))
        self.call(self.backend.open, ignore)

    def teardown(self) -> None:
        self.call(self.backend.close)
        self.runner.close()
        self.place.cleanup()

    def call(
        self, verb: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Wait for a verb of the driver; a failing example shows it."""
        note(f"  {verb.__name__} {args} {kwargs or ''}")
        return self.runner.run(verb(*args, **kwargs))
