"""Batches whose arguments the store never sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi_taskflow.backends.base import Admission, Batches, HeldCall, NewBatch, StoredBatch
from fastapi_taskflow.backends.sealed.values import Sealer

__all__ = ["SealedBatches"]


class SealedBatches(Batches):
    """The batches of a `SealedBackend`. What is `held` is given as it is stored."""

    def __init__(self, inner: Batches, sealer: Sealer | None) -> None:
        self._inner = inner
        self._sealer = sealer

    async def add(
        self,
        batches: Sequence[NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        if self._sealer is not None:
            batches = list(map(self._sealer.batch, batches))
        return await self._inner.add(batches, limits, key_ttl=key_ttl)

    async def find(self, batch_ids: Sequence[str]) -> list[StoredBatch | None]:
        return await self._inner.find(batch_ids)

    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[StoredBatch], str | None]:
        return await self._inner.page(limit=limit, cursor=cursor)

    async def held(self, *, limit: int, after: str = "") -> list[HeldCall]:
        return await self._inner.held(limit=limit, after=after)

    async def reseal(self, changes: Sequence[tuple[HeldCall, bytes]]) -> list[bool]:
        return await self._inner.reseal(changes)
