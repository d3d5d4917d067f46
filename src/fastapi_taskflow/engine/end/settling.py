"""What becomes of a task when its attempt ends: decide, store, tell.

Durable tasks end when the store says so: their outcome goes to an outbox that is sent
until the store answers. The others end here and are mirrored.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from math import isfinite

from fastapi_taskflow.backends.base import Lease, Outcome, Settled
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.groupcommit import GroupCommit
from fastapi_taskflow.engine.core.live import LiveTask, Running
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.end.reporting import report
from fastapi_taskflow.rules.ends import Ended, Raised, Returned, TimedOut
from fastapi_taskflow.rules.failures import TIMED_OUT, group_of, site_of
from fastapi_taskflow.rules.retry import Facts, Verdict, decide
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, TERMINAL, Move, Rule

__all__ = ["Settling"]

logger = logging.getLogger(__name__)

_SUCCEED = Verdict(Move.SUCCEED, 0.0, None, None)
_FAILURES = frozenset({Move.FAIL, Move.RETRY})
# Between two tries to store outcomes; doubles up to the second.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


class Settling:
    """Ends attempts, and claims that never became one.

    Args:
        over: Told of a task that is terminal now.
        again: Told of a task that is PENDING again, and in how many seconds it is due.
        lost: Told of a task whose lease is not ours any more.
        delayed: Told of a task whose end takes the store long.
    """

    def __init__(
        self,
        core: Core,
        changes: Changes,
        *,
        over: Callable[[LiveTask], None],
        again: Callable[[LiveTask, float], None],
        lost: Callable[[LiveTask], None],
        delayed: Callable[[LiveTask], None],
    ) -> None:
        self._core = core
        self._changes = changes
        self._over = over
        self._again = again
        self._lost = lost
        self._delayed = delayed
        self._random = random.Random()  # noqa: S311  (jitter, not a secret)
        self._finishes: GroupCommit[Outcome, Settled | None] = GroupCommit(
            "finish", self._finish, core.supervisor
        )
        # Outcomes that the store has not answered yet.
        self.unsettled = 0
        # Leases whose end the store did not take for a value in it, and why.
        self._stuck: dict[Lease, str] = {}
        # Outcomes that came after their lease was lost.
        self.late = 0
        self._pause = _FIRST_PAUSE_SECONDS

    def has_room(self) -> bool:
        """False: so many outcomes wait for the store that nothing new may start."""
        return self.unsettled < self._core.settings.outbox_limit

    def ended(self, attempt: Running, how: Ended, elapsed: float) -> None:
        """An attempt is over."""
        try:
            self.end(attempt.task, how, elapsed)
        except BaseException as exc:  # whatever it ended with, it has ended
            self.fail(attempt.task, exc)

    def fail(self, task: LiveTask, exc: BaseException) -> None:
        """Something broke that should not: the task must not run for ever."""
        text = "Task %s ended for a defect"
        notify(logger, logging.ERROR, text, task.record.task_id, error=exc)
        if task.held and task.record.status is TaskStatus.RUNNING:
            error = f"Ended for a defect of the library: {error_text(exc)}"
            self.settle(task, Verdict(Move.FAIL, 0.0, error))

    def end(
        self,
        task: LiveTask,
        ended: Ended,
        elapsed: float | None = None,
        *,
        started: bool | None = None,
        persist: bool | None = None,
    ) -> None:
        """An attempt ended (or never began: `Unstarted`).

        ``started`` and ``persist`` are given for a dead instance's task.
        """
        if type(ended) is Returned:
            verdict = _SUCCEED
            if ended.value is not None:
                task.result = ended.value
        else:
            facts = Facts(
                failures=task.failures,
                interruptions=task.interruptions,
                persist=task.durable if persist is None else persist,
                requeue=task.requeue,
                cancel_asked=task.cancel_asked,
                started=task.attempt is not None if started is None else started,
            )
            verdict = self._decided(task, facts, ended)
            if verdict.move in _FAILURES:
                verdict = verdict._replace(failure=_failure(task, ended))
            report(task, ended, verdict)
        self.settle(task, verdict, elapsed)

    def _decided(self, task: LiveTask, facts: Facts, ended: Ended) -> Verdict:
        try:
            verdict = decide(task.registered.config, facts, ended, random=self._random)
            # A wait without end or measure is none.
            return verdict if isfinite(verdict.delay) else verdict._replace(delay=0.0)
        # The classes of errors are the user's, and may do anything when they are looked at.
        except BaseException as exc:
            notify(logger, logging.ERROR, "What follows from an error was not found", error=exc)
            trace = ended.stacktrace if isinstance(ended, Raised) else None
            return Verdict(Move.FAIL, error=error_text(exc), stacktrace=trace)

    def settle(self, task: LiveTask, verdict: Verdict, elapsed: float | None = None) -> None:
        """Bring a verdict to the store, or for a task that is not durable to its record."""
        if not task.durable:
            rule = MOVES[verdict.move]
            cancelled = task.cancel_asked and rule.yields_to_cancel
            status = TaskStatus.CANCELLED if cancelled else rule.target
            self._apply(task, verdict, rule, elapsed, status)
            return
        outcome = Outcome(
            task.lease,
            verdict.move,
            verdict.delay,
            verdict.error,
            verdict.stacktrace,
            elapsed,
            *task.take_logs(),
            *task.take_news(last=True),
            task.result,
            verdict.failure,
        )
        task.result = None
        # Not at the store's answer, which may take as long as an outage lasts.
        task.release()
        self.unsettled += 1
        self._send(task, outcome)

    async def _finish(self, outcomes: list[Outcome]) -> Sequence[Settled | None]:
        return await self._core.backend.finish(outcomes)

    def _send(self, task: LiveTask, outcome: Outcome) -> None:
        self._finishes.submit(outcome, partial(self._answered, task, outcome))

    def _answered(
        self, task: LiveTask, outcome: Outcome, settled: Settled | None, error: Exception | None
    ) -> None:
        if error is not None:
            self._unanswered(task, outcome, error)
            return
        self.unsettled -= 1
        self._stuck.pop(outcome.lease, None)
        self._pause = _FIRST_PAUSE_SECONDS
        if settled is None or settled.late:
            self.late += 1
            notify(
                logger,
                logging.WARNING,
                "The end of task %s (%s) came after its lease was lost; kept as a late outcome",
                task.record.task_id,
                task.record.func_name,
            )
        if task.fence != outcome.lease.fence:
            # The answer was lost once, and the task has been claimed anew since: what is
            # true of the older claim must not end the newer one.
            self._core.progress.set()
        elif settled is None or settled.late:
            self._lost(task)
        else:
            if settled.status is TaskStatus.SUCCESS and outcome.move is not Move.SUCCEED:
                # It was ended in a transaction of its function's, which has failed since.
                outcome = Outcome(outcome.lease, Move.SUCCEED, elapsed=outcome.elapsed)
            rule = MOVES[outcome.move]
            self._apply(task, outcome, rule, outcome.elapsed, settled.status)

    def _unanswered(self, task: LiveTask, outcome: Outcome, error: Exception) -> None:
        """Nothing acknowledged is lost: the outcome stays ours until the store has it."""
        self._delayed(task)
        pause = self._pause
        if isinstance(error, StoreUnavailable):
            if pause == _FIRST_PAUSE_SECONDS:
                text = "Outcomes cannot be stored, trying on: %s"
                notify(logger, logging.WARNING, text, error)
            self._pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        elif outcome.lease not in self._stuck:
            self._stuck[outcome.lease] = reason = error_text(error)
            text = "The end of task %s cannot be stored whole: %s"
            notify(logger, logging.ERROR, text, task.record.task_id, reason, error=error)
            outcome, pause = _rest(outcome, reason), 0.0
        else:
            pause = _LONGEST_PAUSE_SECONDS
        self._core.supervisor.after(pause, self._send, task, outcome)

    @property
    def stuck(self) -> dict[str, str]:
        """Tasks whose end no store takes, and why not."""
        return {lease.task_id: reason for lease, reason in self._stuck.items()}

    def _apply(
        self,
        task: LiveTask,
        how: Verdict | Outcome,
        rule: Rule,
        elapsed: float | None,
        status: TaskStatus,
    ) -> None:
        record = task.record
        task.failures += rule.failures
        task.interruptions += rule.interruptions
        now = self._core.clock.now()
        over = status in TERMINAL
        if over:
            record.end_time = now
            record.elapsed = elapsed
            record.due_at = None
        else:
            record.due_at = now + timedelta(seconds=how.delay)
        if over or rule.source is TaskStatus.RUNNING:
            record.error = how.error
            record.stacktrace = how.stacktrace
            task.failure = how.failure
            record.failure = None if how.failure is None else how.failure.group
        # Before what follows: a retry without delay may start at once.
        self._changes.become(task, status, elapsed, heard=how.move is not Move.GIVE_BACK)
        if over:
            self._over(task)
        else:
            self._again(task, how.delay)


def _failure(task: LiveTask, ended: Ended) -> Failure | None:
    site = TIMED_OUT if isinstance(ended, TimedOut) else None
    if isinstance(ended, Raised):
        site = ended.site or site_of(ended.error)
    return None if site is None else group_of(task.record.func_name, site)


def _rest(outcome: Outcome, reason: str) -> Outcome:
    """The outcome without all that the function has a say in."""
    delay = outcome.delay if type(outcome.delay) is float and isfinite(outcome.delay) else 0.0
    failed = outcome.move is not Move.SUCCEED
    error = f"How it ended could not be stored whole: {reason}" if failed else None
    return Outcome(outcome.lease, outcome.move, delay, error)
