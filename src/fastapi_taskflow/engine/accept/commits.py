"""How tasks are accepted: at once, or when the store has them.

All tasks of one `commit` are one transaction; commits that wait together share one group
commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from fastapi_taskflow.backends.base import Admission, NewTask, QueueIsFull, Stored
from fastapi_taskflow.engine.accept.patience import patiently
from fastapi_taskflow.engine.accept.refusals import refused, unstorable
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.groupcommit import GroupCommit
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.payloads import describe, keep
from fastapi_taskflow.words.errors import StoreUnavailable, TaskflowError
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Commits"]


class Commits:
    """Accepts prepared tasks. On the event loop.

    Args:
        may_hold: A new task should be born claimed: it could start now.
        run_when_due: Told of a task that is held here.
        hint_after: Told of a queue in which the store will have a task, and in how many
            seconds.
    """

    def __init__(
        self,
        core: Core,
        changes: Changes,
        *,
        may_hold: Callable[[LiveTask], bool],
        run_when_due: Callable[[LiveTask], None],
        hint_after: Callable[[str, float], None],
    ) -> None:
        self._core = core
        self._changes = changes
        self._may_hold = may_hold
        self._run_when_due = run_when_due
        self._hint_after = hint_after
        self._inserts: GroupCommit[Sequence[NewTask], Admission] = GroupCommit(
            "insert", self._insert, core.supervisor
        )

    def launch(self, task: LiveTask) -> None:
        """Accept a task that needs no commit; it runs as soon as it can."""
        self.accept(task)
        self._run_when_due(task)

    def accept(self, task: LiveTask) -> None:
        """Hold a task that needs no commit."""
        task.held = True
        self._changes.tell(task)

    async def commit(self, tasks: Sequence[LiveTask]) -> None:
        """Store tasks in one transaction; on return they are accepted.

        Raises:
            IdempotencyConflict: a key is held by other work; nothing is stored.
            QueueFullError: a queue is full; only a REJECTED record is stored.
            AlreadyRetried, KeyTaken, TaskStateError, TaskNotFound: ``retry_of`` cannot be retried.
            StoreUnavailable: the store did not answer in time.
        """
        if len(self._inserts) >= self._core.settings.waiting_limit:
            self.drop(tasks)
            raise StoreUnavailable(
                f"{len(self._inserts)} enqueues wait for the store already. Try again later."
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group = list(map(describe, tasks, self._owners(tasks)))
        self._inserts.submit(group, partial(self._answered, tasks, done))
        await done

    def drop(self, tasks: Sequence[LiveTask], rejected: str | None = None) -> None:
        """Forget tasks that were not accepted.

        Args:
            rejected: The one of them that the store has kept as such.
        """
        for task in tasks:
            self._core.queues.uncount(task)
            self._core.store.drop(task)
            if rejected is not None and rejected == task.record.task_id:
                task.record.end_time = task.record.created_at
                task.stored = True
                self.rejected(task)

    def rejected(self, task: LiveTask) -> None:
        """Keep the record of a task for which there was no room."""
        core = self._core
        keep(core, task)
        core.queues.get(task.record.queue).rejected += 1
        core.store.add(task)
        core.store.settle(task)
        self._changes.become(task, TaskStatus.REJECTED)

    def _owners(self, tasks: Sequence[LiveTask]) -> list[str | None]:
        """For each of them this instance's id, if it should be born claimed by it."""
        # Where slots are few, they are for those that come first.
        in_order = tasks if len(tasks) == 1 else sorted(tasks, key=LiveTask.order)
        owners = {task.record.task_id: self._owner(task) for task in in_order}
        for task in tasks:
            self._core.queues.unreserve(task)
        return [owners[task.record.task_id] for task in tasks]

    def _owner(self, task: LiveTask) -> str | None:
        core = self._core
        if not task.durable:
            return core.instance_id
        # What a step is given, is known to who claims it.
        if task.member is not None:
            return None
        if not core.executes or core.draining or task.delay > 0 or task.record.due_at:
            return None
        if core.limiting.is_limited(task.registered, task.record.queue):
            return None
        # A response waits for those of its background: they stay.
        if task.launch_on_commit and core.queues.get(task.record.queue).shared:
            return None
        return core.instance_id if not task.launch_on_commit or self._may_hold(task) else None

    async def _insert(self, groups: list[Sequence[NewTask]]) -> list[Admission]:
        """Insert, and try again for a while: by id, so a lost reply does no harm."""
        key_ttl = self._core.settings.idempotency_ttl

        async def write() -> list[Admission]:
            limits = self._core.queues.limits()
            return await self._core.backend.insert(groups, limits, key_ttl=key_ttl)

        return await patiently(self._core, write)

    def _answered(
        self,
        tasks: Sequence[LiveTask],
        done: asyncio.Future[None],
        admission: Admission | None,
        error: Exception | None,
    ) -> None:
        rejected: str | None = None
        match admission:
            case Stored(inserted):
                for task, one in zip(tasks, inserted, strict=True):
                    task.disposition = one.disposition
                    self._committed(task, one.fence, one.task_id if one.duplicate else None)
            case None if not isinstance(error, TaskflowError):
                error = unstorable([task.record.func_name for task in tasks], error)
            case None:
                pass
            case _:
                error = refused(admission)
                rejected = admission.task_id if isinstance(admission, QueueIsFull) else None
        if error is not None:
            self.drop(tasks, rejected)
        if done.done():  # the waiter was cancelled; what is committed stays committed
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _committed(self, task: LiveTask, fence: int, duplicate_of: str | None) -> None:
        """The store has the task."""
        task.stored = True
        if duplicate_of is not None:
            task.record.duplicate_of = duplicate_of
            self.drop([task])
            return
        if task.held or task.record.status is not TaskStatus.PENDING:
            # The answer came late, and the task has been claimed from the store since.
            return
        self._changes.tell(task)
        if fence:
            task.held, task.fence = True, fence
            if task.launch_on_commit:
                self._run_when_due(task)
        else:
            self._core.queues.uncount(task)
            self._core.store.settle(task)
            self._hint_after(task.record.queue, task.due_in(self._core.clock))
