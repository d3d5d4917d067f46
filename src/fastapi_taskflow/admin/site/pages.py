"""The pages' routes: a status page and one page per task, rendered here, without scripts."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fastapi_taskflow.admin.api.api import QueueName, TaskId
from fastapi_taskflow.admin.api.documenting import add_page
from fastapi_taskflow.admin.api.filters import PageFilters
from fastapi_taskflow.admin.api.problems import Problem, with_cursor
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.auth.redirects import login_address
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.admin.site.detail import detail
from fastapi_taskflow.admin.site.layout import message
from fastapi_taskflow.admin.site.overview import Overview, overview
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.errors import TaskNotFound

__all__ = ["Pages"]

_NOT_SIGNED_IN = 401
_ASSETS = {"status.css": "text/css", "icon.svg": "image/svg+xml"}


class Pages:
    """The pages of one `TaskAdmin`; that of a single task may show its arguments."""

    def __init__(self, operations: Operations, site: Site, *, show_arguments: bool) -> None:
        self._operations = operations
        self._site = site
        self._show_arguments = show_arguments
        folder = files("fastapi_taskflow.admin.site") / "static"
        self._assets = {name: (folder / name).read_bytes() for name in _ASSETS}

    def router(self) -> APIRouter:
        """All routes. Files are served by one of them: a mount would be left unguarded."""
        router = APIRouter(prefix="/dashboard", route_class=_page_route(self._site))
        add = partial(add_page, router)
        add("GET", "", self.show_overview)
        add("GET", "/assets/{name}", self.show_asset)
        add("GET", "/tasks/{task_id}", self.show_task)
        add("POST", "/tasks/{task_id}/retry", self.retry_task)
        add("POST", "/tasks/{task_id}/cancel", self.cancel_task)
        add("POST", "/queues/{name}/pause", self.pause_queue)
        add("POST", "/queues/{name}/resume", self.resume_queue)
        return router

    async def show_overview(
        self, request: Request, filters: Annotated[PageFilters, Query()]
    ) -> Response:
        query = filters.query()
        records, cursor = await with_cursor(
            self._operations.search(query, limit=filters.limit, cursor=filters.cursor)
        )
        shown = Overview(
            await self._operations.metrics(),
            await self._operations.lately(),
            await self._operations.queues(),
            records,
            await self._operations.count(query),
            cursor,
            filters.refresh,
            self._operations.grade,
        )
        return HTMLResponse(overview(self._site.at(request), shown))

    async def show_task(self, request: Request, task_id: TaskId) -> Response:
        found = await self._operations.inspect(task_id, arguments=self._show_arguments)
        if found is None:
            raise TaskNotFound(task_id)
        grade = self._operations.grade
        return HTMLResponse(
            detail(self._site.at(request), found, show_arguments=self._show_arguments, grade=grade)
        )

    async def show_asset(self, request: Request, name: str) -> Response:
        if name not in self._assets:
            place = self._site.at(request)
            return HTMLResponse(message(place, 404, "There is no such file."), 404)
        return Response(self._assets[name], media_type=_ASSETS[name])

    async def retry_task(self, request: Request, task_id: TaskId) -> Response:
        new = await self._operations.retry(task_id, actor=actor(request))
        return self._see(request, "tasks", new)

    async def cancel_task(self, request: Request, task_id: TaskId) -> Response:
        await self._operations.cancel(task_id, actor=actor(request))
        return self._see(request, "tasks", task_id)

    async def pause_queue(self, request: Request, name: QueueName) -> Response:
        await self._operations.pause(name, actor=actor(request))
        return self._see(request)

    async def resume_queue(self, request: Request, name: QueueName) -> Response:
        await self._operations.resume(name, actor=actor(request))
        return self._see(request)

    def _see(self, request: Request, *parts: str) -> Response:
        return RedirectResponse(self._site.at(request).page(*parts), 303)


def _page_route(site: Site) -> type[AdminRoute]:
    class PageRoute(AdminRoute):
        """Says in HTML what is wrong."""

        def refuse(self, request: Request, problem: Problem) -> Response:
            place = site.at(request)
            if problem.status == _NOT_SIGNED_IN:
                return RedirectResponse(login_address(place, request), 303)
            html = message(place, problem.status, problem.detail)
            return HTMLResponse(html, problem.status, dict(problem.headers))

    return PageRoute
