"""Claimed tasks made to live on this instance."""

from __future__ import annotations

from collections.abc import Callable

from fastapi_taskflow.backends.base import Claimed, StoredTask
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.news import News
from fastapi_taskflow.engine.run.handing import Befores, with_result
from fastapi_taskflow.engine.run.unreadable import UNOPENED, Unreadable
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.words.errors import PayloadUnreadable, TaskArgumentError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["Adoption"]

# Somebody may mend it meanwhile.
_DAMAGED_PAUSE_SECONDS = 60.0


class Adoption:
    """Takes on what was claimed.

    Args:
        settle: Brings a verdict to the store.
        give_back: Gives a held task that has not started back to the store.
        in_lane: A response's chain waits for the task with this id.

    `adopt` takes the tasks whose results others are given, too.
    """

    def __init__(
        self,
        core: Core,
        changes: Changes,
        unreadable: Unreadable,
        *,
        settle: Callable[[LiveTask, Verdict], None],
        give_back: Callable[[LiveTask], None],
        in_lane: Callable[[str], bool],
    ) -> None:
        self._core = core
        self._changes = changes
        self._unreadable = unreadable
        self._settle = settle
        self._give_back = give_back
        self._in_lane = in_lane

    def adopt(self, claim: Claimed, before: Befores) -> LiveTask | None:
        """Make a claimed task live here; None if it is already, or cannot be run."""
        core = self._core
        stored = claim.task
        task = core.store.find(claim.lease.task_id)
        if task is None:
            registered = core.registry.by_name(stored.record.func_name)
            if registered is None:
                return None
            task = _live(stored, registered)
        elif task.held and task.fence == claim.lease.fence:
            return None
        elif stored.record.logs:
            # Another instance may have added some.
            task.record.logs[:], task.journal = stored.record.logs, None
        task.fence = claim.lease.fence
        task.ready_at = core.clock.monotonic() + self._waited(task)
        task.payload, task.member = stored.payload, stored.member
        task.failures = stored.failures
        task.interruptions = stored.interruptions
        task.requeue = stored.requeue
        task.cancel_asked = stored.cancel_asked
        task.durable = task.stored = task.held = True
        # If a response's chain was to run it, that has been overtaken.
        task.launch_on_commit = True
        task.attempt = None
        self._changes.become(task, TaskStatus.PENDING, heard=False)
        task.lane = self._in_lane(claim.lease.task_id)
        core.damaged.look(stored)
        if stored.damage is not None:
            self._settle(task, Verdict(Move.GIVE_BACK, _DAMAGED_PAUSE_SECONDS))
            return None
        reason = UNOPENED if stored.unopened else self._decode(task, before)
        if reason is not None:
            self._unreadable.give_back(task, reason)
            return None
        core.store.add(task)
        if core.draining:
            # The drain began meanwhile.
            self._give_back(task)
            return None
        return task

    def _waited(self, task: LiveTask) -> float:
        """0, or the seconds, negative, that it waited in the store of a queue that ages.

        They count beside what those waited that were accepted here.
        """
        ages = self._core.queues.get(task.record.queue).ageing is not None
        return min(0.0, task.due_in(self._core.clock)) if ages else 0.0

    def _decode(self, task: LiveTask, before: Befores) -> str | None:
        """Read the arguments; why only another version of the code can, if so."""
        task.unreadable = None
        task.released = False
        try:
            given = self._core.registry.decode(task.record.func_name, task.payload or b"")
            task.give(*with_result(self._core, task, *given, before))
        except PayloadUnreadable as exc:
            if not exc.damaged:
                return str(exc)
            # Nobody will ever read it. The trace would hold what was read so far.
            task.unreadable = exc.with_traceback(None)
        else:
            misfit = _misfit(task)
            if misfit is not None:
                return misfit
            if not self._core.settings.sealed:
                task.record.args, task.record.kwargs = task.args, task.kwargs
        return None


def _live(stored: StoredTask, registered: Registered) -> LiveTask:
    task = LiveTask(stored.record, registered, (), {}, True)
    if stored.emitted is not None:
        task.news = News(stored.emitted)
    return task


def _misfit(task: LiveTask) -> str | None:
    """Why the function cannot be called so; where the task was added, it could."""
    shape = task.registered.shape
    if shape is None:
        return None
    try:
        shape.check(task.record.func_name, task.args, task.kwargs)
    except TaskArgumentError as exc:
        return str(exc)
    return None
