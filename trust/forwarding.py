"""A backend that hands every verb to another one, through one place to get in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from fastapi_taskflow.backends.base import (
    Admission,
    Attempt,
    Backend,
    CancelAnswer,
    Claimed,
    ClaimRequest,
    Contents,
    Grade,
    InstanceInfo,
    Lease,
    LogChunk,
    MirrorAnswer,
    NewTask,
    Outcome,
    Page,
    Purged,
    Query,
    Rewrite,
    Rollup,
    RollupQuery,
    Settled,
    Signals,
    Snapshot,
    StoredTask,
    Tally,
)
from fastapi_taskflow.backends.buckets import Bucket
from fastapi_taskflow.backends.logins import LoginSession
from fastapi_taskflow.models import AuditEntry

__all__ = ["Forwarding"]

T = TypeVar("T")


class Forwarding(Backend):
    """Subclasses get in between with `around` and `around_beat`.

    Args:
        inner: The backend that does the work.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner

    async def around(self, verb: str, asked: Sequence[Any], call: Callable[[], Awaitable[T]]) -> T:
        """Run one verb; ``asked`` are its questions (empty for reads)."""
        return await call()

    def around_beat(self, call: Callable[[], bool]) -> bool:
        """Run one heartbeat, in the engine's thread."""
        return call()

    @property
    def grade(self) -> Grade:
        return self.inner.grade

    async def open(self, on_change: Callable[[], None]) -> None:
        await self.around("open", (), lambda: self.inner.open(on_change))

    async def close(self) -> None:
        await self.inner.close()

    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        return await self.around(
            "insert", groups, lambda: self.inner.insert(groups, limits, key_ttl=key_ttl)
        )

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        return await self.around("claim", (request,), lambda: self.inner.claim(request))

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        return await self.around("start", leases, lambda: self.inner.start(leases))

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        return await self.around("finish", outcomes, lambda: self.inner.finish(outcomes))

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        return await self.around("cancel", task_ids, lambda: self.inner.cancel(task_ids))

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        return await self.around(
            "mirror", snapshots, lambda: self.inner.mirror(instance, snapshots)
        )

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        await self.around("append_logs", chunks, lambda: self.inner.append_logs(chunks))

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        return await self.around("get", (), lambda: self.inner.get(task_ids))

    async def attempts(self, task_id: str) -> list[Attempt]:
        return await self.around("attempts", (), lambda: self.inner.attempts(task_id))

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        return await self.around(
            "search",
            (),
            lambda: self.inner.search(query, limit=limit, cursor=cursor, most_bytes=most_bytes),
        )

    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        return await self.around("count", (), lambda: self.inner.count(query, cap=cap))

    async def tally(self) -> list[Tally]:
        return await self.around("tally", (), self.inner.tally)

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        return await self.around("rollups", (), lambda: self.inner.rollups(query))

    async def fold(self, *, limit: int) -> int:
        return await self.around("fold", (), lambda: self.inner.fold(limit=limit))

    async def next_due(self, queues: Sequence[str]) -> float | None:
        return await self.around("next_due", (), lambda: self.inner.next_due(queues))

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        return await self.around("purge", (), lambda: self.inner.purge(before, limit=limit))

    async def enlist(self, info: InstanceInfo) -> None:
        await self.around("enlist", (info,), lambda: self.inner.enlist(info))

    def beat(self, instance: str, lag: float) -> bool:
        return self.around_beat(lambda: self.inner.beat(instance, lag))

    async def gone(self, instances: Sequence[str]) -> frozenset[str]:
        return await self.around("gone", (), lambda: self.inner.gone(instances))

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        return await self.around(
            "recover", (dead,), lambda: self.inner.recover(by, dead, limit=limit)
        )

    async def owned(self, instance: str) -> list[Claimed]:
        return await self.around("owned", (), lambda: self.inner.owned(instance))

    async def retire(self, instance: str) -> None:
        await self.around("retire", (instance,), lambda: self.inner.retire(instance))

    async def signals(self, instance: str) -> Signals:
        return await self.around("signals", (), lambda: self.inner.signals(instance))

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.around(
            "set_queue", (queue,), lambda: self.inner.set_queue(queue, settings)
        )

    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        return await self.around(
            "contents", (), lambda: self.inner.contents(limit=limit, cursor=cursor)
        )

    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        return await self.around("rewrite", changes, lambda: self.inner.rewrite(changes))

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        return await self.around(
            "open_session",
            (token_hash,),
            lambda: self.inner.open_session(token_hash, user, role, life=life, idle=idle),
        )

    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        return await self.around(
            "find_session", (), lambda: self.inner.find_session(token_hash, idle=idle)
        )

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        return await self.around(
            "close_sessions",
            (token_hash or user,),
            lambda: self.inner.close_sessions(token_hash=token_hash, user=user),
        )

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        return await self.around("take_tokens", buckets, lambda: self.inner.take_tokens(buckets))

    async def forget_buckets(self, names: Sequence[str]) -> None:
        await self.around("forget_buckets", names, lambda: self.inner.forget_buckets(names))

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        await self.around("append_audit", entries, lambda: self.inner.append_audit(entries))

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        return await self.around("audit", (), lambda: self.inner.audit(limit=limit, cursor=cursor))
