"""Observers: what tasks say and what becomes of them, in files, on stdout, in memory."""

from fastapi_taskflow.loggers.base import LifecycleEvent, LogEvent, TaskEvent, TaskObserver
from fastapi_taskflow.loggers.fanout import LoggerChain
from fastapi_taskflow.loggers.file import FileLogger
from fastapi_taskflow.loggers.memory import InMemoryLogger
from fastapi_taskflow.loggers.stdout import StdoutLogger

__all__ = [
    "FileLogger",
    "InMemoryLogger",
    "LifecycleEvent",
    "LogEvent",
    "LoggerChain",
    "StdoutLogger",
    "TaskEvent",
    "TaskObserver",
]
