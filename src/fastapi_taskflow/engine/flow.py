"""The life of a task on this instance, from acceptance to its end.

The services of the engine know nothing of each other. What one of them reports comes
here, and here stands what follows from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.rules.context import retry_separator
from fastapi_taskflow.rules.retry import Ended, Verdict
from fastapi_taskflow.rules.tracebacks import error_text, format_exception
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Flow"]

logger = logging.getLogger(__name__)


class Flow:
    """What happens to a task next.

    Args:
        engine: Gives the services; they are made after this object.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        # Told while draining that an attempt ended or was settled.
        self.on_progress: Callable[[], None] = lambda: None

    # Accepted

    def owners(self, tasks: Sequence[LiveTask]) -> list[str | None]:
        """For each of them this instance's id, if it should be born claimed by it."""
        # Where slots are few, they are for those that come first.
        in_order = tasks if len(tasks) == 1 else sorted(tasks, key=LiveTask.order)
        owners = {task.record.task_id: self._owner(task) for task in in_order}
        for task in tasks:
            self._engine.queues.unreserve(task)
        return [owners[task.record.task_id] for task in tasks]

    def _owner(self, task: LiveTask) -> str | None:
        engine = self._engine
        if not task.durable:
            return engine.instance_id
        if not engine.executes or engine.draining or task.delay > 0 or task.record.due_at:
            return None
        if not task.launch_on_commit or engine.dispatcher.may_hold(task):
            return engine.instance_id
        return None

    def committed(self, task: LiveTask, fence: int, duplicate_of: str | None) -> None:
        """The store has the task."""
        engine = self._engine
        task.stored = True
        if duplicate_of is not None:
            task.record.duplicate_of = duplicate_of
            self.dropped(task)
            return
        if task.held or task.record.status is not TaskStatus.PENDING:
            # The answer came late, and the task has been claimed from the store since.
            return
        if engine.feed.active:
            engine.feed.lifecycle(task)
        if fence:
            task.held, task.fence = True, fence
            if task.launch_on_commit:
                self.run_when_due(task)
        else:
            engine.queues.uncount(task)
            engine.store.settle(task)
            engine.dispatcher.hint_after(task.record.queue, self._until_due(task))

    def launch(self, task: LiveTask) -> None:
        """Accept a task that needs no commit; it runs as soon as it can."""
        self.accept(task)
        self.run_when_due(task)

    def accept(self, task: LiveTask) -> None:
        """Hold a task that needs no commit."""
        engine = self._engine
        task.held = True
        if engine.feed.active:
            engine.feed.lifecycle(task)
        engine.mirror.touch(task)

    def dropped(self, task: LiveTask, rejected: str | None = None) -> None:
        """The task was not accepted; ``rejected`` is the one that the store kept as such."""
        engine = self._engine
        engine.queues.uncount(task)
        engine.store.drop(task)
        if rejected is not None and rejected == task.record.task_id:
            task.record.status = TaskStatus.REJECTED
            task.record.end_time = task.record.created_at
            task.stored = True
            self.rejected(task)

    def rejected(self, task: LiveTask) -> None:
        """Keep the record of a task for which there was no room."""
        engine = self._engine
        engine.intake.keep(task)
        engine.queues.get(task.record.queue).rejected += 1
        engine.store.add(task)
        engine.store.settle(task)
        if not task.stored:
            engine.mirror.touch(task)
        if engine.feed.active:
            engine.feed.lifecycle(task)

    # Waiting

    def run_when_due(self, task: LiveTask) -> None:
        """Submit a held task at its due time."""
        delay = self._until_due(task)
        if delay:
            task.ready_at = self._engine.clock.monotonic() + delay
        if delay > 0:
            task.timer = self._loop.call_later(delay, self._due, task)
        else:
            self._engine.dispatcher.submit(task)

    def _until_due(self, task: LiveTask) -> float:
        due = task.record.due_at
        return task.delay if due is None else (due - self._engine.clock.now()).total_seconds()

    def _due(self, task: LiveTask) -> None:
        task.timer = None
        if task.held and task.record.status is TaskStatus.PENDING:
            self._engine.dispatcher.submit(task)

    # Running

    def start(self, task: LiveTask, started_at: datetime | None, *, at_once: bool = False) -> None:
        """The task is RUNNING and has its slots: call its function; see `Attempts.run`."""
        try:
            self._start(task, started_at, at_once=at_once)
        except BaseException as exc:  # its neighbours need the slot, and its caller an answer
            if task.attempt is None:
                self._engine.dispatcher.released(task)
            self._fail(task, exc)

    def _start(self, task: LiveTask, started_at: datetime | None, *, at_once: bool) -> None:
        engine, record = self._engine, task.record
        engine.queues.uncount(task)
        record.status = TaskStatus.RUNNING
        record.start_time = started_at or engine.clock.now()
        record.end_time = None
        record.retries_used = task.failures
        record.instance = engine.instance_id
        record.due_at = None
        if task.failures:
            task.separate(retry_separator(task.failures), engine.settings.max_log_lines)
        if task.lane:
            engine.lanes.started(record.task_id)
        if engine.feed.active:
            engine.feed.lifecycle(task)
        if task.unreadable is not None:
            self._fail_unreadable(task, task.unreadable)
            return
        if not task.durable:
            engine.mirror.touch(task)
        engine.attempts.run(task, at_once=at_once)

    def _fail_unreadable(self, task: LiveTask, exc: Exception) -> None:
        notify(logger, logging.ERROR, "Task %s cannot run: %s", task.record.task_id, exc)
        self._engine.dispatcher.released(task)
        self._engine.settling.settle(task, Verdict(Move.FAIL, 0.0, str(exc), format_exception(exc)))

    def unwanted(self, task: LiveTask) -> None:
        """RUNNING in the store, but drained or cancelled before its function was called."""
        move = Move.CANCEL if task.cancel_asked else Move.UNSTART
        error = "Cancelled on request" if task.cancel_asked else None
        self._engine.settling.settle(task, Verdict(move, 0.0, error))

    # Ended

    def ended(self, attempt: Attempt, how: Ended, elapsed: float) -> None:
        """An attempt is over."""
        task = attempt.task
        try:
            self._engine.settling.end(task, how, elapsed)
        except BaseException as exc:  # whatever it ended with, it has ended
            self._fail(task, exc)

    def _fail(self, task: LiveTask, exc: BaseException) -> None:
        """Something broke that should not: the task must not run for ever."""
        text = "Task %s ended for a defect"
        notify(logger, logging.ERROR, text, task.record.task_id, error=exc)
        if task.held and task.record.status is TaskStatus.RUNNING:
            error = f"Ended for a defect of the library: {error_text(exc)}"
            self._engine.settling.settle(task, Verdict(Move.FAIL, 0.0, error))

    def released(self, task: LiveTask) -> None:
        """An attempt's slots are free."""
        self._engine.dispatcher.released(task)
        if self._engine.draining:
            self.on_progress()

    def again(self, task: LiveTask, delay: float) -> None:
        """PENDING again: a retry, a snooze, or given back."""
        engine, record = self._engine, task.record
        task.attempt = None
        task.ready_at = engine.clock.monotonic() + delay
        if task.lane:
            if delay > 0:
                engine.lanes.leave(record.task_id)
            else:
                engine.lanes.parked(record.task_id)
        if task.durable:
            task.held = False
            engine.store.settle(task)
            engine.dispatcher.hint_after(record.queue, delay)
        elif delay > 0:
            task.timer = self._loop.call_later(delay, self._due, task)
        else:
            engine.dispatcher.submit(task)
        if engine.draining:
            self.on_progress()

    def over(self, task: LiveTask) -> None:
        """Terminal."""
        engine = self._engine
        task.attempt = None
        task.held = False
        task.context = None
        if not task.durable:
            engine.intake.keep(task)
        engine.queues.uncount(task)
        engine.queues.get(task.record.queue).finished += 1
        engine.store.settle(task)
        if task.lane:
            engine.lanes.leave(task.record.task_id)
        if engine.draining:
            self.on_progress()

    def lost(self, task: LiveTask) -> None:
        """The lease is not ours any more; the store knows how the task goes on."""
        engine = self._engine
        task.held = False
        engine.queues.uncount(task)
        engine.store.settle(task)
        if task.lane:
            engine.lanes.leave(task.record.task_id)
        engine.fleet.refresh(task)
        if engine.draining:
            self.on_progress()
