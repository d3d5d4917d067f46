"""One run of one task's function, as the engine and the function itself see it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.run.telling import Untold
from fastapi_taskflow.rules.quickness import is_quick
from fastapi_taskflow.rules.redaction import WITHHELD, Mask
from fastapi_taskflow.rules.retry import (
    CancelAsked,
    Ended,
    Lost,
    Raised,
    Returned,
    Stopped,
    TimedOut,
    failure,
)
from fastapi_taskflow.words.models import TaskContext

if TYPE_CHECKING:
    from fastapi_taskflow.engine.run.attempts import Attempts

__all__ = ["Attempt"]

logger = logging.getLogger(__name__)


class Attempt:
    """One attempt in progress; it is what `get_task_context` and `task_log` see.

    ``stop_reason`` is set once, when the engine ends the attempt: ``cancel``, ``timeout``,
    ``drain`` or ``lost`` (this instance was declared dead). Threads can only look at it.
    """

    __slots__ = (
        "_attempts",
        "_context",
        "_mask",
        "abandoned",
        "begun",
        "helpers",
        "number",
        "runner",
        "stop_reason",
        "task",
        "timer",
    )

    def __init__(self, task: LiveTask, attempts: Attempts, begun: float) -> None:
        self.task = task
        self.number = task.failures
        self.begun = begun
        self.runner: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.stop_reason: str | None = None
        # On the event loop, for a function on a thread.
        self.helpers: set[asyncio.Future[Any]] | None = None
        # The attempt was ended while its thread still runs; what that returns is ignored.
        self.abandoned = False
        self._attempts = attempts
        self._context: TaskContext | None = None
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
        mask_of = self._attempts.redactor.mask_of
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
    def task_context(self) -> TaskContext:
        if self._context is None:
            task = self.task
            self._context = TaskContext(
                task.record.task_id,
                task.record.func_name,
                self.number,
                # The function's own: what it does to them must not reach the record.
                dict(task.record.tags),
                task.fence,
                self._asked,
            )
        return self._context

    def log(self, message: str, level: str, extra: dict[str, Any]) -> None:
        """Add a line to the task's log. Called from any thread."""
        self._attempts.log(self, message, level, extra)

    def stop(self, reason: str) -> None:
        """End the attempt; see `Attempts.stop`."""
        self._attempts.stop(self, reason)

    def accompanied_by(self, helper: asyncio.Future[Any]) -> None:
        """A thread waits for something on the event loop, which is cancelled with it."""
        if self.stop_reason is not None:
            helper.cancel()
            return
        if self.helpers is None:
            self.helpers = set()
        self.helpers.add(helper)
        helper.add_done_callback(self.helpers.discard)

    def returned(self, answer: object) -> Ended:
        """How the attempt ended when its function on the event loop returned."""
        # It was cancelled for its time, and has only caught that: it is as late as any other.
        return self.stopped() if self.stop_reason == "timeout" else Returned(answer)

    def raised(self, exc: BaseException) -> Ended | Untold:
        """How the attempt ended when its function raised."""
        if self.stop_reason not in (None, "cancel"):
            # The engine ended it; what its clean-up raised is not why.
            return self.stopped()
        try:
            mask = self.mask
            if is_quick(exc) and not mask.is_slow:
                return failure(exc, mask)
            return Untold(exc, mask)
        # The error is a foreign object, and the attempt must end whatever it does.
        except BaseException as beyond:
            text = "The error of task %s cannot be told"
            notify(logger, logging.ERROR, text, self.task.record.task_id, error=beyond)
            return Raised(exc, "", "An error that cannot be told", hidden=True)

    def stopped(self) -> Ended:
        """How the attempt ended when the engine stopped it."""
        match self.stop_reason:
            case "cancel":
                return CancelAsked()
            case "timeout":
                seconds = self.task.registered.config.timeout or 0.0
                return TimedOut(seconds, left_running=self.runner is None)
            case "lost":
                return Lost()
            case _:
                return Stopped()

    def _asked(self) -> str | None:
        if self.stop_reason is not None:
            # Ended by a drain, or lost: what a thread still does is for nobody.
            return self.stop_reason if self.stop_reason in ("cancel", "timeout") else "over"
        if self.task.cancel_asked:
            return "cancel"
        return "drain" if self._attempts.draining else None
