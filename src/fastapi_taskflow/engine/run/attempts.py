"""Attempts on their executors: begin, stop, and tell what came of each."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.engine.run.hearing import Hearing
from fastapi_taskflow.engine.run.places import Places
from fastapi_taskflow.engine.run.returning import returned
from fastapi_taskflow.engine.run.telling import Telling, Untold, written
from fastapi_taskflow.executors.base import Call, Reason, Told
from fastapi_taskflow.rules.answers import discard
from fastapi_taskflow.rules.ends import (
    Ended,
    Raised,
    Returned,
    Stopped,
    concluded,
    stopped,
)
from fastapi_taskflow.words.forks import guard
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Attempts"]

logger = logging.getLogger(__name__)


class Attempts:
    """Runs attempts on executors.

    Args:
        places: The executors, by name.
        ended: Told on the loop, once per attempt, how it ended and how long it took.
        released: Told on the loop when the attempt's slots are free again.
    """

    def __init__(
        self,
        core: Core,
        mirror: Mirror,
        places: Places,
        *,
        ended: Callable[[Attempt, Ended, float], None],
        released: Callable[[LiveTask], None],
    ) -> None:
        self._core = core
        self._clock = core.clock
        self.heard = Hearing(core, mirror).heard
        self.redactor = core.settings.redactor
        self._places = places
        self._ended = ended
        self._released = released
        self._loop = core.loop
        self._thread_id = core.thread_id
        guard(self._loop)
        # Attempts whose function is being run, wherever that is.
        self.running: set[Attempt] = set()
        # Told on other threads.
        self._arrived: deque[tuple[Attempt, Told | Untold]] = deque()
        # The loop was told of what has arrived, and has not looked yet.
        self._collecting = False
        self._telling = Telling(self._loop)

    def run(self, task: LiveTask, *, at_once: bool = False) -> None:
        """Call the task's function. Its slots are taken; it is RUNNING.

        Args:
            at_once: Somebody waits for it: a function on the event loop has run up to where
                it first waits when this returns, perhaps to its end.
        """
        attempt = task.attempt = Attempt(task, self, self._clock.monotonic())
        self.running.add(attempt)
        try:
            self._launch(attempt, at_once=at_once)
        # No thread can be had, the app's own task factory refuses, a class of the user's raises.
        except BaseException as exc:
            if not attempt.told:
                self._take(attempt, Raised(exc))

    def _launch(self, attempt: Attempt, *, at_once: bool) -> None:
        task = attempt.task
        registered, record = task.registered, task.record
        timeout = registered.config.timeout
        if timeout is not None:
            attempt.timer = self._loop.call_later(timeout, self.stop, attempt, "timeout")
        call = Call(
            record.func_name,
            registered.func,
            task.args,
            task.kwargs,
            contextvars.copy_context() if task.context is None else task.context.copy(),
            record.task_id,
            attempt.number,
            record.tags,
            task.fence,
            timeout,
            at_once,
            registered.config.memory_limit,
            record.batch_id,
        )
        run = self._places[registered.executor].run(
            call, partial(self._take, attempt), attempt.heard
        )
        if not attempt.told:
            attempt.run = run

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        """End an attempt, or ask its function to end where it cannot be ended.

        The first reason wins. What cannot be ended is given up on, unless it is only asked:
        the attempt is over now, its function keeps its slot until it returns.
        """
        if attempt.stop_reason is not None or attempt.told:
            return
        attempt.stop_reason = reason
        if not self._ends(attempt, reason) and reason != "cancel":
            self._abandon(attempt, left_running=True)

    def _ends(self, attempt: Attempt, reason: Reason) -> bool:
        try:
            ends: object = attempt.run is not None and attempt.run.stop(reason)
        # The executor may be the user's own. A CancelledError: it awaits what it cancelled.
        except (Exception, asyncio.CancelledError) as exc:
            text = "The executor of task %s failed to stop it"
            notify(logger, logging.ERROR, text, attempt.task.record.task_id, error=exc)
            return False
        if isinstance(ends, bool):
            return ends
        text = "The executor of task %s has a stop() that gives %s in place of True or False"
        notify(logger, logging.ERROR, text, attempt.task.record.task_id, quoted(ends))
        discard(ends)
        return False

    def give_up(self, attempt: Attempt) -> None:
        """End an attempt that does not react to its stop."""
        if attempt in self.running and not attempt.abandoned:
            self._abandon(attempt, left_running=False)

    def _abandon(self, attempt: Attempt, *, left_running: bool) -> None:
        attempt.abandoned = True
        timeout = attempt.task.registered.config.timeout
        reason = attempt.stop_reason or "drain"
        self._finish(attempt, stopped(reason, timeout, left_running=left_running))

    def _take(self, attempt: Attempt, told: Told) -> None:
        """An executor tells of an end. Called from any thread."""
        # An error is written where it is told, which leaves the loop to others.
        how: Told | Untold = told
        if type(told) is not Returned:
            how = written(attempt, told)
        elif told.value is not None or told.lost is not None:
            how = returned(self._core, attempt, told)
        if threading.get_ident() == self._thread_id:
            self._conclude(attempt, how)
            return
        self._arrived.append((attempt, how))
        if self._collecting:
            return
        self._collecting = True
        try:
            self._loop.call_soon_threadsafe(self._collect)
        except RuntimeError:  # the loop is closed: the process ends, recovery tells the rest
            text = "Task %s ended after its event loop"
            notify(logger, logging.WARNING, text, attempt.task.record.task_id)

    def _collect(self) -> None:
        # First: what arrives from now on tells the loop again.
        self._collecting = False
        while self._arrived:
            self._conclude(*self._arrived.popleft())

    def _conclude(self, attempt: Attempt, told: Told | Untold) -> None:
        if attempt.told:
            return  # an executor that tells twice
        attempt.told = True
        attempt.run = None
        if isinstance(told, Untold):
            if attempt.timer is not None:
                attempt.timer.cancel()
            self._telling.tell(told, partial(self._over, attempt))
        else:
            self._over(attempt, told)

    def _over(self, attempt: Attempt, told: Told) -> None:
        """The function is not running any more."""
        self.running.discard(attempt)
        self._released(attempt.task)
        if attempt.abandoned:
            return
        if attempt.stop_reason is not None:
            timeout = attempt.task.registered.config.timeout
            self._finish(attempt, concluded(told, attempt.stop_reason, timeout))
        elif type(told) is Raised and self._is_torn_down(told.error):
            self._finish(attempt, Stopped())
        else:
            self._finish(attempt, told)

    def _is_torn_down(self, error: BaseException) -> bool:
        """Not the function cancels itself: it is cancelled with all that the loop has."""
        # Not `isinstance`, which asks the error itself for its class.
        cancelled = issubclass(type(error), asyncio.CancelledError)
        return cancelled and self._core.supervisor.is_torn_down()

    def _finish(self, attempt: Attempt, ended: Ended) -> None:
        if attempt.timer is not None:
            attempt.timer.cancel()
        self._ended(attempt, ended, self._clock.monotonic() - attempt.begun)
