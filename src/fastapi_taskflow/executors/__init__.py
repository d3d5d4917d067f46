"""Where tasks run; `base` has the port for places of your own."""

from fastapi_taskflow.executors.base import Call, Executor, Log, OnEnd, Reason, Run, Told
from fastapi_taskflow.executors.local import perform
from fastapi_taskflow.rules.context import TaskExecutionContext
from fastapi_taskflow.rules.ends import Lost, Raised, Returned, Stopped, failure
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = [
    "Call",
    "Executor",
    "Log",
    "Lost",
    "OnEnd",
    "Raised",
    "Reason",
    "Returned",
    "Run",
    "Stopped",
    "TaskArgumentError",
    "TaskExecutionContext",
    "Told",
    "failure",
    "perform",
]
