"""RUNNING, and then called: the last step before a task's function runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.end.settling import Settling
from fastapi_taskflow.engine.run.attempts import Attempts
from fastapi_taskflow.rules.context import retry_separator
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.rules.tracebacks import format_exception
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["Calls"]

logger = logging.getLogger(__name__)


class Calls:
    """Calls functions of tasks that have their slots.

    Args:
        released: Told of a task that leaves its slots without an attempt.
        lane_started: Told of a task for which a response's chain waits.
    """

    def __init__(
        self,
        core: Core,
        changes: Changes,
        settling: Settling,
        attempts: Attempts,
        *,
        released: Callable[[LiveTask], None],
        lane_started: Callable[[LiveTask], None],
    ) -> None:
        self._core = core
        self._changes = changes
        self._settling = settling
        self._attempts = attempts
        self._released = released
        self._lane_started = lane_started

    def begin(self, task: LiveTask, started_at: datetime | None, *, at_once: bool = False) -> None:
        """Call the function of a task that is RUNNING; ``at_once`` as for `Attempts.run`.

        Args:
            started_at: When the store had its start; None: it is not asked.
        """
        try:
            self._begin(task, started_at, at_once=at_once)
        except BaseException as exc:  # its neighbours need the slot, and its caller an answer
            if task.attempt is None:
                self._released(task)
            self._settling.fail(task, exc)

    def _begin(self, task: LiveTask, started_at: datetime | None, *, at_once: bool) -> None:
        core, record = self._core, task.record
        core.queues.uncount(task)
        record.start_time = started_at or core.clock.now()
        record.end_time = None
        record.retries_used = task.failures
        record.instance = core.instance_id
        record.due_at = None
        if task.failures:
            task.separate(retry_separator(task.failures), core.settings.max_log_lines)
        if task.lane:
            self._lane_started(task)
        self._changes.become(task, TaskStatus.RUNNING)
        if task.unreadable is not None:
            self._fail_unreadable(task, task.unreadable)
            return
        self._attempts.run(task, at_once=at_once)

    def _fail_unreadable(self, task: LiveTask, exc: Exception) -> None:
        notify(logger, logging.ERROR, "Task %s cannot run: %s", task.record.task_id, exc)
        self._released(task)
        self._settling.settle(task, Verdict(Move.FAIL, 0.0, str(exc), format_exception(exc)))
