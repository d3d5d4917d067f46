"""Routes about batches and chains: how far they are, and acts on them as a whole."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Path, Query, Request, Response
from pydantic import Field

from fastapi_taskflow.admin.api.bulk import BulkRetryInfo
from fastapi_taskflow.admin.api.documenting import PAGED, Add
from fastapi_taskflow.admin.api.filters import BatchPage, Text
from fastapi_taskflow.admin.api.problems import with_cursor
from fastapi_taskflow.admin.api.schemas import Model, Moment, encodable
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.batches import BatchStatus

__all__ = ["BatchApi", "BatchInfo"]

BatchId = Annotated[Text, Path()]


class BatchInfo(Model):
    """How far a batch has come. A task that was retried counts as its retry does."""

    id: str
    chain: bool = Field(description="Its tasks run one after the other")
    total: int
    pending: int
    running: int
    success: int
    failed: int = Field(description="Interrupted ones too")
    cancelled: int
    done: bool = Field(description="All have ended")
    created_at: Moment
    ended_at: Moment | None
    tags: dict[str, str]

    @classmethod
    def of(cls, status: BatchStatus) -> Self:
        found = status.to_dict()
        tags = {encodable(name): encodable(value) for name, value in status.tags.items()}
        return cls(**{**found, "tags": tags})


class BatchApi:
    """The routes about batches."""

    def __init__(self, operations: Operations, site: Site) -> None:
        self._operations = operations
        self._site = site

    def add_to(self, add: Add) -> None:
        paged = {200: {"headers": PAGED}}
        add("GET", "/batches", self.list_batches, answers=(400,), more_answers=paged)
        add("GET", "/batches/{batch_id}", self.get_batch, answers=(400, 404))
        add("POST", "/batches/{batch_id}/cancel", self.cancel_batch, answers=(400, 404))
        add("POST", "/batches/{batch_id}/retry", self.retry_batch, answers=(400, 404, 409, 429))

    async def list_batches(
        self, request: Request, response: Response, page: Annotated[BatchPage, Query()]
    ) -> list[BatchInfo]:
        """Batches and chains, the newest first."""
        found, cursor = await with_cursor(
            self._operations.list_batches(limit=page.limit, cursor=page.cursor)
        )
        if cursor is not None:
            place = self._site.at(request)
            response.headers["Link"] = place.link_next("batches", cursor=cursor)
        return [BatchInfo.of(one) for one in found]

    async def get_batch(self, batch_id: BatchId) -> BatchInfo:
        """How far a batch has come. Its tasks are in the list, by `batch`."""
        return BatchInfo.of(await self._operations.get_batch(batch_id))

    async def cancel_batch(self, request: Request, batch_id: BatchId) -> BatchInfo:
        """Cancel what has not started of a batch, and ask what runs to end."""
        return BatchInfo.of(await self._operations.cancel_batch(batch_id, actor=actor(request)))

    async def retry_batch(self, request: Request, batch_id: BatchId) -> BulkRetryInfo:
        """Run once more what ended without success, each in its place; of a chain from the first
        step that did.
        """
        done = await self._operations.retry_batch(batch_id, actor=actor(request))
        return BulkRetryInfo.of(done)
