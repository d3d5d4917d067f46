"""`TaskManager`: the settings, and FastAPI's side of what `Control` and `Declarations` offer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Never

from fastapi import BackgroundTasks, FastAPI
from starlette.requests import HTTPConnection

from fastapi_taskflow.app import integration
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.operations import assembly
from fastapi_taskflow.operations.declarations import Declarations
from fastapi_taskflow.operations.placing import choose_executors
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.crypto import Keyring, Secret
from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["TaskManager"]

_NO_SCHEDULES = (
    ": schedules are not there yet. For one date there is enqueue(..., run_at=...); a task that "
    "comes back adds its next run itself"
)
_PLANNED = {"schedule": _NO_SCHEDULES, "schedule_once": _NO_SCHEDULES}


class TaskManager(Declarations):
    """Registers tasks and runs them in the app's own process.

    Construction does no I/O. The engine starts with the app's lifespan after `init_app`,
    `install` or ``TaskAdmin``, or with ``async with task_manager``.

    Args:
        snapshot_db: Path of a SQLite file that makes durable tasks possible.
        snapshot_backend: A backend or its URL (``sqlite:///tasks.db``); wins over the path.
        snapshot_interval: Seconds between two rounds of housekeeping (see ``retention_days``).
        requeue_pending: Make every registered task durable, as ``persist=True`` does.
        merged_list_ttl: Accepted; of no effect until there is a cached dashboard.
        loggers: Observers of log lines and lifecycle events.
        log_file: Path of a log file; the next four settings go with it.
        encrypt_args_key: Encrypts arguments, errors, stack traces and log lines in the store:
            a Fernet key or another secret of at least 16 bytes, or a list of them, newest
            first. Needs the extra ``encryption``.
        max_concurrent_tasks: Tasks that run on the event loop at a time; None: no limit.
        max_sync_threads: Threads for plain functions; None: as many as CPUs and 4, at
            most 32.
        max_process_workers: Child processes for ``@task(executor="process")``, started when
            they are needed; None: one for each core.
        process_shutdown_timeout: Seconds that a function in a child process has to end when its
            task is cancelled or times out, until the process is killed.
        retention_days: Records of tasks that ended longer ago are deleted; None: never.
        retry_replaces_original: A manual retry deletes the record of the original.
        queues: Limits by queue name.
        max_size: Tasks that may wait unstarted in the default queue.
        instance_url, instance_tasks_prefix, registry_ttl, registry_heartbeat: Deprecated;
            instances share the backend and never call each other.
        drain_timeout: Seconds that a shutdown gives to running tasks.
        heartbeat_interval: Seconds between two heartbeats.
        instance_ttl: Seconds of standstill after which an instance counts as dead.
        request_lane: ``"attached"``: a response's tasks run in its background chain, as with
            plain FastAPI; ``"detached"``: they leave it at once.
        redact: Names of parameters, keys, fields and tags whose values are hidden from errors,
            logs and shown arguments, beside ``redaction.DEFAULT_NAMES``.
        roles: Subset of ``{"enqueue", "execute", "maintain", "observe"}``.
        idempotency_ttl: Seconds for which a key is held after a task's end.
        table_prefix: Of the tables in a SQL backend.
        max_payload_bytes: Limit of one task's encoded arguments.
        executors: Places of your own where functions run, by the name for
            ``@task(executor=...)``.

    Raises:
        ConfigurationError: a setting that cannot work.
    """

    def __init__(  # noqa: PLR0913  (the settings are the API)
        self,
        *,
        snapshot_db: str | os.PathLike[str] | None = None,
        snapshot_backend: Backend | str | None = None,
        snapshot_interval: float = 60.0,
        requeue_pending: bool = False,
        merged_list_ttl: float = 5.0,
        loggers: Iterable[TaskObserver] | None = None,
        log_file: str | os.PathLike[str] | None = None,
        log_file_max_bytes: int = 10_485_760,
        log_file_backup_count: int = 5,
        log_file_mode: Literal["rotate", "watched"] = "rotate",
        log_lifecycle: bool = False,
        encrypt_args_key: Secret | Sequence[Secret] | None = None,
        max_concurrent_tasks: int | None = None,
        max_sync_threads: int | None = None,
        max_process_workers: int | None = None,
        process_shutdown_timeout: float = 30.0,
        retention_days: float | None = None,
        retry_replaces_original: bool = False,
        queues: Mapping[str, QueueConfig] | None = None,
        max_size: int | None = None,
        instance_url: str | None = None,
        instance_tasks_prefix: str = "",
        registry_ttl: float = 90,
        registry_heartbeat: float = 30,
        drain_timeout: float = 25.0,
        heartbeat_interval: float = 5.0,
        instance_ttl: float = 20.0,
        request_lane: Literal["attached", "detached"] = "attached",
        roles: Iterable[str] | None = None,
        idempotency_ttl: float = 86_400.0,
        table_prefix: str = "taskflow_",
        redact: Iterable[str] = (),
        max_payload_bytes: int = 262_144,
        executors: Mapping[str, Executor] | None = None,
    ) -> None:
        assembly.note_deprecated(
            instance_url=instance_url,
            instance_tasks_prefix=instance_tasks_prefix,
            registry_ttl=registry_ttl,
            registry_heartbeat=registry_heartbeat,
        )
        backend = assembly.choose_backend(snapshot_db, snapshot_backend, table_prefix)
        keyring = None if encrypt_args_key is None else Keyring(encrypt_args_key)
        settings = assembly.choose_settings(
            queues=assembly.choose_queues(queues, max_size),
            max_concurrent_tasks=max_concurrent_tasks,
            max_sync_threads=max_sync_threads,
            requeue_pending=requeue_pending,
            merged_list_ttl=merged_list_ttl,
            max_process_workers=max_process_workers,
            process_shutdown_timeout=process_shutdown_timeout,
            drain_timeout=drain_timeout,
            heartbeat_interval=heartbeat_interval,
            instance_ttl=instance_ttl,
            request_lane=request_lane,
            roles=roles,
            idempotency_ttl=idempotency_ttl,
            max_payload_bytes=max_payload_bytes,
            retention_days=retention_days,
            snapshot_interval=snapshot_interval,
            retry_replaces_original=retry_replaces_original,
            redactor=Redactor(redact),
            sealed=keyring is not None,
        )
        observer = assembly.choose_observer(
            loggers,
            log_file,
            max_bytes=log_file_max_bytes,
            backup_count=log_file_backup_count,
            mode=log_file_mode,
            log_lifecycle=log_lifecycle,
        )
        super().__init__(Runtime(backend, settings, observer, keyring, choose_executors(executors)))
        #: The observer of all events; None without one.
        self.logger = observer

    # Not for type checkers, to whom every name would be one of ours.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Never:
            """Say of what is planned how to do without it."""
            what = f"'TaskManager' object has no attribute {name!r}{_PLANNED.get(name, '')}"
            raise AttributeError(what, name=name, obj=self)

    @integration.also_called_directly
    async def get_tasks(
        self, conn: HTTPConnection, background_tasks: BackgroundTasks
    ) -> ManagedBackgroundTasks:
        """For ``Depends(task_manager.get_tasks)``; with ``background_tasks`` only it wraps them."""
        return integration.bind(self, conn, background_tasks)

    @property
    def background_tasks(self) -> Callable[..., Any]:
        """Another name of `get_tasks`."""
        return self.get_tasks

    def init_app(self, app: FastAPI) -> None:
        """Start and stop with the app, and answer its errors of ours with 409, 429, 503."""
        integration.init_app(self, app)

    def install(self, app: FastAPI) -> None:
        """`init_app`, and manage plain ``background_tasks: BackgroundTasks`` parameters."""
        integration.install(self, app)
