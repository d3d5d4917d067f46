"""Reading tasks: what the store has, with what this instance knows better laid over it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fastapi_taskflow import codec
from fastapi_taskflow.backends.base import Query, StoredTask, Tally
from fastapi_taskflow.engine.engine import Engine
from fastapi_taskflow.engine.queues import QueueState
from fastapi_taskflow.errors import PayloadUnreadable
from fastapi_taskflow.models import TaskRecord, TaskStatus
from fastapi_taskflow.states import TERMINAL

__all__ = ["Metrics", "catch_up", "find", "local_queue_stats", "metrics", "queue_stats", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Totals over all time. ``success_rate`` is 0..1 of those that ran to an end."""

    total: int
    success: int
    failed: int
    running: int
    pending: int
    interrupted: int
    cancelled: int
    rejected: int
    success_rate: float
    avg_duration_seconds: float | None


async def find(engine: Engine, task_id: str) -> TaskRecord | None:
    """One task, complete; None if there is none."""
    (stored,) = await engine.backend.get([task_id])
    live = engine.store.find(task_id)
    if stored is None:
        return None if live is None else live.record
    record = _with_arguments(engine, stored)
    known = engine.store.overlay(record)
    if known is record or live is None:
        return record
    # Lines of earlier attempts may have been written by another instance.
    unsent = live.record.logs[live.logs_sent :]
    logs = known.logs if len(known.logs) >= len(record.logs) else [*record.logs, *unsent]
    return replace(known, logs=list(logs))


async def search(
    engine: Engine, query: Query, *, limit: int, cursor: str | None = None
) -> tuple[list[TaskRecord], str | None]:
    """One page of tasks, newest first, and the cursor of the next one.

    What this instance has not written yet is written first, so that a POST is always seen
    by the GET after it.
    """
    await catch_up(engine)
    page = await engine.backend.search(query, limit=limit, cursor=cursor)
    records = [engine.store.overlay(_with_arguments(engine, stored)) for stored in page.tasks]
    if query.statuses:
        records = [record for record in records if record.status in query.statuses]
    return records, page.cursor


async def metrics(engine: Engine) -> Metrics:
    """Totals from counters, at a cost that does not grow with history."""
    await catch_up(engine)
    rows: dict[TaskStatus, int] = dict.fromkeys(TaskStatus, 0)
    seconds, timed = 0.0, 0
    for tally in await engine.backend.tally():
        rows[tally.status] += tally.ended if tally.status in TERMINAL else tally.rows
        if tally.status in (TaskStatus.SUCCESS, TaskStatus.FAILED):
            seconds += tally.seconds
            timed += tally.ended
    ran = rows[TaskStatus.SUCCESS] + rows[TaskStatus.FAILED]
    return Metrics(
        total=sum(rows.values()),
        success=rows[TaskStatus.SUCCESS],
        failed=rows[TaskStatus.FAILED],
        running=rows[TaskStatus.RUNNING],
        pending=rows[TaskStatus.PENDING],
        interrupted=rows[TaskStatus.INTERRUPTED],
        cancelled=rows[TaskStatus.CANCELLED],
        rejected=rows[TaskStatus.REJECTED],
        success_rate=rows[TaskStatus.SUCCESS] / ran if ran else 0.0,
        avg_duration_seconds=seconds / timed if timed else None,
    )


async def catch_up(engine: Engine) -> None:
    """Write what is behind, so that the store has everything that happened here."""
    await engine.mirror.flush()


def queue_stats(engine: Engine, tallies: list[Tally]) -> list[dict[str, Any]]:
    """Limits and numbers of every queue over all instances, by name."""
    stats = {state.name: _limits(state) for state in engine.queues}
    for tally in tallies:
        numbers = stats.get(tally.queue)
        if numbers is None:
            continue
        match tally.status:
            case TaskStatus.PENDING | TaskStatus.RUNNING | TaskStatus.REJECTED:
                numbers[tally.status.value] += tally.rows
            case _:
                numbers["finished"] += tally.rows
    return [stats[name] for name in sorted(stats)]


def local_queue_stats(engine: Engine) -> list[dict[str, Any]]:
    """Limits of every queue, and its numbers on this instance since its start, by name."""
    stats = {state.name: _limits(state) for state in engine.queues}
    for state in engine.queues:
        stats[state.name]["finished"] = state.finished
        stats[state.name]["rejected"] = state.rejected
    for task in engine.store.held():
        if task.held:
            stats[task.record.queue][task.record.status.value] += 1
    return [stats[name] for name in sorted(stats)]


def _limits(state: QueueState) -> dict[str, Any]:
    return {
        "name": state.name,
        "concurrency": state.concurrency,
        "max_size": state.max_size,
        "paused": state.paused,
        "pending": 0,
        "running": 0,
        "finished": 0,
        "rejected": 0,
    }


def _with_arguments(engine: Engine, stored: StoredTask) -> TaskRecord:
    record = stored.record
    if record.status is not TaskStatus.PENDING:
        record.due_at = None
    if stored.payload is not None and not record.args and not record.kwargs:
        with suppress(PayloadUnreadable):  # shown without arguments; running it will say why
            record.args, record.kwargs = codec.decode(stored.payload, engine.registry.types)
    return record
