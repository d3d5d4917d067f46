"""Background tasks for FastAPI with retries, durable state, and live visibility.

A name is imported when it is first asked for: a child process that runs a task's function needs
neither the engine nor FastAPI.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from fastapi_taskflow._version import __version__

if TYPE_CHECKING:
    from fastapi_taskflow.admin.taskadmin import TaskAdmin
    from fastapi_taskflow.app.background import ManagedBackgroundTasks
    from fastapi_taskflow.backends.base import Backend, SnapshotBackend
    from fastapi_taskflow.backends.memory import MemoryBackend
    from fastapi_taskflow.backends.mysql import MySQLBackend
    from fastapi_taskflow.backends.postgres import PostgresBackend
    from fastapi_taskflow.backends.redis import RedisBackend
    from fastapi_taskflow.backends.sqlite import SqliteBackend
    from fastapi_taskflow.loggers import (
        FileLogger,
        InMemoryLogger,
        LifecycleEvent,
        LogEvent,
        LoggerChain,
        StdoutLogger,
        TaskObserver,
    )
    from fastapi_taskflow.manager import TaskManager
    from fastapi_taskflow.rules.auth.users import AuthUser, TaskAuthBackend
    from fastapi_taskflow.rules.calls import Enqueued, TaskCall
    from fastapi_taskflow.rules.context import TaskExecutionContext, get_task_context, task_log
    from fastapi_taskflow.rules.orderkeys import Key
    from fastapi_taskflow.rules.redaction import Sensitive
    from fastapi_taskflow.rules.registry import TaskRegistry
    from fastapi_taskflow.words.batches import Batch, BatchNotFound, BatchStatus
    from fastapi_taskflow.words.errors import (
        Cancel,
        ConfigurationError,
        EngineNotRunning,
        IdempotencyConflict,
        QueueFullError,
        ResultUnavailable,
        Retry,
        Snooze,
        StoreUnavailable,
        TaskArgumentError,
        TaskCancelled,
        TaskFailed,
        TaskflowError,
    )
    from fastapi_taskflow.words.models import (
        AuditEntry,
        QueueConfig,
        ScheduledOnce,
        TaskConfig,
        TaskContext,
        TaskRecord,
        TaskStatus,
    )

__all__ = [
    "AuditEntry",
    "AuthUser",
    "Backend",
    "Batch",
    "BatchNotFound",
    "BatchStatus",
    "Cancel",
    "ConfigurationError",
    "EngineNotRunning",
    "Enqueued",
    "FileLogger",
    "IdempotencyConflict",
    "InMemoryLogger",
    "Key",
    "LifecycleEvent",
    "LogEvent",
    "LoggerChain",
    "ManagedBackgroundTasks",
    "MemoryBackend",
    "MySQLBackend",
    "PostgresBackend",
    "QueueConfig",
    "QueueFullError",
    "RedisBackend",
    "ResultUnavailable",
    "Retry",
    "ScheduledOnce",
    "Sensitive",
    "SnapshotBackend",
    "Snooze",
    "SqliteBackend",
    "StdoutLogger",
    "StoreUnavailable",
    "TaskAdmin",
    "TaskArgumentError",
    "TaskAuthBackend",
    "TaskCall",
    "TaskCancelled",
    "TaskConfig",
    "TaskContext",
    "TaskExecutionContext",
    "TaskFailed",
    "TaskManager",
    "TaskObserver",
    "TaskRecord",
    "TaskRegistry",
    "TaskStatus",
    "TaskflowError",
    "__version__",
    "get_task_context",
    "task_log",
]

# As type checkers read it above.
_NAMES = {
    "admin.taskadmin": "TaskAdmin",
    "app.background": "ManagedBackgroundTasks",
    "backends.base": "Backend SnapshotBackend",
    "backends.memory": "MemoryBackend",
    "backends.mysql": "MySQLBackend",
    "backends.postgres": "PostgresBackend",
    "backends.redis": "RedisBackend",
    "backends.sqlite": "SqliteBackend",
    "loggers": "FileLogger InMemoryLogger LifecycleEvent LogEvent LoggerChain StdoutLogger "
    "TaskObserver",
    "manager": "TaskManager",
    "rules.auth.users": "AuthUser TaskAuthBackend",
    "rules.calls": "Enqueued TaskCall",
    "rules.context": "TaskExecutionContext get_task_context task_log",
    "rules.orderkeys": "Key",
    "rules.redaction": "Sensitive",
    "rules.registry": "TaskRegistry",
    "words.batches": "Batch BatchNotFound BatchStatus",
    "words.errors": "Cancel ConfigurationError EngineNotRunning IdempotencyConflict "
    "QueueFullError ResultUnavailable Retry Snooze StoreUnavailable TaskArgumentError "
    "TaskCancelled TaskFailed TaskflowError",
    "words.models": "AuditEntry QueueConfig ScheduledOnce TaskConfig TaskContext TaskRecord "
    "TaskStatus",
}
_PLACES = {name: place for place, names in _NAMES.items() for name in names.split()}

# Type checkers would take any name for one that there is.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
