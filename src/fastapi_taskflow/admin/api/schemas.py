"""What the JSON routes take and give, as OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from fastapi import Path
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fastapi_taskflow.admin.api.attempts import AttemptInfo
from fastapi_taskflow.admin.api.fields import Model, Moment, Percentile, ProgressInfo, WaitingInfo
from fastapi_taskflow.operations import Inspection
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.texts import clip

__all__ = [
    "AttemptInfo",
    "ExecutorInfo",
    "FunctionInfo",
    "LogLevel",
    "Model",
    "Moment",
    "Percentile",
    "ProgressInfo",
    "PurgeInfo",
    "QueueChanges",
    "QueueInfo",
    "TaskAction",
    "TaskDetail",
    "TaskId",
    "TaskInfo",
    "TaskflowProblem",
    "encodable",
    "shown_arguments",
    "shown_result",
]

# One argument as text; a task's arguments have up to 256 KiB when encoded.
_ARGUMENT_LIMIT_BYTES = 4_096
# What every store's integers hold.
_LARGEST = 2**31 - 1


TaskId = Annotated[str, Path(max_length=64)]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


def _number(value: Any) -> Any:
    """Text and booleans are no numbers here; JSON's 5.0 is the integer 5."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a whole number")
    return value


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
    batch_id: str | None = Field(description="The batch or chain that it is part of")
    progress: ProgressInfo | None = Field(description="What its function reported last")
    title: str | None = Field(description="Made of its arguments, as its function's settings say")
    summary: str | None = Field(description="What its function said of its work")
    failure: str | None = Field(description="The group of its last failure; see `/failures`")
    order_key: str | None = Field(description="Tasks of one key run one at a time, in order")
    waiting_for: WaitingInfo | None = Field(description="What a waiting task waits for")

    @classmethod
    def of(cls, record: TaskRecord) -> Self:
        """All that the record says of itself."""
        return cls.model_validate(_encodable(record.to_dict()))

    @classmethod
    def brief(cls, record: TaskRecord) -> Self:
        """Without logs and stack trace."""
        return cls.of(replace(record, logs=[], stacktrace=None))


class TaskDetail(TaskInfo):
    """One task with its history."""

    log_levels: list[LogLevel | None] = Field(
        description="Of the lines of `logs`, one for each; null for a mark of the library"
    )
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
    result: str | None = Field(
        None, description="As Python would write it; with display_func_args only"
    )
    result_missing: str | None = Field(description="Why there is no result of a success")

    @classmethod
    def inspected(cls, found: Inspection, *, show_arguments: bool) -> Self:
        levels = [entry.level for entry in found.record.log_entries()]
        shown: dict[str, Any] = {"log_levels": levels}
        if show_arguments:
            shown["args"], shown["kwargs"] = shown_arguments(found.record)
            shown["result"] = shown_result(found.record)
        return cls(
            **TaskInfo.of(found.record).model_dump(),
            attempts=[AttemptInfo.of(attempt) for attempt in found.attempts],
            durable=found.durable,
            cancel_requested=found.cancel_asked,
            stranded=found.stranded,
            contents_hidden=False,
            result_missing=found.record.result_missing,
            **shown,
        )

    def masked(self) -> Self:
        """As viewers see it."""
        hidden: dict[str, Any] = {"logs": [], "log_levels": [], "contents_hidden": True}
        hidden |= dict.fromkeys({"args", "kwargs", "result"} & self.model_fields_set)
        return self.model_copy(update=hidden)


class TaskAction(Model):
    """The task that an operation made or changed, and its id."""

    task_id: str
    task: TaskInfo


class ExecutorInfo(Model):
    """A place where functions run: event loop, threads, child processes, or the app's own."""

    name: str
    slots: int | None = Field(description="Runs that it takes at a time; null: any number")
    running: int | None = Field(description="Null: only that process knows")


class QueueInfo(Model):
    """One queue: its limits, and its tasks on all instances. A null limit is none."""

    name: str
    concurrency: int | None
    max_size: int | None
    paused: bool
    draining: bool = Field(default=False, description="It takes nothing new until it is resumed")
    drained: bool = Field(default=False, description="It drains, and nothing waits or runs")
    global_concurrency: int | None = None
    rate_limit: str | None = None
    pending: int
    running: int
    finished: int
    rejected: int
    waiting_since: Moment | None = Field(
        description="When the first of its tasks fell due that have not started; null: none is due"
    )
    executors: list[ExecutorInfo] = Field(
        description="Of the functions that it has tasks of, as far as this process knows them. "
        "Slots are those of all instances together, and other queues use them too"
    )


class QueueChanges(Model):
    """New limits of a queue. A field left out stays as it is, null takes the limit away."""

    concurrency: Annotated[int, Field(ge=1, le=_LARGEST), BeforeValidator(_number)] | None = None
    max_size: Annotated[int, Field(ge=0, le=_LARGEST), BeforeValidator(_number)] | None = None
    global_concurrency: (
        Annotated[int, Field(ge=1, le=_LARGEST), BeforeValidator(_number)] | None
    ) = None
    rate_limit: str | None = Field(default=None, description='Such as "100/m"')


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
    p99: Percentile


class PurgeInfo(Model):
    """How many records of ended tasks were deleted."""

    deleted: int = Field(description="Tasks in all, each counted once")
    store: int = Field(description="In the memory of the process that answers")
    backend: int


# References in our own words lead to it: its name is that of no model of an app's, for which
# FastAPI would give it another one.
class TaskflowProblem(Model):
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


def shown_result(record: TaskRecord) -> str | None:
    """What the task returned, likewise; None without anything."""
    return None if record.result is None else _written(record.result)


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


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {_encodable(name): _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value
