"""Routes about actions on all tasks that match: count, start, follow, call off."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import Path, Query, Request
from pydantic import Field

from fastapi_taskflow.admin.api.bulk import SkippedTask
from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.failures import Group
from fastapi_taskflow.admin.api.filters import Moment as Instant
from fastapi_taskflow.admin.api.filters import TaskChoice, Text
from fastapi_taskflow.admin.api.schemas import Model, Moment, encodable
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.backends.base import Query as Chosen
from fastapi_taskflow.operations import BulkInfo, BulkPreview, Count

__all__ = ["BulkActionApi", "BulkDetail", "BulkPreviewInfo", "PreviewInfo"]

BulkId = Annotated[Text, Path()]


class BulkRequest(Model):
    """What is to be done, to which tasks."""

    action: Literal["retry", "cancel"]
    filter: TaskChoice = Field(
        description="As in the list of tasks; at least one beside `status`. Left out, `status` is "
        "failed and interrupted, or pending and running"
    )


class BulkStart(BulkRequest):
    """The same, bound to what was counted."""

    before: Instant | None = Field(
        None,
        description="Only tasks made before, for a retry also ended before: give `at` of the "
        "preview, and it is done to none that was not counted",
    )


class PreviewInfo(Model):
    """How many tasks it would be done to now."""

    count: int
    more: bool = Field(description="Counting stopped there")

    @classmethod
    def of(cls, found: Count) -> Self:
        return cls(count=found.number, more=found.more)


class BulkPreviewInfo(Model):
    """How many tasks an action would be done to."""

    count: int
    more: bool = Field(description="Counting stopped there")
    at: Moment = Field(description="As `before` of the action: what comes later is left alone")

    @classmethod
    def of(cls, found: BulkPreview) -> Self:
        number, more = found.count
        return cls(count=number, more=more, at=found.at.isoformat())


class BulkDetail(Model):
    """An action on many tasks. It goes on whatever becomes of who asked for it."""

    bulk_id: str
    action: str
    filter: dict[str, Any]
    status: str = Field(description="`running`, `done` or `cancelled`")
    actor: str
    created_at: Moment
    ended_at: Moment | None
    found: int = Field(description="Tasks that matched so far")
    done: int = Field(description="Of these: retried, cancelled, or asked to stop")
    refused: int = Field(
        description="Of these: ended or retried meanwhile, their arguments are not stored, or "
        "another task has their idempotency key"
    )
    refusals: list[SkippedTask] = Field(description="The first 100 of them, with the reason")

    @classmethod
    def of(cls, info: BulkInfo) -> Self:
        return cls(
            bulk_id=info.bulk_id,
            action=info.action,
            filter={name: _plain(value) for name, value in info.filters.items()},
            status=info.status,
            actor=encodable(info.actor),
            created_at=info.created_at.isoformat(),
            ended_at=None if info.ended_at is None else info.ended_at.isoformat(),
            found=info.found,
            done=info.done,
            refused=info.refused,
            refusals=[SkippedTask.of(one) for one in info.refusals],
        )


def _plain(value: Any) -> Any:
    return encodable(value) if isinstance(value, str) else value


class BulkActionApi(Routes):
    """The routes about actions on many tasks."""

    def add_to(self, add: Add) -> None:
        add("GET", "/bulk", self.list_bulk)
        add("POST", "/bulk", self.start_bulk, answers=(400, 413))
        add("POST", "/bulk/preview", self.preview_bulk, answers=(400, 413))
        add("GET", "/bulk/{bulk_id}", self.get_bulk, answers=(400, 404))
        add("POST", "/bulk/{bulk_id}/cancel", self.cancel_bulk, answers=(400, 404))
        add("POST", "/failures/{group}/retry", self.retry_failure, answers=(400, 404))

    async def start_bulk(self, request: Request, wanted: BulkStart) -> BulkDetail:
        """Retry or cancel all tasks that match, in the background; each once, whatever dies."""
        found = await self._operations.start_bulk(
            wanted.action, wanted.filter.query(), before=wanted.before, actor=actor(request)
        )
        return BulkDetail.of(found)

    async def preview_bulk(self, wanted: BulkRequest) -> BulkPreviewInfo:
        """How many tasks that would be now. Nothing is done."""
        found = await self._operations.preview_bulk(wanted.action, wanted.filter.query())
        return BulkPreviewInfo.of(found)

    async def retry_failure(
        self,
        request: Request,
        group: Group,
        before: Annotated[
            Instant | None, Query(description="As of `POST /bulk`: only what had ended before")
        ] = None,
    ) -> BulkDetail:
        """Retry all tasks that ended in this group's failure; `to_retry` says how many."""
        await self._operations.failure(group)
        found = await self._operations.start_bulk(
            "retry", Chosen(failure=group), before=before, actor=actor(request)
        )
        return BulkDetail.of(found)

    async def list_bulk(self, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[BulkDetail]:
        """Actions of the last 30 days, the newest first."""
        return [BulkDetail.of(one) for one in await self._operations.list_bulk(limit=limit)]

    async def get_bulk(self, bulk_id: BulkId) -> BulkDetail:
        """How far one is."""
        return BulkDetail.of(await self._operations.get_bulk(bulk_id))

    async def cancel_bulk(self, request: Request, bulk_id: BulkId) -> BulkDetail:
        """Do it to no more tasks. What was done stays."""
        return BulkDetail.of(await self._operations.cancel_bulk(bulk_id, actor=actor(request)))
