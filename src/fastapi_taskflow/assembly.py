"""From what a user writes to the objects that the engine takes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from fastapi_taskflow.backends.base import Backend, no_backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.crypto import Keyring, Secret
from fastapi_taskflow.engine.settings import ALL_ROLES, DEFAULT_QUEUE, Settings
from fastapi_taskflow.errors import ConfigurationError
from fastapi_taskflow.limits import NAME_LIMIT
from fastapi_taskflow.loggers import FileLogger, LoggerChain
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.models import QueueConfig

__all__ = [
    "check_interval",
    "check_limit",
    "check_reserved",
    "check_retention",
    "choose_backend",
    "choose_keyring",
    "choose_observer",
    "choose_queues",
    "choose_settings",
    "note_deprecated",
]

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
    if snapshot_backend is not None:
        raise ConfigurationError(
            "snapshot_backend takes a Backend or a URL such as 'sqlite:///tasks.db', "
            f"got {snapshot_backend!r}. {no_backend(type(snapshot_backend))}"
        )
    if snapshot_db is None:
        return None
    return SqliteBackend(os.fspath(snapshot_db), table_prefix=table_prefix)


def _backend_from_url(url: str, table_prefix: str) -> Backend:
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise ConfigurationError(
            f"snapshot_backend does not know the address {url!r}. "
            "Use 'sqlite:///relative.db' or 'sqlite:////absolute/path.db'."
        )
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise ConfigurationError(
            f"{url!r} names no file. Three slashes stand before a relative path "
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
    chosen = list(loggers or ())
    known = {Path(other.path) for other in chosen if isinstance(other, FileLogger)}
    if log_file is not None and Path(log_file) not in known:
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
    check_limit("max_concurrent_tasks", others["max_concurrent_tasks"], least=1)
    check_limit("max_sync_threads", max_sync_threads, least=1)
    check_limit("max_payload_bytes", others["max_payload_bytes"], least=1)
    for name in ("drain_timeout", "heartbeat_interval", "instance_ttl", "idempotency_ttl"):
        _check_seconds(name, others[name])
    check_interval("snapshot_interval", others["housekeeping_interval"])
    check_retention(others["retention_days"])
    if others["instance_ttl"] <= 2 * others["heartbeat_interval"]:
        raise ConfigurationError(
            f"instance_ttl ({others['instance_ttl']:g} s) must be more than twice the "
            f"heartbeat_interval ({others['heartbeat_interval']:g} s), or one late heartbeat "
            "looks like a death."
        )
    if request_lane not in ("attached", "detached"):
        raise ConfigurationError(
            f"request_lane takes 'attached' or 'detached', got {request_lane!r}."
        )
    chosen_roles = ALL_ROLES if roles is None else frozenset(roles)
    if unknown := chosen_roles - ALL_ROLES:
        raise ConfigurationError(
            f"roles takes a subset of {sorted(ALL_ROLES)}, got {sorted(unknown)}."
        )
    return Settings(
        queues=queues,
        max_sync_threads=max_sync_threads or _default_threads(),
        detached_lane=request_lane == "detached",
        roles=chosen_roles,
        **others,
    )


def check_reserved(
    merged_list_ttl: float, max_process_workers: int | None, process_shutdown_timeout: float
) -> None:
    """Check settings whose features do not exist yet, so that they cannot fail later.

    Raises:
        ConfigurationError: one that could never work.
    """
    _check_seconds("merged_list_ttl", merged_list_ttl)
    check_limit("max_process_workers", max_process_workers, least=1)
    _check_seconds("process_shutdown_timeout", process_shutdown_timeout)


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
    chosen = dict(queues or {})
    for name, config in chosen.items():
        if not isinstance(name, str) or not isinstance(config, QueueConfig):
            raise ConfigurationError(
                f"queues takes {{name: QueueConfig(...)}}, got {name!r}: {config!r}."
            )
        if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
            raise ConfigurationError(
                f"A queue's name takes 1 to {NAME_LIMIT} printable characters, got {name!r}."
            )
        check_limit(f"queue {name!r}: concurrency", config.concurrency, least=1)
        check_limit(f"queue {name!r}: max_size", config.max_size, least=0)
    if max_size is not None:
        check_limit("max_size", max_size, least=0)
        own = chosen.get(DEFAULT_QUEUE, QueueConfig())
        if own.max_size is None:
            chosen[DEFAULT_QUEUE] = QueueConfig(own.concurrency, max_size, own.paused)
    return chosen


def check_limit(what: str, value: int | None, *, least: int) -> None:
    """Refuse a limit that is not None or a whole number of at least ``least``."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        return
    raise ConfigurationError(f"{what} takes None or a whole number from {least} up, got {value!r}.")


def check_retention(days: float | None) -> None:
    """Refuse a ``retention_days`` that is not None or a length of time.

    Raises:
        ConfigurationError: it is not more than 0, or longer than the calendar.
    """
    if days is None:
        return
    number = isinstance(days, int | float) and not isinstance(days, bool)
    if not number or not 0 < days <= _LONGEST_RETENTION_DAYS:
        raise ConfigurationError(
            "retention_days takes None (keep everything) or a number of days above 0 and up to "
            f"{_LONGEST_RETENTION_DAYS}, got {days!r}."
        )


def check_interval(what: str, seconds: float) -> None:
    """Refuse an interval that is not some seconds above 0."""
    _check_seconds(what, seconds)
    if seconds == 0:
        raise ConfigurationError(f"{what} takes seconds above 0, got {seconds!r}.")


def _check_seconds(what: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise ConfigurationError(f"{what} takes seconds from 0 up, got {value!r}.")


def _default_threads() -> int:
    """As many as the standard library's pool would take."""
    return min(32, (os.cpu_count() or 1) + 4)
