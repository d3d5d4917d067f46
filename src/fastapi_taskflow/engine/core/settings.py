"""What an engine is told at its making. Spans are float seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["ALL_ROLES", "DEFAULT_QUEUE", "Settings"]

DEFAULT_QUEUE = "default"
ALL_ROLES = frozenset({"enqueue", "execute", "maintain", "observe"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one engine.

    Attributes:
        queues: Limits by queue name; ``default`` is always there.
        max_concurrent_tasks: Tasks on the event loop at a time; None: no limit.
        max_sync_threads: Threads for plain functions.
        max_process_workers: Child processes for functions; None: one for each core.
        process_shutdown_timeout: What a function in a child has between the order to stop and
            its end.
        process_niceness: How far children stand back for others, 0 to 19.
        max_tasks_per_child: Tasks after which a child is replaced; None: any number.
        max_memory_per_child: Bytes that a child may hold after a task, or it is replaced.
        durable_default: Every registered function is durable.
        drain_timeout: What a shutdown gives running tasks.
        heartbeat_interval: Between two heartbeats.
        instance_ttl: Standstill after which an instance counts as dead.
        watch_interval: Between two looks for dead instances and cancel requests.
        max_loop_lag: Lateness of the event loop above which nothing new starts; None: none.
        lane_patience: How long a response's background chain waits for a free slot.
        write_behind: Delay before a ``persist=False`` task's state is written.
        enqueue_patience: How long a failing store is tried again for an enqueue.
        idempotency_ttl: How long a key is held after the end.
        outbox_limit: Unstored outcomes at which nothing new is started.
        waiting_limit: Enqueues that may wait for a commit.
        claim_window: Tasks that an unlimited instance takes from the store at a time.
        keep_finished: Finished records held in memory.
        retention_days: Ended records that are older are deleted; None: never.
        housekeeping_interval: Between two rounds of `Housekeeping`.
        purge_limit: Records that one request, or one round without a pause, deletes.
        max_payload_bytes: Encoded size of one task's arguments.
        max_log_lines: Log lines kept per task, the newest.
        detached_lane: The response's chain waits for nothing.
        roles: What the instance does.
        claims: Queues from which it takes stored tasks; None: all. Others still run here what
            lives in this process only.
        redactor: Knows what is secret in what is shown.
        sealed: Arguments are encrypted where they are stored, and no record shows them.
        retry_replaces_original: A manual retry deletes its original's record.
    """

    queues: Mapping[str, QueueConfig] = field(default_factory=dict)
    max_concurrent_tasks: int | None = None
    max_sync_threads: int = 8
    max_process_workers: int | None = None
    process_shutdown_timeout: float = 30.0
    process_niceness: int = 15
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    durable_default: bool = False
    drain_timeout: float = 25.0
    heartbeat_interval: float = 5.0
    instance_ttl: float = 20.0
    watch_interval: float = 0.5
    max_loop_lag: float | None = None
    lane_patience: float = 1.0
    write_behind: float = 0.05
    enqueue_patience: float = 2.0
    idempotency_ttl: float = 86400.0
    outbox_limit: int = 10_000
    waiting_limit: int = 10_000
    claim_window: int = 1_000
    keep_finished: int = 1_000
    retention_days: float | None = None
    housekeeping_interval: float = 60.0
    purge_limit: int = 10_000
    max_payload_bytes: int = 262_144
    max_log_lines: int = 1_000
    detached_lane: bool = False
    retry_replaces_original: bool = False
    roles: frozenset[str] = ALL_ROLES
    claims: frozenset[str] | None = None
    redactor: Redactor = field(default_factory=Redactor)
    sealed: bool = False
