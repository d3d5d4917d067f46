"""What becomes of a task when its attempt ends: decide, store, tell.

Durable tasks end when the store says so: their outcome goes to an outbox that is sent
until the store answers. The others end here and are mirrored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from fastapi_taskflow.backends.base import Outcome, Settled
from fastapi_taskflow.engine.batching import Batcher
from fastapi_taskflow.engine.live import LiveTask
from fastapi_taskflow.engine.reporting import report
from fastapi_taskflow.engine.supervisor import Supervisor
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.retry import (
    Ended,
    Facts,
    Returned,
    Verdict,
    decide,
)
from fastapi_taskflow.states import MOVES, TERMINAL, Move

if TYPE_CHECKING:
    from fastapi_taskflow.engine.engine import Engine

__all__ = ["Settling"]

logger = logging.getLogger(__name__)

_SUCCEED = Verdict(Move.SUCCEED, 0.0, None, None)
# Between two tries to store outcomes; doubles up to the second.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


class Settling:
    """Ends attempts, and claims that never became one."""

    def __init__(self, engine: Engine, supervisor: Supervisor) -> None:
        self._engine = engine
        self._random = random.Random()  # noqa: S311  (jitter, not a secret)
        self._finishes: Batcher[Outcome, Settled | None] = Batcher(
            "finish", self._finish, supervisor
        )
        # Outcomes that the store has not answered yet.
        self.unsettled = 0
        # Outcomes that came after their lease was lost.
        self.late = 0
        self._pause = _FIRST_PAUSE_SECONDS

    @property
    def full(self) -> bool:
        """So many outcomes wait for the store that nothing new may start."""
        return self.unsettled >= self._engine.settings.outbox_limit

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
        else:
            facts = Facts(
                failures=task.failures,
                interruptions=task.interruptions,
                persist=task.durable if persist is None else persist,
                requeue=task.requeue,
                cancel_asked=task.cancel_asked,
                started=task.attempt is not None if started is None else started,
            )
            verdict = decide(task.registered.config, facts, ended, random=self._random)
        report(task, ended, verdict)
        self.settle(task, verdict, elapsed)

    def settle(self, task: LiveTask, verdict: Verdict, elapsed: float | None = None) -> None:
        """Bring a verdict to the store, or for a task that is not durable to its record."""
        if not task.durable:
            rule = MOVES[verdict.move]
            cancelled = task.cancel_asked and rule.yields_to_cancel
            status = TaskStatus.CANCELLED if cancelled else rule.target
            self._apply(task, verdict, elapsed, status)
            self._engine.mirror.touch(task)
            return
        outcome = Outcome(
            task.lease,
            verdict.move,
            verdict.delay,
            verdict.error,
            verdict.stacktrace,
            elapsed,
            *task.take_logs(),
        )
        # Not at the store's answer, which may take as long as an outage lasts.
        task.release()
        self.unsettled += 1
        self._send(task, outcome)

    async def _finish(self, outcomes: list[Outcome]) -> Sequence[Settled | None]:
        return await self._engine.backend.finish(outcomes)

    def _send(self, task: LiveTask, outcome: Outcome) -> None:
        self._finishes.submit(outcome, partial(self._answered, task, outcome))

    def _answered(
        self, task: LiveTask, outcome: Outcome, settled: Settled | None, error: Exception | None
    ) -> None:
        if error is not None:
            # Nothing acknowledged is lost: the outcome stays ours until the store has it.
            if self._pause == _FIRST_PAUSE_SECONDS:
                logger.warning("Outcomes cannot be stored, trying on: %s", error)
            if task.lane:
                self._engine.lanes.give_up(task.record.task_id)
            loop = asyncio.get_running_loop()
            loop.call_later(self._pause, self._send, task, outcome)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
            return
        self.unsettled -= 1
        self._pause = _FIRST_PAUSE_SECONDS
        if settled is None or settled.late:
            self.late += 1
            logger.warning(
                "The end of task %s (%s) came after its lease was lost; kept as a late outcome",
                task.record.task_id,
                task.record.func_name,
            )
        if task.fence != outcome.lease.fence:
            # The answer was lost once, and the task has been claimed anew since: what is
            # true of the older claim must not end the newer one.
            self._engine.flow.on_progress()
        elif settled is None or settled.late:
            self._engine.flow.lost(task)
        else:
            self._apply(task, outcome, outcome.elapsed, settled.status)

    def _apply(
        self, task: LiveTask, how: Verdict | Outcome, elapsed: float | None, status: TaskStatus
    ) -> None:
        record = task.record
        rule = MOVES[how.move]
        task.failures += rule.failures
        task.interruptions += rule.interruptions
        record.status = status
        now = self._engine.clock.now()
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
        # Before what follows: a retry without delay may start at once.
        if self._engine.feed.active and how.move is not Move.GIVE_BACK:
            self._engine.feed.lifecycle(task, elapsed)
        if over:
            self._engine.flow.over(task)
        else:
            self._engine.flow.again(task, how.delay)
