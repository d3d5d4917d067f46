"""The JSON routes: each checks its input, asks `operations`, and shows what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from fastapi_taskflow.admin.api.audits import AuditCheckInfo, AuditInfo
from fastapi_taskflow.admin.api.batches import BatchApi
from fastapi_taskflow.admin.api.bulk import BulkApi
from fastapi_taskflow.admin.api.bulkactions import BulkActionApi, PreviewInfo
from fastapi_taskflow.admin.api.documenting import PAGED, add_route
from fastapi_taskflow.admin.api.exporting import ExportApi
from fastapi_taskflow.admin.api.failures import FailureApi
from fastapi_taskflow.admin.api.filters import (
    AuditFilters,
    AuditLook,
    HistorySpan,
    ListFilters,
    Text,
)
from fastapi_taskflow.admin.api.fleet import FleetApi
from fastapi_taskflow.admin.api.health import HealthApi
from fastapi_taskflow.admin.api.logs import LogApi
from fastapi_taskflow.admin.api.metrics import MetricsApi
from fastapi_taskflow.admin.api.pauses import PauseApi
from fastapi_taskflow.admin.api.problems import with_cursor
from fastapi_taskflow.admin.api.rerunning import RerunApi, added
from fastapi_taskflow.admin.api.schedules import ScheduleApi
from fastapi_taskflow.admin.api.schemas import (
    PurgeInfo,
    QueueChanges,
    QueueInfo,
    TaskAction,
    TaskDetail,
    TaskId,
    TaskInfo,
)
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.rules.auth.roles import Permission
from fastapi_taskflow.words.errors import QueueNotFound, TaskNotFound
from fastapi_taskflow.words.models import TaskRecord
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["TaskApi"]

# Of texts; a page's frame comes on top, which is small.
_PAGE_BYTES = 4 * 2**20
# One task's log has at most 256 KiB, which take about a millisecond.
_SLICE_SECONDS = 0.01
_COUNTED = {
    **PAGED,
    "X-Total-Count": {
        "description": "How many match; `10000+` where counting stopped",
        "schema": {"type": "string", "pattern": r"^[0-9]+\+?$"},
    },
}

QueueName = Annotated[Text, Path()]


class TaskApi:
    """The JSON routes of one `TaskAdmin`; that of a single task may show its arguments."""

    def __init__(self, operations: Operations, site: Site, *, show_arguments: bool) -> None:
        self._operations = operations
        self._site = site
        self._show_arguments = show_arguments

    def router(self) -> APIRouter:
        """All routes; literal paths stand before the one with a task's id."""
        router = APIRouter()
        add = partial(add_route, router)
        counted = {200: {"headers": _COUNTED}}
        add("GET", "", self.list_tasks, more_answers=counted, answer=list[TaskInfo])
        add("GET", "/queues", self.list_queues)
        add("PATCH", "/queues/{name}", self.update_queue, answers=(400, 404, 413))
        add("POST", "/queues/{name}/pause", self.pause_queue, answers=(404,))
        add("POST", "/queues/{name}/drain", self.drain_queue, answers=(404,))
        add("POST", "/queues/{name}/resume", self.resume_queue, answers=(404,))
        for routes in (
            BulkApi,
            BulkActionApi,
            ExportApi,
            FailureApi,
            PauseApi,
            FleetApi,
            HealthApi,
            MetricsApi,
        ):
            routes(self._operations).add_to(add)
        ScheduleApi(self._operations, self._site).add_to(add)
        BatchApi(self._operations, self._site).add_to(add)
        add("GET", "/audit", self.list_audit, more_answers={200: {"headers": PAGED}})
        add("GET", "/audit/verify", self.verify_audit)
        part = {202: {"model": PurgeInfo, "description": "Deleted so many; ask again for more"}}
        add("DELETE", "/history", self.purge_history, answers=(400,), more_answers=part)
        add("GET", "/history/preview", self.preview_purge, answers=(400,))
        add("GET", "/{task_id}", self.get_task, answers=(400, 404), sparse=True)
        add("POST", "/{task_id}/retry", self.retry_task, answers=(400, 404, 409, 429))
        LogApi(self._operations).add_to(add)
        RerunApi(self._operations, show_arguments=self._show_arguments).add_to(add)
        asked = {202: {"model": TaskAction, "description": "It runs, and was asked to stop"}}
        add("POST", "/{task_id}/cancel", self.cancel_task, answers=(400, 404), more_answers=asked)
        return router

    # Tasks

    async def list_tasks(
        self, request: Request, filters: Annotated[ListFilters, Query()]
    ) -> Response:
        """Tasks of all instances, newest first. A page ends early at 4 MiB; its link goes on.

        Viewers see no logs.
        """
        query = filters.query()
        records, cursor = await with_cursor(
            self._operations.search(
                query,
                limit=filters.limit,
                cursor=filters.cursor,
                most_bytes=None if filters.brief else _PAGE_BYTES,
            )
        )
        found = await self._operations.count(query)
        readable = self._site.at(request).may(Permission.READ_CONTENTS)
        response = await _listed(records, brief=filters.brief, readable=readable)
        response.headers["X-Total-Count"] = f"{found.number}{'+' if found.more else ''}"
        self._link_next(request, response, [], cursor)
        return response

    async def get_task(self, request: Request, task_id: TaskId) -> TaskDetail:
        """One task with its logs and attempts."""
        found = await self._operations.inspect(task_id, arguments=self._show_arguments)
        if found is None:
            raise TaskNotFound(task_id)
        detail = TaskDetail.inspected(found, show_arguments=self._show_arguments)
        readable = self._site.at(request).may(Permission.READ_CONTENTS)
        return detail if readable else detail.masked()

    async def retry_task(self, request: Request, task_id: TaskId) -> TaskAction:
        """Run a task that ended without success once more, as a new task."""
        new = await self._operations.retry(task_id, actor=actor(request))
        return await added(self._operations, new)

    async def cancel_task(
        self, request: Request, response: Response, task_id: TaskId
    ) -> TaskAction:
        """Cancel a task; 202 when it runs and was only asked to stop."""
        record, asked = await self._operations.cancel(task_id, actor=actor(request))
        # It may have ended since: the status is that of the task which the answer shows.
        if asked and record.status not in TERMINAL:
            response.status_code = 202
        return TaskAction(task_id=record.task_id, task=TaskInfo.of(record))

    async def purge_history(
        self, request: Request, response: Response, age: Annotated[HistorySpan, Query()]
    ) -> PurgeInfo:
        """Delete records of tasks that ended longer ago; 202 when there are more of them.

        One request deletes about 10,000 at most. Totals and the audit stay.
        """
        purged = await self._operations.purge_history(age.span(), actor=actor(request))
        if purged.more:
            response.status_code = 202
        return PurgeInfo(deleted=purged.deleted, store=purged.store, backend=purged.backend)

    async def preview_purge(self, age: Annotated[HistorySpan, Query()]) -> PreviewInfo:
        """How many records that would delete, in as many requests as it takes."""
        return PreviewInfo.of(await self._operations.preview_purge(age.span()))

    # Audit

    async def list_audit(
        self, request: Request, response: Response, page: Annotated[AuditFilters, Query()]
    ) -> list[AuditInfo]:
        """What operators did, newest first."""
        entries, cursor = await with_cursor(
            self._operations.audit(limit=page.limit, cursor=page.cursor)
        )
        self._link_next(request, response, ["audit"], cursor)
        return [AuditInfo.of(entry) for entry in entries]

    async def verify_audit(self, look: Annotated[AuditLook, Query()]) -> AuditCheckInfo:
        """Whether the newest entries of the audit are as they were written."""
        return AuditCheckInfo.of(await self._operations.verify_audit(most=look.most))

    # Queues

    async def list_queues(self) -> list[QueueInfo]:
        """Every queue with its limits and numbers, by name."""
        return [QueueInfo(**stats) for stats in await self._operations.queues()]

    async def update_queue(
        self, request: Request, name: QueueName, changes: QueueChanges
    ) -> QueueInfo:
        """Set a queue's limits for all instances, now and after a restart."""
        changed = changes.model_dump(exclude_unset=True)
        if changed:
            await self._operations.update_queue(name, changed, actor=actor(request))
        return await self._queue(name)

    async def pause_queue(self, request: Request, name: QueueName) -> QueueInfo:
        """Start nothing more of this queue, on any instance."""
        await self._operations.pause(name, actor=actor(request))
        return await self._queue(name)

    async def drain_queue(self, request: Request, name: QueueName) -> QueueInfo:
        """Take nothing new in this queue, on any instance, and work off what it has."""
        await self._operations.drain(name, actor=actor(request))
        return await self._queue(name)

    async def resume_queue(self, request: Request, name: QueueName) -> QueueInfo:
        """Let a queue go on that is paused or drains."""
        await self._operations.resume(name, actor=actor(request))
        return await self._queue(name)

    async def _queue(self, name: str) -> QueueInfo:
        for stats in await self._operations.queues():
            if stats["name"] == name:
                return QueueInfo(**stats)
        raise QueueNotFound(f"No queue is named {name!r}.")

    def _link_next(
        self, request: Request, response: Response, path: list[str], cursor: str | None
    ) -> None:
        if cursor is None:
            return
        response.headers["Link"] = self._site.at(request).link_next(*path, cursor=cursor)


async def _listed(records: Sequence[TaskRecord], *, brief: bool, readable: bool) -> Response:
    """The answer with these tasks. Other requests have their turn while it is written.

    Args:
        brief: Without logs and stack traces.
        readable: Who asks may see logs.
    """
    written: list[str] = []
    until = time.monotonic() + _SLICE_SECONDS
    for record in records:
        shown = record if readable else replace(record, logs=[])
        info = TaskInfo.brief(shown) if brief else TaskInfo.of(shown)
        written.append(info.model_dump_json())
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE_SECONDS
    return Response(f"[{','.join(written)}]", media_type="application/json")
