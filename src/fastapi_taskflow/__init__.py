"""Background tasks for FastAPI with retries, durable state, and live visibility."""

from fastapi_taskflow._version import __version__
from fastapi_taskflow.admin.taskadmin import TaskAdmin
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.backends.base import Backend, SnapshotBackend
from fastapi_taskflow.backends.memory import MemoryBackend
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
from fastapi_taskflow.rules.redaction import Sensitive
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.errors import (
    Cancel,
    ConfigurationError,
    EngineNotRunning,
    IdempotencyConflict,
    QueueFullError,
    Retry,
    Snooze,
    StoreUnavailable,
    TaskArgumentError,
    TaskflowError,
)
from fastapi_taskflow.words.models import (
    AuditEntry,
    QueueConfig,
    TaskConfig,
    TaskContext,
    TaskRecord,
    TaskStatus,
)

__all__ = [
    "AuditEntry",
    "AuthUser",
    "Backend",
    "Cancel",
    "ConfigurationError",
    "EngineNotRunning",
    "Enqueued",
    "FileLogger",
    "IdempotencyConflict",
    "InMemoryLogger",
    "LifecycleEvent",
    "LogEvent",
    "LoggerChain",
    "ManagedBackgroundTasks",
    "MemoryBackend",
    "QueueConfig",
    "QueueFullError",
    "Retry",
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
    "TaskConfig",
    "TaskContext",
    "TaskExecutionContext",
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
