"""From a slot to the call: a durable task's start is stored, then its function is called.

Starts are stored a few ahead of a free thread (see `pools`). One that was stored and waits
too long, because what runs takes longer than before, goes back: nothing of it was called.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from fastapi_taskflow.backends.base import Lease
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.groupcommit import GroupCommit
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.run.calls import Calls
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.states import Move

__all__ = ["Starts"]

logger = logging.getLogger(__name__)

# After the store failed to start tasks.
_RETRY_SECONDS = 0.5
# Many times what a start that was stored ahead should wait for its thread.
_PATIENCE_SECONDS = 0.25


class _Ready(NamedTuple):
    task: LiveTask
    started_at: datetime
    since: float


class Starts:
    """Stores starts, and calls.

    Args:
        let_go: Told of a task that leaves its slots uncalled, before it is settled or lost.
        settle: Brings a verdict to the store.
        lost: Told of a task whose lease is not ours any more.
    """

    def __init__(
        self,
        core: Core,
        calls: Calls,
        *,
        let_go: Callable[[LiveTask], None],
        settle: Callable[[LiveTask, Verdict], None],
        lost: Callable[[LiveTask], None],
    ) -> None:
        self._core = core
        self._calls = calls
        self._let_go = let_go
        self._settle = settle
        self._tell_lost = lost
        self._loop = core.loop
        self._stored: GroupCommit[Lease, datetime | None] = GroupCommit(
            "start", core.backend.start, core.supervisor
        )
        # Their start is on its way to the store, waits to be sent again, or was stored ahead.
        self.tasks: set[LiveTask] = set()
        # By pool, in the order of their starts.
        self._ready: dict[str, deque[_Ready]] = {name: deque() for name in core.queues.pools}
        # Pools at which somebody looks whether one waits too long.
        self._watched: set[str] = set()

    def begin(self, task: LiveTask, *, at_once: bool = False) -> None:
        """A task has its slots; ``at_once`` as for `Attempts.run`."""
        if task.durable:
            self.tasks.add(task)
            self._send(task)
        else:
            self._pool(task).called += 1
            self._calls.begin(task, None, at_once=at_once)

    def ended(self, task: LiveTask) -> None:
        """A call that was begun here has ended: the next one may begin."""
        pool = self._pool(task)
        pool.called -= 1
        if task.attempt is not None and pool.limit is not None:
            pool.called_for(self._now() - task.attempt.begun)
        ready = self._ready[pool.name]
        while ready and pool.may_call:
            one = ready.popleft()
            self._go(one.task, one.started_at)

    def give_back(self) -> None:
        """Nothing more is called here: what waits for its call goes back."""
        for ready in self._ready.values():
            while ready:
                self._not_called(ready.popleft().task)

    def _send(self, task: LiveTask) -> None:
        self._stored.submit(task.lease, partial(self._answered, task, self._now()))

    def _answered(
        self, task: LiveTask, sent_at: float, started_at: datetime | None, error: Exception | None
    ) -> None:
        if error is not None and not isinstance(error, StoreUnavailable):
            # Nothing will start it, and others need its slots.
            text = "Task %s cannot be started: %s"
            notify(logger, logging.ERROR, text, task.record.task_id, error_text(error), error=error)
            self._lost(task)
            return
        if error is not None:
            # Start is idempotent by lease: keep the slots, ask again when the store is back.
            self._core.supervisor.after(_RETRY_SECONDS, self._send, task)
            return
        pool = self._pool(task)
        pool.started_in(self._now() - sent_at)
        if started_at is None:
            self._lost(task)
        elif pool.may_call:
            self._go(task, started_at)
        else:
            self._ready[pool.name].append(_Ready(task, started_at, self._now()))
            self._watch(pool)

    def _go(self, task: LiveTask, started_at: datetime) -> None:
        if self._core.draining or task.cancel_asked or not task.held:
            # Drained, cancelled or lost meanwhile: the function is never called.
            self._not_called(task)
        else:
            self.tasks.discard(task)
            self._pool(task).called += 1
            self._calls.begin(task, started_at)

    def _not_called(self, task: LiveTask) -> None:
        self.tasks.discard(task)
        self._let_go(task)
        if task.held:
            # RUNNING in the store, though its function was never called.
            move = Move.CANCEL if task.cancel_asked else Move.UNSTART
            error = "Cancelled on request" if task.cancel_asked else None
            self._settle(task, Verdict(move, 0.0, error))

    def _lost(self, task: LiveTask) -> None:
        self.tasks.discard(task)
        self._let_go(task)
        self._tell_lost(task)

    def _watch(self, pool: Pool) -> None:
        if pool.name not in self._watched:
            self._watched.add(pool.name)
            self._loop.call_later(_PATIENCE_SECONDS, self._look, pool)

    def _look(self, pool: Pool) -> None:
        self._watched.discard(pool.name)
        ready, latest = self._ready[pool.name], self._now() - _PATIENCE_SECONDS
        while ready and ready[0].since <= latest:
            pool.stop_ahead()
            self._not_called(ready.popleft().task)
        if ready:
            self._watch(pool)

    def _pool(self, task: LiveTask) -> Pool:
        return self._core.queues.pools[task.registered.executor]

    def _now(self) -> float:
        return self._core.clock.monotonic()
