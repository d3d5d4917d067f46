"""`SealedBackend`: any driver, with everything secret sealed before it gets there.

Sealed are arguments, errors, stack traces and log lines; the fingerprint of an idempotency
key is keyed. Names, tags, queues, times, the audit trail and who is signed in stay
readable, because stores search and order by them. So a text search does not find errors
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

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
    KeyConflict,
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
from fastapi_taskflow.backends.sealed.values import Opener, Sealer
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["SealedBackend"]


class SealedBackend(Backend):
    """A backend whose store never sees plain text.

    Args:
        inner: The driver; nobody else may use the object.
        keyring: None: nothing is sealed, and what somebody else sealed is marked as
            `StoredTask.unopened` instead of being taken for arguments.
    """

    def __init__(self, inner: Backend, keyring: Keyring | None) -> None:
        self._inner = inner
        self._keyring = keyring
        self._sealer = None if keyring is None else Sealer(keyring)
        self._opener = Opener(keyring)

    # Life

    @property
    def grade(self) -> Grade:
        return self._inner.grade

    @property
    def place(self) -> str:
        return self._inner.place

    async def open(self, on_change: Callable[[], None]) -> None:
        await self._inner.open(on_change)

    async def close(self) -> None:
        await self._inner.close()

    # Tasks going in

    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        sealer = self._sealer
        if sealer is None:
            return await self._inner.insert(groups, limits, key_ttl=key_ttl)
        sealed = [[sealer.new_task(task) for task in group] for group in groups]
        answers = await self._inner.insert(sealed, limits, key_ttl=key_ttl)
        for number, answer in enumerate(answers):
            if isinstance(answer, KeyConflict):
                answers[number] = await self._with_older_keys(
                    groups[number], answer, limits, key_ttl
                )
        return answers

    async def _with_older_keys(
        self,
        group: Sequence[NewTask],
        answer: Admission,
        limits: Mapping[str, int] | None,
        key_ttl: float,
    ) -> Admission:
        """Ask again with the fingerprints of older keys: after a rotation the holder of an
        idempotency key may have been stored under one. Nothing of the group is stored yet.
        """
        sealer, keyring = self._sealer, self._keyring
        assert sealer is not None  # noqa: S101  (nothing is sealed without a keyring)
        assert keyring is not None  # noqa: S101
        ages: dict[str | None, int] = {}
        while isinstance(answer, KeyConflict):
            age = ages[answer.key] = ages.get(answer.key, 0) + 1
            if age >= len(keyring):
                break
            sealed = [sealer.new_task(task, ages.get(task.idempotency_key, 0)) for task in group]
            (answer,) = await self._inner.insert([sealed], limits, key_ttl=key_ttl)
        return answer

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        if self._sealer is not None:
            outcomes = [self._sealer.outcome(outcome) for outcome in outcomes]
        return await self._inner.finish(outcomes)

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        if self._sealer is not None:
            snapshots = [self._sealer.snapshot(snapshot) for snapshot in snapshots]
        return await self._inner.mirror(instance, snapshots)

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        if self._sealer is not None:
            chunks = [self._sealer.chunk(chunk) for chunk in chunks]
        await self._inner.append_logs(chunks)

    # Tasks coming out

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        return self._claims(await self._inner.claim(request))

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        return self._claims(await self._inner.recover(by, dead, limit=limit))

    async def owned(self, instance: str) -> list[Claimed]:
        return self._claims(await self._inner.owned(instance))

    def _claims(self, claims: list[Claimed]) -> list[Claimed]:
        return [Claimed(claim.lease, self._opener.stored(claim.task)) for claim in claims]

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        tasks = await self._inner.get(task_ids)
        return [None if task is None else self._opener.stored(task) for task in tasks]

    async def attempts(self, task_id: str) -> list[Attempt]:
        attempts = await self._inner.attempts(task_id)
        if not attempts:
            return attempts
        # They are sealed under the id of the task, which may be another one's alias.
        (task,) = await self._inner.get([task_id])
        if task is not None and task.record.duplicate_of is not None:
            task_id = task.record.duplicate_of
        return [self._opener.attempt(attempt, task_id) for attempt in attempts]

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        page = await self._inner.search(query, limit=limit, cursor=cursor, most_bytes=most_bytes)
        return page._replace(tasks=[self._opener.stored(task) for task in page.tasks])

    # Verbs that carry nothing secret

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        return await self._inner.start(leases)

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        return await self._inner.cancel(task_ids)

    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        return await self._inner.count(query, cap=cap)

    async def tally(self) -> list[Tally]:
        return await self._inner.tally()

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        return await self._inner.rollups(query)

    async def fold(self, *, limit: int) -> int:
        return await self._inner.fold(limit=limit)

    async def next_due(self, queues: Sequence[str]) -> float | None:
        return await self._inner.next_due(queues)

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        return await self._inner.purge(before, limit=limit)

    async def enlist(self, info: InstanceInfo) -> None:
        await self._inner.enlist(info)

    def beat(self, instance: str, lag: float) -> bool:
        return self._inner.beat(instance, lag)

    async def gone(self, instances: Sequence[str]) -> frozenset[str]:
        return await self._inner.gone(instances)

    async def retire(self, instance: str) -> None:
        await self._inner.retire(instance)

    async def signals(self, instance: str) -> Signals:
        return await self._inner.signals(instance)

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._inner.set_queue(queue, settings)

    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        # As they are: who rotates keys opens them.
        return await self._inner.contents(limit=limit, cursor=cursor)

    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        return await self._inner.rewrite(changes)

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        return await self._inner.open_session(token_hash, user, role, life=life, idle=idle)

    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        return await self._inner.find_session(token_hash, idle=idle)

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        return await self._inner.close_sessions(token_hash=token_hash, user=user)

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        return await self._inner.take_tokens(buckets)

    async def forget_buckets(self, names: Sequence[str]) -> None:
        await self._inner.forget_buckets(names)

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._inner.append_audit(entries)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        return await self._inner.audit(limit=limit, cursor=cursor)
