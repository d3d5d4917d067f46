"""Where tasks run; `base` has the port for places of your own."""

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Reason, Run, Told
from fastapi_taskflow.executors.local import perform
from fastapi_taskflow.rules.context import TaskExecutionContext
from fastapi_taskflow.rules.ends import Lost, Raised, Returned, Stopped, failure
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.said import Emitted, Line, Progress, Said, Say

__all__ = [
    "Call",
    "Emitted",
    "Executor",
    "Line",
    "Lost",
    "OnEnd",
    "Progress",
    "Raised",
    "Reason",
    "Returned",
    "Run",
    "Said",
    "Say",
    "Stopped",
    "TaskArgumentError",
    "TaskExecutionContext",
    "Told",
    "failure",
    "perform",
]
