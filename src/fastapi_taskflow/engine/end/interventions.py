"""What comes to a task from outside its run: cancel, recovery, a lost identity."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi_taskflow.backends.base import Claimed, Lease
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.end.settling import Settling
from fastapi_taskflow.rules.ends import Ended, Lost, Unstarted
from fastapi_taskflow.rules.placing import LOOP
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.words.models import TaskConfig, TaskRecord, TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["Interventions"]

logger = logging.getLogger(__name__)


class Interventions:
    """Acts on tasks that this instance holds, or has just taken from a dead one.

    Args:
        over: Told of a task that is terminal now.
        lost: Told of a task whose lease is not ours any more.
    """

    def __init__(
        self,
        core: Core,
        changes: Changes,
        mirror: Mirror,
        settling: Settling,
        *,
        over: Callable[[LiveTask], None],
        lost: Callable[[LiveTask], None],
    ) -> None:
        self._core = core
        self._changes = changes
        self._mirror = mirror
        self._settling = settling
        self._over = over
        self._lost = lost
        # Claims that are being settled for others; those that are not held any more are.
        self._foreign: dict[Lease, LiveTask] = {}

    def ask_cancel(self, task: LiveTask) -> None:
        """End a held task on somebody's request, as far as its executor can."""
        task.cancel_asked = True
        if task.record.status is TaskStatus.RUNNING:
            if task.attempt is not None:
                task.attempt.stop("cancel")
        elif not task.durable and task.held:
            self._withdraw(task)
            verdict = Verdict(Move.CANCEL, 0.0, "Cancelled before it started")
            self._settling.settle(task, verdict)

    def cancel_signalled(self, task_id: str) -> None:
        """The store says that cancel was asked for one of our tasks."""
        task = self._core.store.find(task_id)
        if task is not None and task.held and not task.cancel_asked:
            self.ask_cancel(task)

    def cancelled_in_store(self, task: LiveTask) -> None:
        """The store cancelled a task before it started."""
        self._withdraw(task)
        task.record.end_time = self._core.clock.now()
        self._changes.become(task, TaskStatus.CANCELLED)
        self._over(task)

    def give_back(self, task: LiveTask) -> None:
        """A held task that has not started goes back to the store, or is abandoned."""
        self._withdraw(task)
        self._settling.end(task, Unstarted())

    def recovered(self, claim: Claimed) -> None:
        """Settle a task of a dead instance, which the store handed to us."""
        self._settle_foreign(claim, Lost())

    def stray(self, claim: Claimed) -> None:
        """Settle a task that the store says is ours, though we never heard of it.

        The answer of its claim, start or recovery was lost. In the first two cases its
        function was never called; what another instance had started was lost with that.
        """
        logger.warning("Task %s is ours and unknown here", claim.lease.task_id)
        started_by = claim.task.record.instance
        running = claim.task.record.status is TaskStatus.RUNNING
        called = running and (started_by != self._core.instance_id or not claim.task.persist)
        self._settle_foreign(claim, Lost() if called else Unstarted())

    def holds(self, claim: Claimed) -> bool:
        """The claim is known here: held, or its end is on its way to the store."""
        lease = claim.lease
        task = self._core.store.find(lease.task_id)
        if task is not None and task.fence == lease.fence and task.held:
            return True
        foreign = self._foreign.get(lease)
        if foreign is not None and foreign.held:
            return True
        return self._mirror.owes(lease.task_id)

    def forget_settled(self) -> None:
        """Let go of claims of others whose end is stored."""
        self._foreign = {lease: task for lease, task in self._foreign.items() if task.held}

    def _settle_foreign(self, claim: Claimed, ended: Ended) -> None:
        stored = claim.task
        self._core.damaged.look(stored)
        record: TaskRecord = stored.record
        entry = self._core.registry.by_name(record.func_name)
        if entry is None:
            # Not a function of this program: settings do not matter for these ends.
            entry = Registered(record.func_name, _unknown, TaskConfig(), LOOP, True)
        task = LiveTask(record, entry, (), {}, True)
        task.fence = claim.lease.fence
        task.failures = stored.failures
        task.interruptions = stored.interruptions
        task.requeue = stored.requeue
        task.cancel_asked = stored.cancel_asked
        task.stored = task.held = True
        self._foreign[claim.lease] = task
        started = record.status is TaskStatus.RUNNING
        self._settling.end(task, ended, None, persist=stored.persist, started=started)

    def declared_dead(self) -> None:
        """Our leases are void: forget what waits, stop what will run elsewhere again."""
        for task in self._core.store.held():
            if not task.durable or not task.held:
                continue
            if task.attempt is None:
                self._withdraw(task)
                self._lost(task)
            elif task.requeue:
                task.attempt.stop("lost")

    def reclaim_plain(self) -> None:
        """Write tasks that are not durable anew, under the id that is alive now.

        One that was first written under the dead id would have an owner that nobody knows,
        and be found by no recovery.
        """
        for task in self._core.store.held():
            if task.held and not task.durable:
                self._mirror.touch(task)

    def _withdraw(self, task: LiveTask) -> None:
        self._core.queues.discard(task)
        if task.timer is not None:
            task.timer.cancel()
            task.timer = None


async def _unknown() -> None:
    """Stands for a function that this program does not have; never called."""
