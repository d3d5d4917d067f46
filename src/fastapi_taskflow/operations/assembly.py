"""From what a user writes to the objects that the engine takes.

Each function raises `ConfigurationError` for what cannot work.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fastapi_taskflow.backends.base import Backend, no_backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.engine.core.settings import ALL_ROLES, DEFAULT_QUEUE, Settings
from fastapi_taskflow.loggers import FileLogger, LoggerChain
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.operations.addresses import backend_at, without_password
from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import QueueConfig
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.sizes import memory

__all__ = [
    "check_task_queues",
    "checked_retention",
    "choose_backend",
    "choose_observer",
    "choose_queues",
    "choose_settings",
    "note_deprecated",
]

# Defaults of settings that are not needed any more.
_UNNEEDED = {"registry_ttl": 90, "registry_heartbeat": 30}
# A hundred years: dates before it are far inside the calendar.
_LONGEST_RETENTION_DAYS = 36_525


def choose_backend(
    snapshot_db: str | os.PathLike[str] | None,
    snapshot_backend: Backend | str | None,
    table_prefix: str,
) -> Backend | None:
    """The backend that the settings name; None for memory."""
    if isinstance(snapshot_backend, Backend):
        return snapshot_backend
    if isinstance(snapshot_backend, str):
        return backend_at(snapshot_backend, table_prefix)
    if isinstance(snapshot_backend, type):
        raise ConfigurationError(
            f"snapshot_backend takes a Backend, got {quoted(snapshot_backend)}: call it."
        )
    if snapshot_backend is not None:
        raise ConfigurationError(
            "snapshot_backend takes a Backend or a URL such as 'sqlite:///tasks.db', "
            f"got {quoted(snapshot_backend)}. {no_backend(type(snapshot_backend))}"
        )
    if snapshot_db is None:
        return None
    if isinstance(snapshot_db, str) and "://" in snapshot_db:
        raise ConfigurationError(
            "snapshot_db takes the path of a file, got the address "
            f"{without_password(snapshot_db)}. An address goes to snapshot_backend=..."
        )
    return SqliteBackend(snapshot_db, table_prefix=table_prefix)


def choose_observer(
    loggers: Iterable[TaskObserver] | None,
    log_file: str | os.PathLike[str] | None,
    *,
    max_bytes: int,
    backup_count: int,
    mode: Literal["rotate", "watched"],
    log_lifecycle: bool,
) -> TaskObserver | None:
    """One observer for all; a log file that the list has already is not added again."""
    expected = "a list of TaskObserver instances"
    chosen = [] if loggers is None else limits.several("loggers", expected, loggers)
    log_lifecycle = limits.switch("log_lifecycle", log_lifecycle)
    if log_file is not None and not isinstance(log_file, str | os.PathLike):
        raise limits.wrong("log_file", "the path of a file", log_file)
    known = {Path(other.path) for other in chosen if isinstance(other, FileLogger)}
    if log_file is not None and Path(log_file).absolute() not in known:
        chosen.append(
            FileLogger(
                log_file,
                max_bytes=max_bytes,
                backup_count=backup_count,
                mode=mode,
                log_lifecycle=log_lifecycle,
            )
        )
    return LoggerChain(chosen) if chosen else None


def choose_settings(
    *,
    queues: Mapping[str, QueueConfig],
    redactor: Redactor,
    sealed: bool,
    **given: Any,
) -> Settings:
    """The engine's settings, from those that `TaskManager` takes under these names."""
    checked = {name: check(name, given[name]) for name, check in _CHECKS.items()}
    # Of a feature that does not exist yet; checked so that it cannot fail later.
    del checked["merged_list_ttl"]
    if checked["instance_ttl"] <= 2 * checked["heartbeat_interval"]:
        raise ConfigurationError(
            f"instance_ttl ({checked['instance_ttl']:g} s) must be more than twice the "
            f"heartbeat_interval ({checked['heartbeat_interval']:g} s), or one late heartbeat "
            "looks like a death."
        )
    # As many threads as the standard library's pool would take.
    threads = checked.pop("max_sync_threads") or min(32, (os.cpu_count() or 1) + 4)
    return Settings(
        queues=queues,
        max_sync_threads=threads,
        durable_default=checked.pop("requeue_pending"),
        housekeeping_interval=checked.pop("snapshot_interval"),
        detached_lane=checked.pop("request_lane") == "detached",
        redactor=redactor,
        sealed=sealed,
        **checked,
    )


def checked_retention(what: str, days: float | None) -> float | None:
    """None, or a length of time within the calendar."""
    return limits.optional(
        limits.span, what, days, above=True, most=_LONGEST_RETENTION_DAYS, unit="days"
    )


def _roles(what: str, roles: Iterable[str] | None) -> frozenset[str]:
    if roles is None:
        return ALL_ROLES
    names = sorted(ALL_ROLES)
    given = limits.several(what, f"a set of {', '.join(names)}", roles)
    return frozenset(limits.one_of(what, role, names) for role in given)


_POSITIVE_OR_NONE = partial(limits.optional, limits.whole, least=1)
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "merged_list_ttl": limits.span,
    "max_process_workers": _POSITIVE_OR_NONE,
    "process_shutdown_timeout": limits.span,
    "process_niceness": partial(limits.whole, least=0, most=19),
    "max_tasks_per_child": _POSITIVE_OR_NONE,
    "max_memory_per_child": partial(limits.optional, memory),
    "requeue_pending": limits.switch,
    "retry_replaces_original": limits.switch,
    "max_concurrent_tasks": _POSITIVE_OR_NONE,
    "max_payload_bytes": _POSITIVE_OR_NONE,
    "max_sync_threads": _POSITIVE_OR_NONE,
    "drain_timeout": limits.span,
    # A heart that beats without a pause does nothing else.
    "heartbeat_interval": partial(limits.span, above=True),
    "instance_ttl": limits.span,
    "idempotency_ttl": limits.span,
    "max_loop_lag": partial(limits.optional, partial(limits.span, above=True)),
    "snapshot_interval": partial(limits.span, above=True),
    "retention_days": checked_retention,
    "request_lane": partial(limits.one_of, choices=("attached", "detached")),
    "roles": _roles,
}


def note_deprecated(
    instance_url: object,
    instance_tasks_prefix: object,
    registry_ttl: object,
    registry_heartbeat: object,
) -> None:
    """Warn of settings that are accepted and no longer needed."""
    given = {
        "instance_url": instance_url,
        "instance_tasks_prefix": instance_tasks_prefix,
        "registry_ttl": registry_ttl,
        "registry_heartbeat": registry_heartbeat,
    }
    names = [name for name, value in given.items() if value and value != _UNNEEDED.get(name)]
    if names:
        warnings.warn(
            f"{', '.join(names)}: no longer needed. Instances share the backend and never call "
            "each other, so the setting has no effect.",
            DeprecationWarning,
            stacklevel=3,
        )


def choose_queues(
    queues: Mapping[str, QueueConfig] | None, max_size: int | None
) -> dict[str, QueueConfig]:
    """All configured queues, the default one with ``max_size``."""
    if queues is not None and not isinstance(queues, Mapping):
        raise limits.wrong("queues", "a dict {name: QueueConfig(...)}", queues)
    chosen: dict[str, QueueConfig] = {}
    for name, config in (queues or {}).items():
        known = limits.printable("queues: a name", name)
        if not isinstance(config, QueueConfig):
            raise limits.wrong(f"queues: {known!r}", "a QueueConfig(...)", config)
        # Checked again: its limits may have been changed since.
        chosen[known] = replace(config)
    size = limits.optional(limits.whole, "max_size", max_size, least=0)
    own = chosen.get(DEFAULT_QUEUE, QueueConfig())
    if size is not None and own.max_size is None:
        chosen[DEFAULT_QUEUE] = replace(own, max_size=size)
    return chosen


def check_task_queues(registry: TaskRegistry, settings: Settings) -> None:
    """Make sure that the queues exist that the registered tasks name."""
    known = {DEFAULT_QUEUE, *settings.queues}
    for entry in map(registry.by_name, sorted(registry.names())):
        queue = None if entry is None else entry.config.queue
        if entry is not None and queue is not None and queue not in known:
            raise ConfigurationError(
                f"Task {entry.name!r} has queue={queue!r}, and no queue has this name."
                f"{limits.near(queue, known)} Known queues: {', '.join(sorted(known))}. A new "
                f"one is TaskManager(queues={{{queue!r}: QueueConfig()}})."
            )
