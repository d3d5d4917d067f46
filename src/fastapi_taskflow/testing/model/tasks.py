"""One task and one idempotency key in the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from fastapi_taskflow.backends.base import Attempt, NewTask, StoredTask
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.states import LIVE

__all__ = ["ModelKey", "ModelTask", "comparable"]


@dataclass
class ModelTask:
    """A task as the model has it; fields as in `StoredTask` and `TaskRecord`."""

    new: NewTask
    arrival: int
    birth_fence: int
    status: TaskStatus = TaskStatus.PENDING
    fence: int = 0
    owner: str | None = None
    claim_id: str | None = None
    due_at: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    elapsed: float | None = None
    retries_used: int = 0
    failures: int = 0
    interruptions: int = 0
    error: str | None = None
    stacktrace: str | None = None
    cancel_asked: bool = False
    retried_as: str | None = None
    instance: str | None = None
    logs: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    # Fences of claims that ended without an attempt: sent again after a new claim, such an
    # end cannot be told from a late one, so the contract leaves it open.
    quiet: set[int] = field(default_factory=set)

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def free(self) -> bool:
        """Whether it waits for a claim."""
        return self.status is TaskStatus.PENDING and self.owner is None and self.new.persist

    @property
    def waiting(self) -> bool:
        """Whether it takes a place in its queue."""
        return self.status is TaskStatus.PENDING and self.start_time is None

    def copied(self) -> ModelTask:
        return replace(
            self, logs=list(self.logs), attempts=list(self.attempts), quiet=set(self.quiet)
        )

    def view(self, alias: str | None = None) -> StoredTask:
        """What `Backend.get` answers for it, or for an alias of it."""
        new = self.new
        record = TaskRecord(
            task_id=alias or new.task_id,
            func_name=new.func_name,
            status=self.status,
            args=(),
            kwargs={},
            created_at=new.created_at,
            start_time=self.start_time,
            end_time=self.end_time,
            retries_used=self.retries_used,
            error=self.error,
            logs=list(self.logs),
            stacktrace=self.stacktrace,
            idempotency_key=new.idempotency_key,
            tags=dict(new.tags),
            source=new.source,
            priority=new.priority,
            executor=new.executor,
            queue=new.queue,
            retry_of=new.retry_of,
            retried_as=self.retried_as,
            duplicate_of=new.task_id if alias else None,
            instance=self.instance,
            due_at=self.due_at,
            elapsed=self.elapsed,
        )
        return comparable(
            StoredTask(
                record,
                new.payload,
                new.persist,
                new.requeue,
                self.failures,
                self.interruptions,
                self.fence,
                self.owner,
                self.cancel_asked,
            )
        )


def comparable(stored: StoredTask) -> StoredTask:
    """Without what no rule promises: the last attempt's length while the task is live."""
    if stored.record.status not in LIVE:
        return stored
    return stored._replace(record=replace(stored.record, elapsed=None))


@dataclass
class ModelKey:
    """Who holds an idempotency key; ``expires`` is None while that task is live."""

    fingerprint: bytes | None
    task_id: str
    ttl: float
    expires: datetime | None = None
