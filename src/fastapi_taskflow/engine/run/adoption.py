"""Claimed tasks made to live on this instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_taskflow.backends.base import Claimed
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.run.unreadable import UNOPENED
from fastapi_taskflow.words.errors import PayloadUnreadable, TaskArgumentError
from fastapi_taskflow.words.models import TaskStatus

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["adopt"]


def adopt(engine: Engine, claim: Claimed) -> LiveTask | None:
    """Make a claimed task live here; None if it is already, or cannot be run."""
    stored = claim.task
    task = engine.store.find(claim.lease.task_id)
    if task is None:
        registered = engine.registry.by_name(stored.record.func_name)
        if registered is None:
            return None
        task = LiveTask(stored.record, registered, (), {}, True)
    elif task.held and task.fence == claim.lease.fence:
        return None
    elif stored.record.logs:
        # Another instance may have added some.
        task.record.logs[:], task.journal = stored.record.logs, None
    task.fence = claim.lease.fence
    task.ready_at = engine.clock.monotonic()
    task.payload = stored.payload
    task.failures = stored.failures
    task.interruptions = stored.interruptions
    task.requeue = stored.requeue
    task.cancel_asked = stored.cancel_asked
    task.durable = task.stored = task.held = True
    # If a response's chain was to run it, that has been overtaken.
    task.launch_on_commit = True
    task.attempt = None
    task.record.status = TaskStatus.PENDING
    task.lane = claim.lease.task_id in engine.lanes
    engine.damaged.look(stored)
    if stored.damage is not None:
        engine.damaged.give_back(task)
        return None
    reason = UNOPENED if stored.unopened else _decode(engine, task)
    if reason is not None:
        engine.unreadable.give_back(task, reason)
        return None
    engine.store.add(task)
    return task


def _decode(engine: Engine, task: LiveTask) -> str | None:
    """Read the arguments; why only another version of the code can, if so."""
    task.unreadable = None
    task.released = False
    try:
        task.give(*engine.registry.decode(task.record.func_name, task.payload or b""))
    except PayloadUnreadable as exc:
        if not exc.damaged:
            return str(exc)
        # Nobody will ever read it. The trace would hold what was read so far.
        task.unreadable = exc.with_traceback(None)
    else:
        misfit = _misfit(task)
        if misfit is not None:
            return misfit
        if not engine.settings.sealed:
            task.record.args, task.record.kwargs = task.args, task.kwargs
    return None


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
