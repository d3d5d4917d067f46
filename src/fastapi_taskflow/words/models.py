"""The public data model: what a task, its settings and its audit trail look like.

The classes keep the form of the original specification (``seeds/``): its fields come
first and in its order; later ones are added at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from fastapi_taskflow.words.loglines import LogEntry, entries
from fastapi_taskflow.words.queueconfig import QueueConfig
from fastapi_taskflow.words.said import Progress
from fastapi_taskflow.words.schedules import ScheduledOnce, ScheduleInfo, SlotInfo
from fastapi_taskflow.words.taskconfig import TaskConfig
from fastapi_taskflow.words.taskcontext import TaskContext
from fastapi_taskflow.words.waiting import Waiting

__all__ = [
    "AuditEntry",
    "LogEntry",
    "QueueConfig",
    "ScheduleInfo",
    "ScheduledOnce",
    "SlotInfo",
    "TaskConfig",
    "TaskContext",
    "TaskRecord",
    "TaskStatus",
]


class TaskStatus(str, Enum):  # noqa: UP042  (the specification names `str, Enum`)
    """Where a task is in its life. The last five are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


def _now() -> datetime:
    return datetime.now(UTC)


def _aware(moment: datetime) -> datetime:
    """A time without an offset, as users write them in tests and tools, counts as UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else _aware(moment).isoformat()


@dataclass
class TaskRecord:
    """Live and stored state of one task.

    All times are aware UTC; one without an offset counts as UTC. ``start_time``,
    ``end_time`` and ``duration`` are those of the last attempt. ``args`` and ``kwargs`` are
    empty where only ``encrypted_payload`` is stored, or where the arguments of a non-durable
    task could not be stored.
    """

    task_id: str
    func_name: str
    status: TaskStatus
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=_now)
    start_time: datetime | None = None
    end_time: datetime | None = None
    retries_used: int = 0
    error: str | None = None
    logs: list[str] = field(default_factory=list)
    stacktrace: str | None = None
    idempotency_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    encrypted_payload: bytes | None = None
    source: str = "manual"
    priority: int | None = None
    executor: str | None = None
    # Beyond the specification
    queue: str = "default"
    retry_of: str | None = None
    retried_as: str | None = None
    duplicate_of: str | None = None
    instance: str | None = None
    due_at: datetime | None = None
    elapsed: float | None = None
    progress: Progress | None = None
    result: Any = None
    result_missing: str | None = None
    title: str | None = None
    summary: str | None = None
    # Tasks of one key run one at a time, in order.
    order_key: str | None = None
    batch_id: str | None = None
    failure: str | None = None
    # Where it is asked for, of a task that waits.
    waiting_for: Waiting | None = None

    @property
    def duration(self) -> float | None:
        """Seconds that the last attempt took; None until the task has ended.

        Measured on a monotonic clock where that was possible, so a wall clock that is
        set back never makes it negative.
        """
        if self.start_time is None or self.end_time is None:
            return None
        if self.elapsed is not None:
            return self.elapsed
        return max(0.0, (_aware(self.end_time) - _aware(self.start_time)).total_seconds())

    def log_entries(self, *, min_level: str = "debug") -> list[LogEntry]:
        """The lines of ``logs`` in their parts: number, time, level and message.

        Args:
            min_level: Lines below it are left out; the marks of the library stay.

        Raises:
            ConfigurationError: there is no such level.
        """
        return entries(self.logs, min_level=min_level)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-serialisable values, without arguments or payload.

        Times are ISO 8601 with an offset.
        """
        return {
            "task_id": self.task_id,
            "func_name": self.func_name,
            "status": self.status.value,
            "created_at": _iso(self.created_at),
            "start_time": _iso(self.start_time),
            "end_time": _iso(self.end_time),
            "duration": self.duration,
            "retries_used": self.retries_used,
            "error": self.error,
            "logs": [str(line) for line in self.logs],
            "stacktrace": self.stacktrace,
            "tags": dict(self.tags),
            "source": self.source,
            "priority": self.priority,
            "executor": self.executor,
            "queue": self.queue,
            "retry_of": self.retry_of,
            "retried_as": self.retried_as,
            "duplicate_of": self.duplicate_of,
            "instance": self.instance,
            "due_at": _iso(self.due_at),
            "batch_id": self.batch_id,
            "progress": None if self.progress is None else self.progress.to_dict(),
            "title": self.title,
            "summary": self.summary,
            "failure": self.failure,
            "order_key": self.order_key,
            "waiting_for": None if self.waiting_for is None else self.waiting_for.to_dict(),
        }


@dataclass
class AuditEntry:
    """One action of an operator. ``timestamp`` is aware UTC; without an offset it counts as UTC.

    The store gives it a ``hash``, over itself and that of the ``previous`` entry.
    """

    entry_id: str
    action: str
    task_id: str
    actor: str
    timestamp: datetime
    detail: dict[str, Any] = field(default_factory=dict)
    previous: str = field(default="", compare=False)
    hash: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON-serialisable values; the time is ISO 8601 with an offset."""
        return {
            "entry_id": self.entry_id,
            "action": self.action,
            "task_id": self.task_id,
            "actor": self.actor,
            "timestamp": _iso(self.timestamp),
            "detail": dict(self.detail),
        }
