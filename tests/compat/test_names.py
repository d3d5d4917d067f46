"""What an app that was written for the older package imports and constructs."""

import importlib
from typing import Any

import pytest
from fastapi import FastAPI

import fastapi_taskflow
from fastapi_taskflow import (
    Backend,
    ConfigurationError,
    FileLogger,
    InMemoryLogger,
    LoggerChain,
    MemoryBackend,
    SnapshotBackend,
    SqliteBackend,
    TaskAdmin,
    TaskManager,
)

NAMES = """
    TaskManager TaskAdmin TaskAuthBackend ManagedBackgroundTasks TaskStatus TaskRecord TaskConfig
    TaskContext QueueConfig AuditEntry TaskRegistry QueueFullError TaskArgumentError
    IdempotencyConflict StoreUnavailable TaskflowError TaskObserver LogEvent LifecycleEvent
    LoggerChain FileLogger StdoutLogger InMemoryLogger TaskExecutionContext task_log
    get_task_context Retry Snooze Cancel TaskCall Enqueued EngineNotRunning ConfigurationError
    Backend SnapshotBackend SqliteBackend MemoryBackend __version__
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_public_name_stands_at_the_top(name):
    assert name in fastapi_taskflow.__all__
    assert hasattr(fastapi_taskflow, name)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("models", "TaskRecord TaskStatus TaskConfig QueueConfig TaskContext AuditEntry"),
        ("exceptions", "QueueFullError TaskArgumentError"),
        ("backends", "Backend SnapshotBackend SqliteBackend MemoryBackend"),
        ("backends.base", "SnapshotBackend"),
        ("backends.memory", "MemoryBackend"),
        ("backends.sqlite", "SqliteBackend"),
        ("loggers", "FileLogger StdoutLogger InMemoryLogger LoggerChain TaskObserver LogEvent"),
        ("loggers.base", "LogEvent LifecycleEvent TaskObserver"),
        ("loggers.file", "FileLogger"),
        ("executors", "TaskExecutionContext TaskArgumentError"),
        ("testing", "drain async_drain"),
        ("cli", "main"),
    ],
)
def test_a_module_of_the_older_package_has_its_names(module, names):
    found = importlib.import_module(f"fastapi_taskflow.{module}")

    assert [name for name in names.split() if not hasattr(found, name)] == []


async def test_settings_without_a_meaning_yet_are_accepted(tmp_path):
    settings: dict[str, Any] = {
        "merged_list_ttl": 5.0,
        "max_process_workers": 4,
        "process_shutdown_timeout": 30.0,
        "snapshot_backend": SqliteBackend(str(tmp_path / "tasks.db"), max_workers=4),
    }

    manager = TaskManager(**settings)
    TaskAdmin(FastAPI(), manager, "/admin", True, poll_interval=30.0)

    async with manager:
        assert await manager.merged_list() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"merged_list_ttl": -1},
        {"max_process_workers": 0},
        {"process_shutdown_timeout": "30"},
    ],
)
def test_they_are_checked_all_the_same(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        TaskManager(**wrong)


def test_an_interval_of_polling_is_checked():
    with pytest.raises(ConfigurationError, match="poll_interval"):
        TaskAdmin(FastAPI(), TaskManager(), poll_interval=0)


def test_a_chain_is_given_its_loggers_by_name(tmp_path):
    logger, file = InMemoryLogger(), FileLogger(tmp_path / "tasks.log")

    assert LoggerChain(loggers=[logger, file]).observers == (logger, file)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_log_file_that_a_logger_has_already_is_not_written_twice(tmp_path, monkeypatch, absolute):
    monkeypatch.chdir(tmp_path)
    logger = FileLogger("tasks.log")

    manager = TaskManager(
        loggers=[logger], log_file=tmp_path / "tasks.log" if absolute else "tasks.log"
    )

    assert manager.logger.observers == (logger,)


# Backends


def test_the_older_name_of_the_port_is_the_port():
    assert SnapshotBackend is Backend
    assert isinstance(MemoryBackend(), SnapshotBackend)


class _Older:
    async def save(self, records: list[Any]) -> int:
        return 0

    async def load(self) -> list[Any]:
        return []

    save_pending = save
    load_pending = load

    async def clear_pending(self) -> None: ...

    async def close(self) -> None: ...


def test_a_snapshot_backend_of_the_older_kind_is_refused_with_what_it_lacks():
    class Mine(_Older, SnapshotBackend):
        pass

    with pytest.raises(ConfigurationError) as refused:
        Mine()

    text = str(refused.value)
    assert text.startswith("Mine cannot store tasks: it lacks append_audit, append_logs, ")
    assert "close" not in text.partition(".")[0].split()
    assert "those of the older package" in text


def test_so_is_one_that_only_looks_like_it():
    with pytest.raises(ConfigurationError, match=r"_Older cannot store tasks: it lacks .*insert"):
        TaskManager(snapshot_backend=_Older())


def test_what_is_no_backend_at_all_is_refused_without_a_word_of_it():
    with pytest.raises(ConfigurationError) as refused:
        TaskManager(snapshot_backend=7)

    assert "older package" not in str(refused.value)
