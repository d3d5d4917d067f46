"""How a task gets in: checked, encoded and admitted; nothing is written.

May be called from any thread. What follows is `Commits`, or the turn of a plain task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.accept.pacing import pace
from fastapi_taskflow.engine.accept.records import new_record
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.ordering import order_key_for
from fastapi_taskflow.engine.core.payloads import encode
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.core.titles import title_for
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import QueueFullError
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

# Unknown queues that are warned of: their names may come from requests.
_MOST_TOLD = 100


class Intake:
    """Makes tasks.

    Args:
        rejected: Told on the loop of a task for which there was no room.
    """

    def __init__(self, core: Core, *, rejected: Callable[[LiveTask], None]) -> None:
        self._core = core
        self._queues = core.queues
        self._settings = core.settings
        self._clock = core.clock
        self._rejected = rejected
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
        """A task that this process knows.

        Raises:
            TaskArgumentError: arguments of a durable task cannot be stored.
            QueueFullError: the queue is full here; a REJECTED record is kept.
        """
        task = self.make(registered, args, kwargs, options, durable=durable)
        if not self._queues.admit(task):
            raise self._reject(task)
        self._core.store.add(task)
        return task

    def make(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Options,
        *,
        durable: bool,
    ) -> LiveTask:
        """A task that nobody knows yet.

        Raises:
            TaskArgumentError: arguments of a durable task cannot be stored.
        """
        queue = options.queue if options.queue is not None else registered.config.queue
        queue = DEFAULT_QUEUE if queue is None else self.known_queue(queue)
        limiting = self._core.limiting
        durable = durable or limiting.wants_stored(registered, queue, paced=options.is_paced)
        order_key = order_key_for(self._core, registered, args, kwargs)
        key = options.idempotency_key
        payload = fingerprint = None
        if durable or key is not None:
            payload = encode(self._core, registered, args, kwargs, durable=durable)
            if key is not None:
                fingerprint = codec.fingerprint(registered.name, payload or b"")
        tags = self.labels(registered, args, kwargs, options.tags)
        if durable and payload is not None:
            # What the caller does to his objects from now on, no attempt sees.
            args, kwargs = self._core.registry.as_stored(registered, payload, args, kwargs)
        record = new_record(registered, options, self._clock.now(), queue, tags, durable=durable)
        record.order_key = order_key
        if registered.config.title is not None:
            record.title = title_for(self._core, registered, args, kwargs)
        if not self._settings.sealed:
            record.args, record.kwargs = args, kwargs
        task = LiveTask(record, registered, args, kwargs, durable)
        task.ready_at = self._clock.monotonic()
        task.delay = options.delay
        task.replace_original = options.replace_original
        task.payload = payload
        task.fingerprint = fingerprint
        pace(task, options)
        return task

    def labels(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        given: Mapping[str, str] | None,
    ) -> dict[str, str]:
        """A task's tags, without what is secret in its arguments."""
        if not given:
            return {}
        redactor = self._settings.redactor
        return redactor.labels(given, redactor.mask_of(registered.func, args, kwargs))

    def known_queue(self, queue: str) -> str:
        """The queue, or the default one with a warning where there is none of that name."""
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

    def _reject(self, task: LiveTask) -> QueueFullError:
        record = task.record
        room = self._queues.get(record.queue).room or 0
        error = QueueFullError(record.queue, room, task_id=record.task_id)
        # Born so; `Commits.rejected` tells of it.
        record.status = TaskStatus.REJECTED
        record.end_time = record.created_at
        record.error = str(error)
        task.durable = False
        self._core.store.add(task)
        self._core.loop.call_soon_threadsafe(self._rejected, task)
        return error
