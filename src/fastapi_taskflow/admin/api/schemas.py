"""What the JSON routes take and give, as OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fastapi_taskflow.backends.base import Attempt
from fastapi_taskflow.operations import Inspection
from fastapi_taskflow.words.models import AuditEntry, TaskRecord, TaskStatus
from fastapi_taskflow.words.texts import clip

__all__ = [
    "AttemptInfo",
    "AuditInfo",
    "FunctionInfo",
    "Model",
    "Moment",
    "Percentile",
    "ProblemInfo",
    "PurgeInfo",
    "QueueChanges",
    "QueueInfo",
    "TaskAction",
    "TaskDetail",
    "TaskInfo",
    "encodable",
    "shown_arguments",
]

# One argument as text; a task's arguments have up to 256 KiB when encoded.
_ARGUMENT_LIMIT_BYTES = 4_096
# What every store's integers hold.
_LARGEST = 2**31 - 1


def _number(value: Any) -> Any:
    """Text and booleans are no numbers here; JSON's 5.0 is the integer 5."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a whole number")
    return value


Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, description="ISO 8601 with offset, UTC")
]


Percentile = Annotated[
    float | None,
    Field(
        description="Seconds, within 4.5 %, that so many percent of the tasks that succeeded or "
        "failed did not exceed; null without any"
    ),
]


class Model(BaseModel):
    """What a route takes or answers: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class TaskInfo(Model):
    """One task."""

    task_id: str
    func_name: str
    status: TaskStatus
    created_at: Moment
    start_time: Moment | None
    end_time: Moment | None
    duration: float | None = Field(description="Seconds that the last attempt took")
    retries_used: int
    error: str | None
    logs: list[str] = Field(description="What the task said. Empty in brief lists")
    stacktrace: str | None = Field(
        description="Of the last attempt that failed. Null in brief lists"
    )
    tags: dict[str, str]
    source: str
    priority: int | None
    executor: str | None
    queue: str
    retry_of: str | None = Field(description="The task that this one retries, by hand")
    retried_as: str | None
    duplicate_of: str | None = Field(description="The task that its idempotency key led to")
    instance: str | None
    due_at: Moment | None = Field(description="A pending task starts no earlier")

    @classmethod
    def of(cls, record: TaskRecord) -> Self:
        """All that the record says of itself."""
        return cls.model_validate(_encodable(record.to_dict()))

    @classmethod
    def brief(cls, record: TaskRecord) -> Self:
        """Without logs and stack trace."""
        return cls.of(replace(record, logs=[], stacktrace=None))


class AttemptInfo(Model):
    """An attempt that has ended, beside the one that the task's own fields show."""

    number: int = Field(description="Attempts that had failed before it")
    instance: str | None
    started_at: Moment | None
    ended_at: Moment
    duration: float | None = Field(description="Seconds")
    outcome: str
    error: str | None
    stacktrace: str | None
    late: bool = Field(description="It ended after another instance had taken over; ignored")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            number=attempt.number,
            instance=attempt.instance,
            started_at=_iso(attempt.started_at),
            ended_at=attempt.ended_at.isoformat(),
            duration=attempt.elapsed,
            outcome=attempt.move.value,
            error=attempt.error,
            stacktrace=attempt.stacktrace,
            late=attempt.late,
        )


class TaskDetail(TaskInfo):
    """One task with its history."""

    attempts: list[AttemptInfo]
    durable: bool
    cancel_requested: bool
    stranded: bool = Field(description="It waits, and no live instance knows its function")
    contents_hidden: bool = Field(
        description="Arguments and log lines are left out, because a viewer asks"
    )
    args: list[str] | None = Field(
        None, description="As Python would write them; with display_func_args only"
    )
    kwargs: dict[str, str] | None = Field(None, description="With display_func_args only")

    @classmethod
    def inspected(cls, found: Inspection, *, show_arguments: bool) -> Self:
        shown: dict[str, Any] = {}
        if show_arguments:
            shown["args"], shown["kwargs"] = shown_arguments(found.record)
        return cls(
            **TaskInfo.of(found.record).model_dump(),
            attempts=[AttemptInfo.of(attempt) for attempt in found.attempts],
            durable=found.durable,
            cancel_requested=found.cancel_asked,
            stranded=found.stranded,
            contents_hidden=False,
            **shown,
        )

    def masked(self) -> Self:
        """As viewers see it."""
        hidden: dict[str, Any] = {"logs": [], "contents_hidden": True}
        hidden |= dict.fromkeys({"args", "kwargs"} & self.model_fields_set)
        return self.model_copy(update=hidden)


class TaskAction(Model):
    """The task that an operation made or changed, and its id."""

    task_id: str
    task: TaskInfo


class QueueInfo(Model):
    """One queue: its limits, and its tasks on all instances. A null limit is none."""

    name: str
    concurrency: int | None
    max_size: int | None
    paused: bool
    pending: int
    running: int
    finished: int
    rejected: int


class QueueChanges(Model):
    """New limits of a queue. A field left out stays as it is, null takes the limit away."""

    concurrency: Annotated[int, Field(ge=1, le=_LARGEST), BeforeValidator(_number)] | None = None
    max_size: Annotated[int, Field(ge=0, le=_LARGEST), BeforeValidator(_number)] | None = None


class FunctionInfo(Model):
    """Totals of one function."""

    func_name: str
    pending: int
    running: int
    ended: int
    success: int
    failed: int
    success_rate: float
    avg_duration_seconds: float | None
    p50: Percentile
    p95: Percentile


class AuditInfo(Model):
    """One act of an operator. `task_id` is a queue's name where a queue was acted on, and
    `history`, `bulk-retry` or `retry-failed` where many tasks were, and `session` where
    somebody signed in or out.
    """

    entry_id: str
    action: str
    task_id: str
    actor: str
    timestamp: Moment
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.model_validate(entry.to_dict())


class PurgeInfo(Model):
    """How many records of ended tasks were deleted."""

    deleted: int = Field(description="Tasks in all, each counted once")
    store: int = Field(description="In the memory of the process that answers")
    backend: int


class ProblemInfo(Model):
    """Why a request was refused."""

    detail: str
    task_id: str | None = Field(
        None, description="The task in the way: the retry that exists, or who holds the key"
    )


def shown_arguments(record: TaskRecord) -> tuple[list[str], dict[str, str]]:
    """A task's arguments as Python would write them, each cut to a few thousand bytes."""
    return (
        [_written(value) for value in record.args],
        {encodable(name): _written(value) for name, value in record.kwargs.items()},
    )


def _written(value: Any) -> str:
    try:
        text = repr(value)
    # The value's own code runs here.
    except Exception as error:
        text = f"<its repr() raised {type(error).__name__}>"
    return clip(encodable(text), _ARGUMENT_LIMIT_BYTES)


def encodable(text: str) -> str:
    """``text`` with ``?`` for lone surrogates, for which UTF-8 has no form."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _encodable(fields: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        name: encodable(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }
    known["tags"] = {encodable(name): encodable(value) for name, value in fields["tags"].items()}
    known["logs"] = [encodable(line) for line in fields["logs"]]
    return known


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
