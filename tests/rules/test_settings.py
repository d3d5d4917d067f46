"""Settings of constructors are checked where they are written, and taken as plain values."""

import re
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import SecretStr

from fastapi_taskflow import (
    ConfigurationError,
    InMemoryLogger,
    LoggerChain,
    ManagedBackgroundTasks,
    MemoryBackend,
    QueueConfig,
    SqliteBackend,
    StdoutLogger,
    TaskAdmin,
    TaskManager,
)


def named(settings: dict[str, Any]) -> str:
    """The same in each process that runs a part of the tests."""
    return re.sub(r" at 0x\w+", "", str(settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"requeue_pending": "false"},
        {"requeue_pending": 0},
        {"retry_replaces_original": "no"},
        {"log_lifecycle": "yes"},
        {"max_concurrent_tasks": 1.5},
        {"max_concurrent_tasks": "10"},
        {"max_concurrent_tasks": 0},
        {"max_concurrent_tasks": 2**31},
        {"max_sync_threads": True},
        {"max_payload_bytes": -1},
        {"max_loop_lag": 0},
        {"max_loop_lag": "late"},
        {"drain_timeout": "25"},
        {"drain_timeout": float("nan")},
        {"heartbeat_interval": None},
        {"heartbeat_interval": 0},
        {"instance_ttl": 10**400},
        {"idempotency_ttl": -1},
        {"idempotency_ttl": 1e308},
        {"heartbeat_interval": 1e300, "instance_ttl": 1e305},
        {"snapshot_interval": 0},
        {"retention_days": "30"},
        {"retention_days": 0},
        {"request_lane": "detatched"},
        {"request_lane": ["attached"]},
        {"roles": "execute"},
        {"roles": ["exekute"]},
        {"roles": [[]]},
        {"roles": 5},
        {"loggers": InMemoryLogger()},
        {"loggers": [InMemoryLogger]},
        {"queues": ["mail"]},
        {"queues": "mail"},
        {"queues": {"mail": 5}},
        {"queues": {"mail": {"concurrency": 5}}},
        {"queues": {5: QueueConfig()}},
        {"queues": {"a\nb": QueueConfig()}},
        {"max_size": "10"},
        {"snapshot_db": b"tasks.db"},
        {"snapshot_db": 5},
        {"snapshot_db": ""},
        {"snapshot_backend": 5},
        {"snapshot_backend": SqliteBackend},
        {"table_prefix": 5, "snapshot_db": "tasks.db"},
        {"redact": [5]},
        {"redact": 5},
        {"encrypt_args_key": 5},
        {"encrypt_args_key": SecretStr("x" * 32)},
        {"encrypt_args_key": {"key": "x" * 32}},
        {"log_file": 5},
    ],
    ids=named,
)
def test_a_manager_refuses_what_cannot_work(settings: dict[str, Any]) -> None:
    setting = next(iter(settings))

    with pytest.raises(ConfigurationError, match=rf"{setting}|SqliteBackend|LoggerChain"):
        TaskManager(**settings)


@pytest.mark.parametrize("address", ["sqlite:///tasks.db", "postgresql://ada:hush@db/tasks"])
def test_an_address_as_a_path_is_sent_to_the_right_setting(address: str) -> None:
    with pytest.raises(ConfigurationError, match="snapshot_backend=") as refused:
        TaskManager(snapshot_db=address)

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["oracle://ada:hush@db/tasks", "sqlite://ada:hush@db", "x://hush@[db", "x.db"]
)
def test_an_address_that_nobody_knows_shows_no_password(address: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        TaskManager(snapshot_backend=address)

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"concurrency": "3"},
        {"concurrency": 0},
        {"concurrency": True},
        {"max_size": -1},
        {"max_size": 1.5},
        {"max_size": 2**40},
        {"paused": "false"},
        {"paused": 0},
    ],
    ids=named,
)
def test_a_queue_refuses_limits_that_cannot_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(settings))} takes"):
        QueueConfig(**settings)


def test_a_queue_that_was_changed_is_checked_again() -> None:
    config = QueueConfig(concurrency=3)
    config.concurrency = 0

    with pytest.raises(ConfigurationError, match="concurrency takes"):
        TaskManager(queues={"mail": config})


@pytest.mark.parametrize(
    "settings",
    [
        {"display_func_args": "false"},
        {"auto_install": "no"},
        {"read_only": 0},
        {"viewers_read_contents": None},
        {"include_in_schema": "yes"},
        {"token_expiry": True},
        {"token_expiry": "86400"},
        {"poll_interval": 0},
        {"title": 5},
        {"title": ""},
        {"path": None},
        {"retention_days": "30"},
        {"role": "boss"},
        {"dependencies": Depends(print)},
        {"dependencies": [print]},
    ],
    ids=named,
)
def test_the_admin_refuses_what_cannot_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))}"):
        TaskAdmin(FastAPI(), TaskManager(), **settings)


def test_app_and_manager_in_the_wrong_places_are_told_apart() -> None:
    wrong: Any = TaskAdmin

    with pytest.raises(ConfigurationError, match="app takes the FastAPI app, got an object of"):
        wrong(TaskManager(), FastAPI())
    with pytest.raises(ConfigurationError, match="task_manager takes a TaskManager"):
        wrong(FastAPI(), MemoryBackend())


@pytest.mark.parametrize("method", ["install", "init_app"])
def test_a_router_is_no_app(method: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{method} takes the FastAPI app"):
        getattr(TaskManager(), method)(APIRouter())


def test_background_tasks_are_made_for_a_manager() -> None:
    wrong: Any = FastAPI()

    with pytest.raises(ConfigurationError, match="a TaskManager, got an object of fastapi"):
        ManagedBackgroundTasks(wrong)


def test_observers_refuse_what_cannot_work() -> None:
    wrong: Any = "false"

    with pytest.raises(ConfigurationError, match="log_lifecycle takes True or False"):
        StdoutLogger(log_lifecycle=wrong)
    with pytest.raises(ConfigurationError, match="a list of TaskObserver"):
        LoggerChain(wrong)


@pytest.mark.parametrize(
    "change",
    [{"concurrency": "3"}, {"concurrency": 0}, {"max_size": 1.5}, {"max_size": 2**40}],
    ids=named,
)
async def test_a_queue_cannot_be_changed_to_what_cannot_work(change: dict[str, Any]) -> None:
    tasks = TaskManager(queues={"mail": QueueConfig(concurrency=3, max_size=4)})

    async with tasks:
        with pytest.raises(ConfigurationError, match=f"^{next(iter(change))} takes"):
            tasks.update_queue_config("mail", **change)
        for name in ("mial", 5, None):
            wrong: Any = name
            with pytest.raises(ConfigurationError, match="No queue is named"):
                tasks.update_queue_config(wrong, concurrency=1)
        (mail,) = [queue for queue in tasks.queue_stats() if queue["name"] == "mail"]

    assert (mail["concurrency"], mail["max_size"]) == (3, 4)
