"""Runs of a schedule that wait for the one before: looked at again as soon as that has ended."""

from __future__ import annotations

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.supervisor import Wakeup

__all__ = ["Succession"]


class Succession:
    """Wakes the scheduler at the end of runs here.

    Args:
        wake: To be set.
        seconds: After which the scheduler looks anyway: the run may be another instance's.
    """

    def __init__(self, core: Core, wake: Wakeup, seconds: float) -> None:
        self._core = core
        self._wake = wake
        self._seconds = seconds
        self._awaited = set[str]()

    def after(self, task_id: str) -> None:
        """Look again when this task has ended."""
        if task_id not in self._awaited:
            self._awaited.add(task_id)
            self._core.supervisor.spawn(self._watch(task_id), "succession")

    async def _watch(self, task_id: str) -> None:
        with self._core.ends.awaited(task_id) as told:
            try:
                await told.wait(self._seconds)
            finally:
                self._awaited.discard(task_id)
        self._wake.set()
