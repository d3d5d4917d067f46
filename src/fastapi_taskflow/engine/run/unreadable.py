"""Stored tasks whose arguments cannot be read here, though perhaps elsewhere.

While a new version of an app is rolled out, an older process claims tasks with classes,
fields or enum members that it does not have; another lacks the key that they are sealed
with. Such a task goes back to the store for a minute. It never fails for that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.words.states import Move

__all__ = ["UNOPENED", "Unreadable"]

logger = logging.getLogger(__name__)

UNOPENED = (
    "their arguments are encrypted and no key in encrypt_args_key opens them, or they were "
    "changed in the store"
)
"""Why a sealed task cannot be run."""

# Between two tries (SEMANTICS: due +60 s).
_PAUSE_SECONDS = 60.0
# A function is told of as long as its tasks come round.
_MEMORY_SECONDS = 3 * _PAUSE_SECONDS
# Two names of a million functions must not fill the memory.
_MOST_FUNCTIONS = 1_000


class _Case(NamedTuple):
    """Why the last task of a function could not be read, and when on the monotonic clock."""

    reason: str
    at: float


class Unreadable:
    """Gives tasks back, with one alarm a function.

    Args:
        settle: Brings a verdict to the store.
    """

    def __init__(self, core: Core, settle: Callable[[LiveTask, Verdict], None]) -> None:
        self._clock = core.clock
        self._settle = settle
        self._cases: dict[str, _Case] = {}
        self._told: set[str] = set()

    def give_back(self, task: LiveTask, reason: str) -> None:
        """Another instance may be able to read it; this one asks again in a while."""
        name = task.record.func_name
        if name in self._cases or len(self._cases) < _MOST_FUNCTIONS:
            self._cases[name] = _Case(reason, self._clock.monotonic())
        if name not in self._told and len(self._told) < _MOST_FUNCTIONS:
            self._told.add(name)
            logger.error(
                "Tasks of %r cannot be run here (first one: %s): %s. They wait for an instance "
                "that can, and are tried again every %g s",
                name,
                task.record.task_id,
                reason.rstrip("."),
                _PAUSE_SECONDS,
            )
        self._settle(task, Verdict(Move.GIVE_BACK, _PAUSE_SECONDS))

    def functions(self) -> dict[str, str]:
        """By function name, why tasks of it could not be read here lately."""
        now = self._clock.monotonic()
        self._cases = {
            name: case for name, case in self._cases.items() if now - case.at < _MEMORY_SECONDS
        }
        return {name: case.reason for name, case in self._cases.items()}
