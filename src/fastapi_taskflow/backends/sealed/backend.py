"""`SealedBackend`: any driver, with everything secret sealed before it gets there.

Sealed are arguments, errors, stack traces and log lines; the fingerprint of an idempotency
key is keyed. Names, tags, queues, times, the audit trail and who is signed in stay
readable, because stores search and order by them. So a text search does not find errors
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi_taskflow.backends.base import (
    Admission,
    Attempt,
    Backend,
    Batches,
    Claimed,
    ClaimRequest,
    KeyConflict,
    LogChunk,
    MirrorAnswer,
    NewTask,
    Outcome,
    Page,
    Query,
    Residence,
    Schedules,
    Settled,
    Snapshot,
    StoredTask,
    Transactions,
)
from fastapi_taskflow.backends.base.forwarding import Forwarding
from fastapi_taskflow.backends.sealed.batches import SealedBatches
from fastapi_taskflow.backends.sealed.joined import SealedTransactions
from fastapi_taskflow.backends.sealed.schedules import SealedSchedules
from fastapi_taskflow.backends.sealed.values import Opener, Sealer
from fastapi_taskflow.rules.crypto import Keyring

__all__ = ["SealedBackend"]


class SealedBackend(Forwarding):
    """A backend whose store never sees plain text.

    Args:
        inner: The driver; nobody else may use the object.
        keyring: None: nothing is sealed, and what somebody else sealed is marked as
            `StoredTask.unopened` instead of being taken for arguments.
    """

    def __init__(self, inner: Backend, keyring: Keyring | None) -> None:
        super().__init__(inner)
        self._keyring = keyring
        self._sealer = None if keyring is None else Sealer(keyring)
        self._opener = Opener(keyring)

    @property
    def residence(self) -> Residence | None:
        # What lives there is as plain as it is in the engine.
        return self.inner.residence if self._keyring is None else None

    @property
    def schedules(self) -> Schedules | None:
        inner = super().schedules
        return None if inner is None else SealedSchedules(inner, self._sealer, self._opener)

    @property
    def batches(self) -> Batches | None:
        inner = super().batches
        return None if inner is None else SealedBatches(inner, self._sealer)

    @property
    def transactions(self) -> Transactions | None:
        inner = self.inner.transactions
        if inner is None or self._sealer is None or self._keyring is None:
            return inner
        return SealedTransactions(inner, self._sealer, len(self._keyring))

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
            return await self.inner.insert(groups, limits, key_ttl=key_ttl)
        sealed = [[sealer.new_task(task) for task in group] for group in groups]
        answers = await self.inner.insert(sealed, limits, key_ttl=key_ttl)
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
            (answer,) = await self.inner.insert([sealed], limits, key_ttl=key_ttl)
        return answer

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        if self._sealer is not None:
            outcomes = [self._sealer.outcome(outcome) for outcome in outcomes]
        return await self.inner.finish(outcomes)

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        if self._sealer is not None:
            snapshots = [self._sealer.snapshot(snapshot) for snapshot in snapshots]
        return await self.inner.mirror(instance, snapshots)

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        if self._sealer is not None:
            chunks = [self._sealer.chunk(chunk) for chunk in chunks]
        await self.inner.append_logs(chunks)

    # Tasks coming out

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        return self._claims(await self.inner.claim(request))

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        return self._claims(await self.inner.recover(by, dead, limit=limit))

    async def owned(self, instance: str) -> list[Claimed]:
        return self._claims(await self.inner.owned(instance))

    def _claims(self, claims: list[Claimed]) -> list[Claimed]:
        return [Claimed(claim.lease, self._opener.stored(claim.task)) for claim in claims]

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        tasks = await self.inner.get(task_ids)
        return [None if task is None else self._opener.stored(task) for task in tasks]

    async def attempts(self, task_id: str) -> list[Attempt]:
        attempts = await self.inner.attempts(task_id)
        if not attempts:
            return attempts
        # They are sealed under the id of the task, which may be another one's alias.
        (task,) = await self.inner.get([task_id])
        if task is not None and task.record.duplicate_of is not None:
            task_id = task.record.duplicate_of
        return [self._opener.attempt(attempt, task_id) for attempt in attempts]

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        page = await self.inner.search(query, limit=limit, cursor=cursor, most_bytes=most_bytes)
        return page._replace(tasks=[self._opener.stored(task) for task in page.tasks])
