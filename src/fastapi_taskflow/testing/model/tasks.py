"""One task and one idempotency key in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fastapi_taskflow.backends.base import (
    Attempt,
    ClaimRequest,
    LogChunk,
    NewTask,
    Outcome,
    Snapshot,
    StoredTask,
)
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.states import LIVE

__all__ = ["ModelKey", "ModelTask", "comparable", "order", "throttle"]


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
    failure: str | None = None
    cancel_asked: bool = False
    # Another live task of its order key came before it.
    behind: bool = False
    retried_as: str | None = None
    instance: str | None = None
    # The latest of what its function told, and what it gave.
    told: dict[str, str] = field(default_factory=dict)
    result: bytes | None = None
    result_missing: str | None = None
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
        is_free = self.owner is None and not self.behind
        return self.status is TaskStatus.PENDING and is_free and self.new.persist

    @property
    def waiting(self) -> bool:
        """Whether it takes a place in its queue."""
        return self.status is TaskStatus.PENDING and self.start_time is None

    def put_off(self, micros: int, now: datetime) -> bool:
        """It waits so long for a token of its key."""
        if micros:
            self.due_at = now + timedelta(microseconds=micros)
        return micros > 0

    def hear(self, said: LogChunk | Outcome | Snapshot, status: TaskStatus | None = None) -> None:
        """Note what it tells, in which state it is then."""
        for name in ("progress", "emitted", "summary"):
            if (text := getattr(said, name)) is not None:
                self.told[name] = text
        if not isinstance(said, LogChunk) and said.result and status is TaskStatus.SUCCESS:
            self.result, self.result_missing = said.result.value, said.result.missing

    def copied(self) -> ModelTask:
        return replace(
            self,
            logs=list(self.logs),
            told=dict(self.told),
            attempts=list(self.attempts),
            quiet=set(self.quiet),
        )

    def view(self, alias: str | None = None) -> StoredTask:
        """What `Backend.get` answers for it, or for an alias of it."""
        new = self.new
        stored = StoredTask(
            self._record(alias),
            new.payload,
            new.persist,
            new.requeue,
            self.failures,
            self.interruptions,
            self.fence,
            self.owner,
            self.cancel_asked,
            behind=self.behind,
            progress=self.told.get("progress"),
            emitted=self.told.get("emitted"),
            result=self.result,
        )
        return comparable(stored)

    def _record(self, alias: str | None) -> TaskRecord:
        new = self.new
        return TaskRecord(
            task_id=alias or new.task_id,
            func_name=new.func_name,
            status=self.status,
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
            order_key=new.order_key,
            failure=self.failure,
            summary=self.told.get("summary"),
            result_missing=self.result_missing,
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


def throttle(keys: Mapping[str, ModelKey], task: ModelTask, now: datetime) -> None:
    """A task starts: if that is the first time, the span of its throttle begins."""
    key = task.new.idempotency_key or ""
    held = keys.get(key) if key.startswith("throttle=") else None
    if held is not None and held.task_id == task.new.task_id and task.start_time is None:
        held.expires = now + timedelta(seconds=held.ttl)


def order(request: ClaimRequest, now: datetime, task: ModelTask) -> tuple[float, datetime, int]:
    """The order of claims."""
    assert task.due_at is not None
    step = request.ageing.get(task.new.queue)
    gained = 0.0 if step is None else (now - task.due_at) / step
    return -(task.new.priority or 0) - gained, task.due_at, task.arrival
