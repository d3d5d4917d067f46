"""The public data model: what a task, its settings and its audit trail look like.

The classes keep the form of the original specification (``seeds/``): its fields come
first and in its order; later ones are added at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import Cancel

__all__ = [
    "AuditEntry",
    "QueueConfig",
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
            "logs": list(self.logs),
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
        }


@dataclass
class TaskContext:
    """What a running task may know of itself; see `get_task_context`.

    ``attempt`` is the number of attempts that failed before this one: 0 on the first
    run, 1 on the first retry. ``fence`` grows with every claim of the task and can guard
    writes to outside systems against an older run that was believed dead.
    """

    task_id: str
    func_name: str
    attempt: int
    tags: dict[str, str] = field(default_factory=dict)
    # Beyond the specification
    fence: int = 0
    _asked: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """True once somebody asked to cancel this task, or its attempt is over: it timed out,
        a shutdown's time ran out, or another instance has the task.
        """
        return self._asked() in ("cancel", "timeout", "over")

    @property
    def stopping(self) -> bool:
        """True once this instance drains: finish soon, or save what must not be lost."""
        return self._asked() is not None

    def check_cancelled(self) -> None:
        """Raise `Cancel` if the task was asked to stop; call it between steps of a thread.

        Raises:
            Cancel: cancel was asked for, or the attempt is over; see `cancelled`.
        """
        if self.cancelled:
            raise Cancel("cancelled on request")


@dataclass
class TaskConfig:
    """Settings of a registered function; made by ``@task_manager.task()``.

    Spans are float seconds. ``retries`` counts attempts after the first.
    """

    retries: int = 0
    delay: float = 0.0
    backoff: float = 1.0
    persist: bool = False
    name: str | None = None
    requeue_on_interrupt: bool = False
    eager: bool = False
    priority: int | None = None
    executor: str | None = None
    # Beyond the specification
    queue: str | None = None
    max_delay: float | None = None
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    no_retry_on: tuple[type[BaseException], ...] = ()
    timeout: float | None = None


@dataclass
class QueueConfig:
    """Limits of one queue.

    Args:
        concurrency: Tasks of this queue that one instance runs at a time; None: no limit.
        max_size: Tasks that may wait unstarted in the whole store; None: no limit.
        paused: Nothing of the queue starts while True.

    Raises:
        ConfigurationError: a limit that cannot work.
    """

    concurrency: int | None = None
    max_size: int | None = None
    paused: bool = False

    def __post_init__(self) -> None:
        self.concurrency = limits.optional(limits.whole, "concurrency", self.concurrency, least=1)
        self.max_size = limits.optional(limits.whole, "max_size", self.max_size, least=0)
        self.paused = limits.switch("paused", self.paused)


@dataclass
class AuditEntry:
    """One action of an operator. ``timestamp`` is aware UTC; without an offset it counts as UTC."""

    entry_id: str
    action: str
    task_id: str
    actor: str
    timestamp: datetime
    detail: dict[str, Any] = field(default_factory=dict)

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
