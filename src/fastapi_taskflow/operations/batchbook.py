"""``task_manager.batches``: batches and chains as a whole."""

from __future__ import annotations

from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.words.batches import BatchStatus

__all__ = ["BatchBook"]


class BatchBook:
    """Every batch of the store. Acts are audited.

    Raises:
        EngineNotRunning, StoreUnavailable: from every method.
        BatchNotFound: from those that take an id: there is none, or it was deleted as old.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def get(self, batch_id: str) -> BatchStatus:
        """How far a batch has come; costs the same however many tasks it has ended."""
        return await self._operations.get_batch(batch_id)

    async def list(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[BatchStatus], str | None]:
        """Batches, the newest first, and the cursor of the next page (None: no more)."""
        return await self._operations.list_batches(limit=limit, cursor=cursor)

    async def cancel(self, batch_id: str, *, actor: str = "anonymous") -> BatchStatus:
        """Cancel what has not started, and ask what runs to end; how far it is then.

        Its callbacks follow as after any end: ``on_failure``, and ``on_done`` when all has ended.
        """
        return await self._operations.cancel_batch(batch_id, actor=actor)

    async def retry(self, batch_id: str, *, actor: str = "anonymous") -> dict[str, str]:
        """Run once more what ended without success, each in its place; ids of the new tasks by
        those of the old.

        Of a chain: from the first step that did not succeed, one after the other. Callbacks
        that were called before are not called again.
        """
        done = await self._operations.retry_batch(batch_id, actor=actor)
        return dict(done.retried)
