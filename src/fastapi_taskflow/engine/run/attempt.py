"""One attempt of a task: which one it is, and how the engine ends it."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.executors.base import Reason, Run
from fastapi_taskflow.rules.redaction import WITHHELD, Mask, Redactor
from fastapi_taskflow.words.said import Said

__all__ = ["Attempt"]

logger = logging.getLogger(__name__)


class _Keeper(Protocol):
    """Who is told of an attempt; from any thread, where nothing else is said."""

    redactor: Redactor

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        """It is to end. Called on the event loop."""

    def heard(self, attempt: Attempt, said: Said) -> None:
        """Its function told something."""


class Attempt:
    """One attempt in progress.

    ``stop_reason`` is set once, when the engine ends the attempt. ``told`` once the executor has
    told how the run ended. ``abandoned``: it was ended while its function still ran, and what
    that gives is ignored.
    """

    __slots__ = (
        "_keeper",
        "_mask",
        "abandoned",
        "begun",
        "number",
        "run",
        "stop_reason",
        "task",
        "timer",
        "told",
    )

    def __init__(self, task: LiveTask, keeper: _Keeper, begun: float) -> None:
        self.task = task
        self.number = task.failures
        self.begun = begun
        self.run: Run | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.stop_reason: Reason | None = None
        self.told = self.abandoned = False
        self._keeper = keeper
        self._mask: Mask | None = None
        if not task.is_small:
            # Now: the function may change its arguments, and with its end they are let go.
            self._find_secrets()

    @property
    def mask(self) -> Mask:
        """Hides the secrets among the arguments."""
        return self._find_secrets() if self._mask is None else self._mask

    def _find_secrets(self) -> Mask:
        task = self.task
        mask_of = self._keeper.redactor.mask_of
        try:
            mask = mask_of(task.registered.func, task.args, task.kwargs)
        # The arguments are foreign objects, and the attempt must end whatever they do.
        except BaseException as exc:
            text = (
                "The arguments of task %s could not be searched for secrets; its texts are hidden"
            )
            notify(logger, logging.ERROR, text, task.record.task_id, error=exc)
            mask = WITHHELD
        self._mask = mask
        return mask

    @property
    def over(self) -> bool:
        """Its end is known."""
        return self.told or self.abandoned

    def stop(self, reason: Reason) -> None:
        """End the attempt; see `Attempts.stop`."""
        self._keeper.stop(self, reason)

    def heard(self, said: Said) -> None:
        """Its function told something. Called from any thread."""
        self._keeper.heard(self, said)
