"""`TaskManager`: the settings, and FastAPI's side of what `Control` and `Declarations` offer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, BackgroundTasks, FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection, Request

from fastapi_taskflow.app import integration, statusrouter
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.operations import assembly
from fastapi_taskflow.operations.assembly import note_deprecated
from fastapi_taskflow.operations.declarations import Declarations
from fastapi_taskflow.operations.placing import choose_executors
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.statuses import Followed
from fastapi_taskflow.rules.crypto import Keyring, Secret
from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["TaskManager"]


class TaskManager(Declarations):
    """Registers tasks and runs them in the app's own process.

    Construction does no I/O. The engine starts with the app's lifespan after `init_app`,
    `install` or ``TaskAdmin``, or with ``async with task_manager``.

    Args:
        snapshot_db: Path of a SQLite file that makes durable tasks possible.
        snapshot_backend: A backend or its URL (``sqlite:///tasks.db``); wins over the path.
        snapshot_interval: Seconds between two rounds of housekeeping (see ``retention_days``).
        requeue_pending: Make every registered task durable, as ``persist=True`` does.
        merged_list_ttl: Accepted for compatibility and not used.
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
        process_niceness: How far child processes stand back for others that want the same core,
            the server among them: 0 (as it) to 19.
        retention_days: Records of tasks that ended longer ago are deleted; None: never.
        retry_replaces_original: A manual retry deletes the record of the original.
        queues: Limits by queue name.
        max_size: Tasks that may wait unstarted in the default queue.
        instance_url, instance_tasks_prefix, registry_ttl, registry_heartbeat: Deprecated;
            instances share the backend and never call each other.
        drain_timeout: Seconds that a shutdown gives to running tasks.
        heartbeat_interval: Seconds between two heartbeats.
        instance_ttl: Seconds of standstill after which an instance counts as dead.
        request_lane: ``"attached"``: a response's tasks run in its background, as with
            plain FastAPI; ``"detached"``: they leave it at once.
        redact: Names of parameters, keys, fields and tags whose values are hidden from errors,
            logs and shown arguments, beside ``redaction.DEFAULT_NAMES``.
        roles: Subset of ``{"enqueue", "execute", "maintain", "observe"}``.
        idempotency_ttl: Seconds for which a key is held after a task's end.
        table_prefix: Of the tables in a SQL backend.
        max_payload_bytes: Limit of one task's encoded arguments.
        executors: Places of your own where functions run, by the name for
            ``@task(executor=...)``.
        max_tasks_per_child: Tasks after which a child process is replaced; None: any number.
        max_memory_per_child: Bytes, or a text such as ``"1GB"``, that a child process may hold
            after a task; one that holds more is replaced. None: any number.
        dask: Where ``executor="dask"`` runs: the address of a scheduler, or a
            `distributed.Client`, which stays yours to close.
        max_loop_lag: Seconds. While the event loop is later than this, no task starts on this
            instance, so that requests are answered first. None: they start all the same.

    Raises:
        ConfigurationError: a setting that cannot work.
        ImportError: a setting whose extra is not installed.
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
        process_niceness: int = 15,
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
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | str | None = None,
        dask: Any = None,
        max_loop_lag: float | None = None,
    ) -> None:
        note_deprecated(instance_url, instance_tasks_prefix, registry_ttl, registry_heartbeat)
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
            process_niceness=process_niceness,
            max_tasks_per_child=max_tasks_per_child,
            max_memory_per_child=max_memory_per_child,
            drain_timeout=drain_timeout,
            heartbeat_interval=heartbeat_interval,
            instance_ttl=instance_ttl,
            request_lane=request_lane,
            roles=roles,
            idempotency_ttl=idempotency_ttl,
            max_payload_bytes=max_payload_bytes,
            max_loop_lag=max_loop_lag,
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
        places = choose_executors(executors, dask, settings)
        super().__init__(Runtime(backend, settings, observer, keyring, places))
        #: The observer of all events; None without one.
        self.logger = observer

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

    def status_router(self, prefix: str = "/status", *, show_logs: bool = False) -> APIRouter:
        """Routes for people without an account, who have a `status_token` of one task or batch.

        ``GET {prefix}/{task_id}?token=`` answers its status, progress and emitted data,
        ``GET {prefix}/{task_id}/events?token=`` sends them as server-sent events as they change;
        ``{prefix}/batches/{batch_id}`` and its ``/events`` the counts of a batch or chain.
        Nothing else is shown; ``app.include_router`` makes them part of an app.

        Args:
            show_logs: With its log lines.
        """
        return statusrouter.status_router(self, prefix, show_logs=show_logs)

    async def status_token(self, followed: Followed, expires: float = 3_600.0) -> str:
        """What lets somebody follow one task or batch for so many seconds, on any instance.

        Args:
            followed: The task's id; or the batch, as `batch`, `chain` or ``batches.get`` give it.
            expires: Seconds, up to 30 days.

        Raises:
            ConfigurationError: not such a span.
            EngineNotRunning, StoreUnavailable: the key to sign it is not to be had now.
        """
        return await self.status_tokens.make(followed, expires)

    async def status_accepted(
        self, request: Request, followed: Followed, expires: float = 3_600.0
    ) -> JSONResponse:
        """The answer 202 with ``Location``: where it can be followed, with a token.

        Its body has the same address as ``status``, and that of the events as ``events``.

        Args:
            request: The one that is answered, by an app that has the `status_router`.
            followed: As of `status_token`.

        Raises:
            ConfigurationError: the app has no `status_router` of this manager; or as
                `status_token`.
        """
        return await statusrouter.accepted(self, request, followed, expires)

    def init_app(self, app: FastAPI) -> None:
        """Start and stop with the app, and answer its errors of ours with 409, 429, 503."""
        integration.init_app(self, app)

    def install(self, app: FastAPI) -> None:
        """`init_app`, and manage plain ``background_tasks: BackgroundTasks`` parameters."""
        integration.install(self, app)
