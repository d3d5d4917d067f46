"""Routes that retry many tasks at once."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Query, Request
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.filters import FailedFilters
from fastapi_taskflow.admin.api.problems import with_cursor
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.api.schemas import Model, encodable
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.operations import BULK_LIMIT, BulkRetry
from fastapi_taskflow.rules.bulk import Refusal

__all__ = ["BulkApi", "BulkRetryInfo", "SkippedTask", "TaskIds"]

_Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TaskIds(Model):
    """Tasks to retry. One that is named twice counts once."""

    task_ids: list[_Id] = Field(max_length=BULK_LIMIT)


class RetriedTask(Model):
    """A task and its retry."""

    original_task_id: str
    new_task_id: str


class SkippedTask(Model):
    """A task to which it was not done."""

    task_id: str
    reason: str

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        return cls(task_id=refusal.task_id, reason=encodable(refusal.reason))


class BulkRetryInfo(Model):
    """What became of the tasks. Those that were skipped are as they were."""

    dispatched: int
    skipped: int
    results: list[RetriedTask]
    refusals: list[SkippedTask] = Field(description=f"The first {BULK_LIMIT} that were skipped")
    cursor: str | None = Field(
        description="There may be more: give it to the next call. Null: that was all"
    )

    @classmethod
    def of(cls, done: BulkRetry) -> Self:
        return cls(
            dispatched=len(done.retried),
            skipped=done.skipped,
            results=[
                RetriedTask(original_task_id=original, new_task_id=new)
                for original, new in done.retried
            ],
            refusals=[SkippedTask.of(one) for one in done.refusals],
            cursor=done.cursor,
        )


class _BulkRoute(AdminRoute):
    # A thousand ids of the greatest length, with quotes, commas, blanks and line ends.
    body_limit_bytes = 131_072


class BulkApi(Routes):
    """The routes that retry many tasks."""

    def add_to(self, add: Add) -> None:
        add("POST", "/bulk-retry", self.retry_many, answers=(400, 413), kind=_BulkRoute)
        add("POST", "/retry-failed", self.retry_failed, answers=(400,))

    async def retry_many(self, request: Request, chosen: TaskIds) -> BulkRetryInfo:
        """Run tasks that ended without success once more, each as a new task.

        Unknown tasks, those in another state, those retried before and those whose function
        this process does not have are skipped.
        """
        done = await self._operations.retry_many(chosen.task_ids, actor=actor(request))
        return BulkRetryInfo.of(done)

    async def retry_failed(
        self, request: Request, filters: Annotated[FailedFilters, Query()]
    ) -> BulkRetryInfo:
        """Run FAILED and INTERRUPTED tasks once more, newest first, up to 1,000 in one call."""
        done = await with_cursor(
            self._operations.retry_failed(
                since=filters.moment(),
                func_name=filters.func_name,
                cursor=filters.cursor,
                actor=actor(request),
            )
        )
        return BulkRetryInfo.of(done)
