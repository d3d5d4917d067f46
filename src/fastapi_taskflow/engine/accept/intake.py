"""How a task gets in: checked, encoded and admitted in `prepare`, stored in `commit`.

`prepare` writes nothing and may be called from any thread. All tasks of one `commit` are
one transaction; commits that wait together share one group commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.backends.base import (
    Admission,
    KeyConflict,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.accept.records import new_record
from fastapi_taskflow.engine.accept.refusals import refusal, unstorable
from fastapi_taskflow.engine.core.groupcommit import GroupCommit
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.core.supervisor import Supervisor
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import (
    IdempotencyConflict,
    QueueFullError,
    StoreFull,
    StoreUnavailable,
    TaskArgumentError,
    TaskflowError,
)

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

# Unknown queues that are warned of: their names may come from requests.
_MOST_TOLD = 100


class Intake:
    """Makes tasks and stores them."""

    def __init__(self, engine: Engine, supervisor: Supervisor) -> None:
        self._engine = engine
        self._queues = engine.queues
        self._settings = engine.settings
        self._clock = engine.clock
        self._inserts: GroupCommit[Sequence[NewTask], Admission] = GroupCommit(
            "insert", self._insert, supervisor
        )
        self._told: set[str] = set()

    def prepare(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Options,
        *,
        durable: bool,
    ) -> LiveTask:
        """A task with an id, checked and encoded; nothing is written.

        Raises:
            TaskArgumentError: arguments of a durable task cannot be stored.
        """
        key = options.idempotency_key
        payload = fingerprint = None
        if durable or key is not None:
            payload = self._encode(registered, args, kwargs, durable=durable)
            if key is not None:
                fingerprint = codec.fingerprint(registered.name, payload or b"")
        tags = self._tags(registered, args, kwargs, options.tags)
        if durable and payload is not None:
            # What the caller does to his objects from now on, no attempt sees.
            args, kwargs = self._engine.registry.as_stored(registered, payload, args, kwargs)
        queue = options.queue if options.queue is not None else registered.config.queue
        queue = DEFAULT_QUEUE if queue is None else self._known_queue(queue)
        record = new_record(registered, options, self._clock.now(), queue, tags, durable=durable)
        if not self._settings.sealed:
            record.args, record.kwargs = args, kwargs
        task = LiveTask(record, registered, args, kwargs, durable)
        task.ready_at = self._clock.monotonic()
        task.delay = options.delay
        task.replace_original = options.replace_original
        task.alias = options.alias
        task.payload = payload
        task.fingerprint = fingerprint
        return task

    async def commit(self, tasks: Sequence[LiveTask]) -> None:
        """Store tasks in one transaction; on return they are accepted.

        Raises:
            IdempotencyConflict: a key is held by other work; nothing is stored.
            QueueFullError: a queue is full; only a REJECTED record is stored.
            AlreadyRetried, TaskStateError, TaskNotFound: ``retry_of`` cannot be retried.
            StoreUnavailable: the store did not answer in time.
        """
        if len(self._inserts) >= self._settings.waiting_limit:
            self._drop(tasks)
            raise StoreUnavailable(
                f"{len(self._inserts)} enqueues wait for the store already. Try again later."
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group = list(map(self.describe, tasks, self._engine.flow.owners(tasks)))
        self._inserts.submit(group, partial(self._answered, tasks, done))
        await done

    def describe(self, task: LiveTask, owner: str | None) -> NewTask:
        """The task as the store takes it."""
        record = task.record
        return NewTask(
            record.task_id,
            record.func_name,
            task.payload,
            record.queue,
            record.created_at,
            record.priority,
            task.delay,
            record.due_at,
            record.idempotency_key,
            task.fingerprint,
            task.durable,
            task.requeue,
            record.tags,
            record.source,
            record.executor,
            record.retry_of,
            task.replace_original,
            task.alias,
            owner,
        )

    def describe_for_mirror(self, task: LiveTask, owner: str) -> NewTask:
        """As `describe`; arguments that cannot be stored are left out."""
        self._keep(task)
        return self.describe(task, owner)

    def keep(self, task: LiveTask) -> None:
        """Make of a plain task's arguments what its record is shown and retried with.

        They themselves are let go when the task ends, which is before it is written.
        """
        if not task.is_small:
            self._keep(task)

    def _keep(self, task: LiveTask) -> None:
        if task.payload is None and not task.stored and not task.released:
            task.payload = self._encode(task.registered, task.args, task.kwargs, durable=False)

    def _tags(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        given: Mapping[str, str] | None,
    ) -> dict[str, str]:
        if not given:
            return {}
        redactor = self._settings.redactor
        return redactor.labels(given, redactor.mask_of(registered.func, args, kwargs))

    def _encode(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        durable: bool,
    ) -> bytes | None:
        try:
            return self._engine.registry.encode(
                registered,
                args,
                kwargs,
                max_bytes=self._settings.max_payload_bytes,
                sealed=self._settings.sealed,
            )
        except TaskArgumentError:
            if durable:
                raise
        except BaseException as exc:  # a foreign object's own defect; only its record suffers
            if durable:
                raise TaskArgumentError(
                    f"Arguments of {registered.name!r} cannot be stored: {error_text(exc)}"
                ) from exc
        return None

    def _known_queue(self, queue: str) -> str:
        if queue in self._queues:
            return queue
        if queue not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(queue)
            logger.warning(
                "Queue %r is not configured; its tasks go to %r. Known queues: %s",
                queue,
                DEFAULT_QUEUE,
                ", ".join(sorted(self._queues.names())),
            )
        return DEFAULT_QUEUE

    async def _insert(self, groups: list[Sequence[NewTask]]) -> list[Admission]:
        """Insert, and try again for a while: by id, so a lost reply does no harm."""
        deadline = self._clock.monotonic() + self._settings.enqueue_patience
        pause = 0.02
        while True:
            try:
                return await self._engine.backend.insert(
                    groups, self._queues.limits(), key_ttl=self._settings.idempotency_ttl
                )
            except StoreFull:
                raise
            except StoreUnavailable:
                if self._clock.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.5)

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
                for task, (task_id, duplicate, fence) in zip(tasks, inserted, strict=True):
                    self._engine.flow.committed(task, fence, task_id if duplicate else None)
            case KeyConflict(key, task_id):
                error = IdempotencyConflict(key, task_id)
            case QueueIsFull(queue, max_size, rejected):
                error = QueueFullError(queue, max_size, task_id=rejected)
            case RetryRefused():
                error = refusal(admission)
            case _ if not isinstance(error, TaskflowError):
                error = unstorable([task.record.func_name for task in tasks], error)
            case _:
                pass
        if error is not None:
            self._drop(tasks, rejected)
        if done.done():  # the waiter was cancelled; what is committed stays committed
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _drop(self, tasks: Sequence[LiveTask], rejected: str | None = None) -> None:
        for task in tasks:
            self._engine.flow.dropped(task, rejected)
