"""Running attempts: start, run, stop, and tell what came of each."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.run.answers import Unfinished, discard, is_unfinished
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.engine.run.firststep import FirstStep
from fastapi_taskflow.engine.run.telling import Telling, Untold
from fastapi_taskflow.executors.base import ThreadRunner
from fastapi_taskflow.rules.context import LINE_LIMIT_BYTES, activate, log_line
from fastapi_taskflow.rules.redaction import MASK, Mask, Redactor
from fastapi_taskflow.rules.retry import (
    Ended,
    Returned,
    Stopped,
)
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.forks import end_if_forked, generation, guard
from fastapi_taskflow.words.texts import fit

__all__ = ["Attempts"]

logger = logging.getLogger(__name__)


class Logged(Protocol):
    """Who is told of a line; ``first`` since the log was last handed to the store."""

    def __call__(
        self, attempt: Attempt, message: str, level: str, extra: dict[str, Any], *, first: bool
    ) -> None: ...


class Attempts:
    """Runs attempts on the event loop and on threads.

    Args:
        ended: Told on the loop, once per attempt, how it ended and how long it took.
        released: Told on the loop when the attempt's slots are free again.
        on_log: Told of each line from any thread.
        torn_down: Somebody cancels all that the event loop has.
    """

    def __init__(  # noqa: PLR0913  (what it works with, and whom it tells)
        self,
        clock: Clock,
        threads: ThreadRunner,
        *,
        ended: Callable[[Attempt, Ended, float], None],
        released: Callable[[LiveTask], None],
        on_log: Logged,
        max_log_lines: int,
        redactor: Redactor,
        torn_down: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._torn_down = torn_down
        self.redactor = redactor
        self._threads = threads
        self._ended = ended
        self._released = released
        self._on_log = on_log
        self._max_log_lines = max_log_lines
        self._loop = asyncio.get_running_loop()
        guard(self._loop)
        # Attempts whose function is being run, on the loop or on a thread.
        self.running: set[Attempt] = set()
        self._returned: deque[tuple[Attempt, Ended | Unfinished | Untold, contextvars.Context]] = (
            deque()
        )
        # The loop was told of what has returned, and has not looked yet.
        self._collecting = False
        self._telling = Telling(self._loop)
        self.draining = False

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
            if attempt in self.running:
                self._settle(attempt, attempt.raised(exc))

    def _launch(self, attempt: Attempt, *, at_once: bool) -> None:
        task = attempt.task
        registered = task.registered
        context = contextvars.copy_context() if task.context is None else task.context.copy()
        timeout = registered.config.timeout
        if timeout is not None:
            attempt.timer = self._loop.call_later(timeout, self.stop, attempt, "timeout")
        if registered.executor != "async":
            self._threads.submit(lambda: self._work(attempt, context))
        elif at_once and self._loop.get_task_factory() is None:
            # A factory of the app's own may wrap the coroutine, or run it itself.
            step = FirstStep(self._drive(attempt))
            runner = attempt.runner = self._loop.create_task(step, context=context)
            step.take(runner, context)
        else:
            attempt.runner = self._loop.create_task(self._drive(attempt), context=context)

    def stop(self, attempt: Attempt, reason: str) -> None:
        """End an attempt: cancel it on the loop; a thread is asked, or given up on.

        The first reason wins. A thread is given up on for a timeout, a drain or a lost
        lease: the attempt ends now, the thread keeps its slot until it returns.
        """
        if attempt.stop_reason is not None or attempt not in self.running:
            return
        attempt.stop_reason = reason
        for helper in tuple(attempt.helpers or ()):
            helper.cancel()
        if attempt.runner is not None:
            attempt.runner.cancel()
        elif reason != "cancel":
            attempt.abandoned = True
            self._finish(attempt, attempt.stopped())

    def give_up(self, attempt: Attempt) -> None:
        """End an attempt that does not react to its cancellation."""
        if attempt in self.running and not attempt.abandoned:
            attempt.abandoned = True
            self._finish(attempt, attempt.stopped())

    def log(self, attempt: Attempt, message: str, level: str, extra: dict[str, Any]) -> None:
        """Keep a log line, up to the limit, and pass it on. Called from any thread."""
        task = attempt.task
        message = fit(message, LINE_LIMIT_BYTES, attempt.mask)
        if extra:
            extra = self._details(extra, attempt.mask)
        first = task.write_line(log_line(self._clock.now(), message), self._max_log_lines)
        self._on_log(attempt, message, level, extra, first=first)

    def _details(self, extra: dict[str, Any], mask: Mask) -> dict[str, Any]:
        try:
            return self.redactor.details(extra, mask)
        # They are foreign objects: a line with them is worth more than none.
        except BaseException:
            return dict.fromkeys(extra, MASK)

    async def _drive(self, attempt: Attempt, begun: Awaitable[Any] | None = None) -> None:
        """Run a function on the loop, or what it has ``begun`` on a thread."""
        activate(attempt)
        task = attempt.task
        ended: Ended | Untold
        born = generation()
        try:
            if begun is None:
                begun = task.registered.func(*task.args, **task.kwargs)
            answer = await begun
            while answer is not None and is_unfinished(answer):
                answer = await answer
            end_if_forked(born)
            ended = attempt.returned(answer)
        except asyncio.CancelledError as exc:
            if attempt.stop_reason is not None:
                ended = attempt.stopped()
            elif attempt.runner is not None and attempt.runner.cancelling() and self._torn_down():
                # Not the function cancels itself: record it, and let the cancellation pass.
                self._collect_one(attempt, Stopped())
                raise
            else:
                ended = attempt.raised(exc)
        except BaseException as exc:  # whatever a task raises is its failure, not the server's
            end_if_forked(born, exc)
            ended = attempt.raised(exc)
        self._settle(attempt, ended)
        # An error's trace holds this frame, and would be held by it: a cycle with all that
        # the function had in its hands.
        del ended

    def _work(self, attempt: Attempt, context: contextvars.Context) -> None:
        # No variable holds how it ended: see `_drive`.
        self._returned.append((attempt, context.run(self._call, attempt), context))
        if self._collecting:
            return
        self._collecting = True
        try:
            self._loop.call_soon_threadsafe(self._collect)
        except RuntimeError:  # the loop is closed: the process ends, recovery tells the rest
            text = "Task %s ended after its event loop"
            notify(logger, logging.WARNING, text, attempt.task.record.task_id)

    def _call(self, attempt: Attempt) -> Ended | Unfinished | Untold:
        activate(attempt)
        task = attempt.task
        born = generation()
        try:
            answer = task.registered.func(*task.args, **task.kwargs)
            end_if_forked(born)
            if answer is not None and is_unfinished(answer):
                return Unfinished(answer)
            return Returned(answer)
        except BaseException as exc:  # as in _drive
            end_if_forked(born, exc)
            return attempt.raised(exc)

    def _collect(self) -> None:
        # First: what returns from now on tells the loop again.
        self._collecting = False
        while self._returned:
            attempt, ended, context = self._returned.popleft()
            if not isinstance(ended, Unfinished):
                self._settle(attempt, ended)
            elif attempt.stop_reason is not None:
                discard(ended.answer)
                self._collect_one(attempt, attempt.stopped())
            else:
                self._go_on(attempt, ended.answer, context)

    def _go_on(
        self, attempt: Attempt, answer: Awaitable[Any], context: contextvars.Context
    ) -> None:
        try:
            rest = self._drive(attempt, answer)
            attempt.runner = self._loop.create_task(rest, context=context)
        # The app's own task factory refuses.
        except BaseException as exc:
            self._settle(attempt, attempt.raised(exc))

    def _settle(self, attempt: Attempt, ended: Ended | Untold) -> None:
        if isinstance(ended, Untold):
            if attempt.timer is not None:
                attempt.timer.cancel()
            self._telling.tell(ended, partial(self._collect_one, attempt))
        else:
            self._collect_one(attempt, ended)

    def _collect_one(self, attempt: Attempt, ended: Ended) -> None:
        """The function is not running any more."""
        self.running.discard(attempt)
        self._released(attempt.task)
        if not attempt.abandoned:
            self._finish(attempt, ended)
        # The runner's context holds the attempt: without this each task is a cycle of
        # objects that only the garbage collector can free.
        attempt.runner = None

    def _finish(self, attempt: Attempt, ended: Ended) -> None:
        if attempt.timer is not None:
            attempt.timer.cancel()
        self._ended(attempt, ended, self._clock.monotonic() - attempt.begun)
