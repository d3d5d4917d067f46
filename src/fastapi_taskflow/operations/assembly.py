"""From what a user writes to the objects that the engine takes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from fastapi_taskflow.backends.base import Backend, no_backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.engine.core.settings import ALL_ROLES, DEFAULT_QUEUE, Settings
from fastapi_taskflow.loggers import FileLogger, LoggerChain
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.rules.crypto import Keyring, Secret
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import QueueConfig
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "check_reserved",
    "check_task_queues",
    "checked_retention",
    "choose_backend",
    "choose_keyring",
    "choose_observer",
    "choose_queues",
    "choose_settings",
    "note_deprecated",
]

# Stores that are not there yet.
_PLANNED = frozenset({"postgresql", "postgres", "mysql", "mariadb", "redis", "rediss"})
# A hundred years: dates before it are far inside the calendar.
_LONGEST_RETENTION_DAYS = 36_525


def choose_backend(
    snapshot_db: str | os.PathLike[str] | None,
    snapshot_backend: Backend | str | None,
    table_prefix: str,
) -> Backend | None:
    """The backend that the settings name; None for memory.

    Raises:
        ConfigurationError: an address of no known kind.
    """
    if isinstance(snapshot_backend, Backend):
        return snapshot_backend
    if isinstance(snapshot_backend, str):
        return _backend_from_url(snapshot_backend, table_prefix)
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
            f"snapshot_db takes the path of a file, got the address {_scheme(snapshot_db)}. An "
            "address goes to snapshot_backend=..."
        )
    return SqliteBackend(snapshot_db, table_prefix=table_prefix)


def _scheme(url: str) -> str:
    """All of an address that may be shown: it may hold a password."""
    return quoted(url.partition("://")[0] + "://...")


def _later(scheme: str) -> str:
    return " Only SQLite is there yet." if scheme.partition("+")[0] in _PLANNED else ""


def _backend_from_url(url: str, table_prefix: str) -> Backend:
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        found = f"the address {_scheme(url)}" if "://" in url else "text that is no address"
        raise ConfigurationError(
            f"snapshot_backend takes 'sqlite:///relative.db' or 'sqlite:////absolute/path.db', got "
            f"{found}. The path of a file goes to snapshot_db=...{_later(parts.scheme)}"
        )
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise ConfigurationError(
            f"The address {_scheme(url)} names no file. Three slashes stand before a relative path "
            "('sqlite:///tasks.db'), four before an absolute one."
        )
    return SqliteBackend(path, table_prefix=table_prefix)


def choose_keyring(secrets: Secret | Sequence[Secret] | None) -> Keyring | None:
    """The keys that the settings give; None for no encryption.

    Raises:
        ConfigurationError: a secret that cannot work.
        ImportError: the extra ``encryption`` is not installed.
    """
    return None if secrets is None else Keyring(secrets)


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
    max_sync_threads: int | None,
    request_lane: str,
    roles: Iterable[str] | None,
    **others: Any,
) -> Settings:
    """The engine's settings.

    Raises:
        ConfigurationError: one of them cannot work.
    """
    for name in ("durable_default", "retry_replaces_original"):
        public = "requeue_pending" if name == "durable_default" else name
        others[name] = limits.switch(public, others[name])
    for name in ("max_concurrent_tasks", "max_payload_bytes"):
        others[name] = limits.optional(limits.whole, name, others[name], least=1)
    threads = limits.optional(limits.whole, "max_sync_threads", max_sync_threads, least=1)
    for name in ("drain_timeout", "heartbeat_interval", "instance_ttl", "idempotency_ttl"):
        # A heart that beats without a pause does nothing else.
        others[name] = limits.span(name, others[name], above=name == "heartbeat_interval")
    interval = limits.span("snapshot_interval", others["housekeeping_interval"], above=True)
    others["housekeeping_interval"] = interval
    others["retention_days"] = checked_retention(others["retention_days"])
    if others["instance_ttl"] <= 2 * others["heartbeat_interval"]:
        raise ConfigurationError(
            f"instance_ttl ({others['instance_ttl']:g} s) must be more than twice the "
            f"heartbeat_interval ({others['heartbeat_interval']:g} s), or one late heartbeat "
            "looks like a death."
        )
    lane = limits.one_of("request_lane", request_lane, ("attached", "detached"))
    return Settings(
        queues=queues,
        max_sync_threads=threads or _default_threads(),
        detached_lane=lane == "detached",
        roles=_chosen_roles(roles),
        **others,
    )


def _chosen_roles(roles: Iterable[str] | None) -> frozenset[str]:
    if roles is None:
        return ALL_ROLES
    names = sorted(ALL_ROLES)
    given = limits.several("roles", f"a set of {', '.join(names)}", roles)
    return frozenset(limits.one_of("roles", role, names) for role in given)


def check_reserved(
    merged_list_ttl: float, max_process_workers: int | None, process_shutdown_timeout: float
) -> None:
    """Check settings whose features do not exist yet, so that they cannot fail later.

    Raises:
        ConfigurationError: one that could never work.
    """
    limits.span("merged_list_ttl", merged_list_ttl)
    limits.optional(limits.whole, "max_process_workers", max_process_workers, least=1)
    limits.span("process_shutdown_timeout", process_shutdown_timeout)


def note_deprecated(**given: object) -> None:
    """Warn of settings that are accepted and no longer needed."""
    names = [name for name, value in given.items() if value]
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
    """All configured queues, the default one with ``max_size``.

    Raises:
        ConfigurationError: a name or limit that cannot work.
    """
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


def checked_retention(days: float | None) -> float | None:
    """A ``retention_days``: None, or a length of time within the calendar.

    Raises:
        ConfigurationError: it is not more than 0, or longer than the calendar.
    """
    return limits.optional(
        limits.span, "retention_days", days, above=True, most=_LONGEST_RETENTION_DAYS, unit="days"
    )


def _default_threads() -> int:
    """As many as the standard library's pool would take."""
    return min(32, (os.cpu_count() or 1) + 4)


def check_task_queues(registry: TaskRegistry, settings: Settings) -> None:
    """Look at the queues that the registered tasks name.

    Raises:
        ConfigurationError: one that is not configured.
    """
    known = {DEFAULT_QUEUE, *settings.queues}
    for entry in map(registry.by_name, sorted(registry.names())):
        queue = None if entry is None else entry.config.queue
        if entry is not None and queue is not None and queue not in known:
            raise ConfigurationError(
                f"Task {entry.name!r} has queue={queue!r}, and no queue has this name."
                f"{limits.near(queue, known)} Known queues: {', '.join(sorted(known))}. A new "
                f"one is TaskManager(queues={{{queue!r}: QueueConfig()}})."
            )
