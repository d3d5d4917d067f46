"""Acting on tasks and queues, from any instance, with an audit entry for each act."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import CancelResult, Grade, Query
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import (
    fleet,
    functions,
    health,
    metrics,
    purging,
    reading,
    retrying,
    series,
)
from fastapi_taskflow.operations.queueing import check_queue, checked_changes
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.words.errors import TaskNotFound, TaskStateError
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import AuditEntry, QueueConfig, TaskRecord
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Cancelled", "Operations"]

_ANONYMOUS = "anonymous"
_NEWEST = 1_000


class Cancelled(NamedTuple):
    """``asked`` is True if the task still runs and was only asked to stop."""

    record: TaskRecord
    asked: bool


class Operations:
    """Operations of one manager; they need its running engine.

    Raises:
        EngineNotRunning: from every method, without one.
        StoreUnavailable: from every method, when the store does not answer.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    # Looking

    @property
    def grade(self) -> Grade:
        """What an accepted durable task survives."""
        return self._engine.backend.grade

    async def get(self, task_id: str) -> TaskRecord | None:
        """One task with its logs and arguments; None if there is none."""
        return await reading.find(self._engine, task_id)

    async def inspect(self, task_id: str, *, arguments: bool = True) -> reading.Inspection | None:
        """One task with its history and prospects, to be shown; None if there is none.

        Args:
            arguments: With its arguments, the secrets among them masked (on a thread).
        """
        found = await reading.inspect(self._engine, task_id, arguments=arguments)
        if found is None or not arguments:
            return found
        return await asyncio.to_thread(reading.redacted, self._engine, found)

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> tuple[list[TaskRecord], str | None]:
        """One page of tasks, newest first; see `reading.search`."""
        return await reading.search(
            self._engine, query, limit=limit, cursor=cursor, most_bytes=most_bytes
        )

    async def count(self, query: Query, *, cap: int = 10_000) -> reading.Count:
        """How many tasks match: exact without filters, else counted up to ``cap``."""
        return await reading.count(self._engine, query, cap=cap)

    async def newest(self) -> list[TaskRecord]:
        """The newest 1,000 tasks of all instances."""
        records, _ = await self.search(Query(), limit=_NEWEST)
        return records

    async def metrics(self, *, func_name: str | None = None) -> metrics.Metrics:
        """Totals, rates and percentiles over all time, of all functions or of one."""
        return await metrics.metrics(self._engine, func_name=func_name)

    async def lately(self) -> tuple[series.FunctionEnds, ...]:
        """What ended in the last hour, by function."""
        return await series.lately(self._engine)

    async def series(
        self,
        step: series.Step,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        func_name: str | None = None,
    ) -> series.Series:
        """What ended in each bucket of time; see `series.series`."""
        return await series.series(
            self._engine, step, since=since, until=until, func_name=func_name
        )

    async def queues(self) -> list[dict[str, Any]]:
        """Limits and numbers of every queue, over all instances, by name."""
        engine = self._engine
        await reading.catch_up(engine)
        return reading.queue_stats(engine, await engine.backend.tally())

    async def functions(self) -> list[functions.Function]:
        """Every function that is known anywhere, by name."""
        return await functions.functions(self._engine)

    async def instances(self) -> list[fleet.Instance]:
        """All instances on the store, the oldest first."""
        return await fleet.instances(self._engine)

    async def health(self) -> health.Health:
        """Whether this instance can take and run tasks now; never `StoreUnavailable`."""
        return await health.health(self._engine)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """What operators did, newest first, and the cursor of the next page."""
        return await self._engine.backend.audit(limit=limit, cursor=cursor)

    # Acting on tasks

    async def cancel(self, task_id: str, *, actor: str = _ANONYMOUS) -> Cancelled:
        """Cancel a task, or ask the instance that runs it to.

        Raises:
            TaskNotFound: no such task.
            TaskStateError: it has ended.
        """
        engine = self._engine
        await reading.catch_up(engine)
        task_id = await whole(engine, task_id)
        live = engine.store.find(task_id)
        if live is not None and live.held and not live.durable:
            engine.interventions.ask_cancel(live)
        else:
            (answer,) = await engine.backend.cancel([task_id])
            if answer.result is CancelResult.MISSING:
                raise TaskNotFound(f"Task {task_id} not found")
            if answer.result is CancelResult.REFUSED and answer.status is not None:
                raise TaskStateError(
                    f"Task {task_id} is {answer.status.value}; only pending and running tasks "
                    "can be cancelled."
                )
            if live is not None and answer.result is CancelResult.CANCELLED:
                engine.interventions.cancelled_in_store(live)
            elif live is not None and live.held:
                engine.interventions.ask_cancel(live)
        await self._note("cancel", task_id, actor, {})
        record = await reading.find(engine, task_id)
        if record is None:
            raise TaskNotFound(f"Task {task_id} not found")
        return Cancelled(record, record.status not in TERMINAL)

    async def retry(self, task_id: str, *, actor: str = _ANONYMOUS) -> str:
        """Run a task that ended without success once more, as a new task; its id.

        Raises:
            TaskNotFound, TaskStateError: no such task, or it did not end without success.
            TaskArgumentError, PayloadUnreadable: its arguments are not stored, or cannot be
                read back.
            AlreadyRetried: it was retried before.
            UnknownTaskFunction: its function is not registered in this process.
        """
        task_id = await whole(self._engine, task_id)
        new = await retrying.retry(self._runtime, task_id)
        await self._note("retry", task_id, actor, {"new_task_id": new})
        return new

    async def retry_many(
        self, task_ids: Sequence[str], *, actor: str = _ANONYMOUS
    ) -> retrying.BulkRetry:
        """Retry tasks by id; what cannot be is skipped. See `retrying.retry_many`."""
        done = await retrying.retry_many(self._runtime, task_ids)
        await self._note_retries("bulk-retry", actor, done, {})
        return done

    async def retry_failed(
        self,
        *,
        since: datetime | None = None,
        func_name: str | None = None,
        cursor: str | None = None,
        actor: str = _ANONYMOUS,
    ) -> retrying.BulkRetry:
        """Retry what failed, newest first; see `retrying.retry_failed`."""
        done = await retrying.retry_failed(
            self._runtime, since=since, func_name=func_name, cursor=cursor
        )
        chosen = {"since": None if since is None else since.isoformat(), "func_name": func_name}
        await self._note_retries("retry-failed", actor, done, chosen)
        return done

    async def _note_retries(
        self, target: str, actor: str, done: retrying.BulkRetry, detail: dict[str, Any]
    ) -> None:
        if done.retried:
            counts = {"dispatched": len(done.retried), "skipped": done.skipped}
            await self._note("bulk_retry", target, actor, {**counts, **detail})

    async def purge_history(
        self, older_than: timedelta, *, actor: str = _ANONYMOUS
    ) -> purging.PurgedHistory:
        """Delete records of tasks that ended longer ago; see `purging.purge_history`."""
        purged = await purging.purge_history(self._engine, older_than)
        detail = {"older_than_seconds": older_than.total_seconds(), "deleted": purged.deleted}
        await self._note("purge", "history", actor, detail)
        return purged

    # Acting on queues

    async def pause(self, queue: str, *, actor: str = _ANONYMOUS) -> None:
        """Start nothing more of a queue, on any instance, until `resume`.

        Raises:
            QueueNotFound: no such queue.
        """
        await self._set_queue("pause", queue, {"paused": True}, actor)

    async def resume(self, queue: str, *, actor: str = _ANONYMOUS) -> None:
        """Let a paused queue go on.

        Raises:
            QueueNotFound: no such queue.
        """
        await self._set_queue("resume", queue, {"paused": False}, actor)

    async def update_queue(
        self, queue: str, changes: Mapping[str, int | None], *, actor: str = _ANONYMOUS
    ) -> QueueConfig:
        """Set limits of a queue for every instance, now and after a restart.

        Args:
            changes: ``concurrency`` and ``max_size``; what is absent stays as it is.

        Raises:
            QueueNotFound: no such queue.
            ConfigurationError: a limit that cannot work.
        """
        checked = checked_changes(self._engine, queue, changes)
        return await self._set_queue("update_queue", queue, checked, actor)

    def update_queue_soon(self, queue: str, changes: Mapping[str, int | None]) -> None:
        """As `update_queue`, here at once and stored in the background; from any thread."""
        engine = self._engine
        checked = checked_changes(engine, queue, changes)
        engine.queues.get(queue).change(checked)
        engine.loop.call_soon_threadsafe(self._store_limits, queue, checked)

    def _store_limits(self, queue: str, changes: Mapping[str, int | None]) -> None:
        self._engine.dispatcher.pump()
        self._engine.spawn(self.update_queue(queue, changes), "update queue")

    def local_queues(self) -> list[dict[str, Any]]:
        """Limits of every queue and what this instance does with it, by name."""
        engine = self._runtime.running_engine()
        if engine is None:
            return reading.idle_queue_stats(self._runtime.settings.queues)
        return reading.local_queue_stats(engine)

    async def _set_queue(
        self, action: str, queue: str, changes: dict[str, Any], actor: str
    ) -> QueueConfig:
        engine = self._engine
        check_queue(engine, queue)
        state = engine.queues.get(queue)
        with engine.queues.changing():
            state.override(await engine.backend.set_queue(queue, changes))
        engine.dispatcher.pump()
        engine.hints.hint(queue)
        await self._note(action, queue, actor, changes)
        return QueueConfig(state.concurrency, state.max_size, state.paused)

    async def _note(self, action: str, target: str, actor: str, detail: dict[str, Any]) -> None:
        engine = self._engine
        kept = engine.settings.redactor.details(detail)
        entry = AuditEntry(new_id(), action, target, actor, engine.clock.now(), kept)
        await engine.backend.append_audit([entry])

    @property
    def _engine(self) -> Engine:
        return self._runtime.engine()
