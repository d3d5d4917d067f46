"""Sealing in transactions of callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fastapi_taskflow.backends.base import (
    Admission,
    IsOver,
    Joined,
    KeyConflict,
    NewBatch,
    NewTask,
    Outcome,
    Settled,
    Transactions,
)
from fastapi_taskflow.backends.sealed.values import Sealer

__all__ = ["SealedTransactions"]

T = TypeVar("T")


class SealedTransactions(Transactions):
    """Those of another store, which sees nothing plain.

    Args:
        ages: How many keys there are, the older ones included.
    """

    def __init__(self, inner: Transactions, sealer: Sealer, ages: int) -> None:
        self._inner = inner
        self._sealer = sealer
        self._ages = ages

    def is_async(self, session: object) -> bool:
        return self._inner.is_async(session)

    def run(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        return self._inner.run(session, instance, self._sealed(step))

    async def run_async(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        return await self._inner.run_async(session, instance, self._sealed(step))

    def _sealed(self, step: Callable[[Joined], T]) -> Callable[[Joined], T]:
        return lambda joined: step(_SealedJoined(joined, self._sealer, self._ages))


class _SealedJoined(Joined):
    def __init__(self, inner: Joined, sealer: Sealer, ages: int) -> None:
        self._inner = inner
        self._sealer = sealer
        self._ages = ages

    def insert(
        self,
        tasks: Sequence[NewTask],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        sealed = [self._sealer.new_task(task) for task in tasks]
        answer = self._inner.insert(sealed, limits, key_ttl=key_ttl)
        age = 1
        while isinstance(answer, KeyConflict) and age < self._ages:
            # Its holder may have been stored under an older one of ours.
            sealed = [self._sealer.new_task(task, age) for task in tasks]
            answer = self._inner.insert(sealed, limits, key_ttl=key_ttl)
            age += 1
        return answer

    def add_batch(
        self,
        batch: NewBatch,
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        return self._inner.add_batch(self._sealer.batch(batch), limits, key_ttl=key_ttl)

    def finish(self, outcome: Outcome) -> Settled | None:
        return self._inner.finish(self._sealer.outcome(outcome))

    def before_commit(self, told: Callable[[IsOver], None]) -> None:
        self._inner.before_commit(told)
