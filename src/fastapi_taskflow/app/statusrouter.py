"""Routes by which a page follows one task or batch: as JSON, and as server-sent events."""

# No annotations as text: FastAPI could not find the functions in them that are made here.

from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field

from fastapi_taskflow.app.statusstream import TaskNews, follow, state_of_batch, state_of_task
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.operations.statuses import (
    Followed,
    Seen,
    look,
    look_at_batch,
    subject_of,
)
from fastapi_taskflow.rules.statustokens import Subject
from fastapi_taskflow.words.batches import BatchStatus
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["BatchStatusInfo", "StatusInfo", "accepted", "status_router"]

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Referrer-Policy": "no-referrer",
}
_Token = Annotated[str, Query(max_length=200)]

T = TypeVar("T")

# The mark of an endpoint that shows a status: whose, and whether of batches. By a route's name one
# could not tell those of two managers in an app.
_MARK = "taskflow_status_of"


class ProgressInfo(BaseModel):
    """How far it has come: a task in units of its own, a batch in tasks."""

    done: int | float
    total: int | float | None
    message: str | None


class StatusInfo(BaseModel):
    """One task, as far as its token lets one see it."""

    status: TaskStatus
    over: bool = Field(description="It has ended")
    progress: ProgressInfo | None
    emitted: list[Any] = Field(description="The newest values that it emitted")
    logs: list[str] | None = Field(None, description="If the router shows them")


class BatchStatusInfo(BaseModel):
    """One batch or chain, as far as its token lets one see it."""

    over: bool = Field(description="All its tasks have ended")
    progress: ProgressInfo
    pending: int
    running: int
    success: int
    failed: int
    cancelled: int


def status_router(manager: Control, prefix: str, *, show_logs: bool) -> APIRouter:
    """The routes; see `TaskManager.status_router`."""
    router = APIRouter(prefix=prefix, tags=["status"])
    _add_batches(router, manager)
    _add_tasks(router, manager, show_logs=show_logs)
    return router


def _add_tasks(router: APIRouter, manager: Control, *, show_logs: bool) -> None:
    async def seen(task_id: str, token: _Token) -> Seen:
        await _check(manager, Subject(task_id), token)
        return _existing(await look(manager.operations, task_id), "Task")

    @router.get(
        "/{task_id}",
        name="taskflow_status",
        response_model_exclude_unset=True,
        dependencies=[Depends(_private)],
    )
    async def status(found: Annotated[Seen, Depends(seen)]) -> StatusInfo:
        """How one task is."""
        info: dict[str, Any] = state_of_task(found) | {"emitted": found.emitted}
        return StatusInfo(**(info | {"logs": found.logs} if show_logs else info))

    @router.get("/{task_id}/events", response_class=StreamingResponse)
    async def events(
        task_id: str,
        found: Annotated[Seen, Depends(seen)],
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events: `status` when it changes, `emitted`, `log`, and `end` at last."""
        again = partial(look, manager.operations, task_id)
        news = TaskNews(last_event_id, show_logs=show_logs)
        stream = follow(manager, found, again, state_of_task, news.of)
        return StreamingResponse(stream, 200, _HEADERS, "text/event-stream")

    vars(status)[_MARK] = manager, False


def _add_batches(router: APIRouter, manager: Control) -> None:
    async def seen(batch_id: str, token: _Token) -> BatchStatus:
        await _check(manager, Subject(batch_id, is_batch=True), token)
        return _existing(await look_at_batch(manager.operations, batch_id), "Batch")

    @router.get(
        "/batches/{batch_id}", name="taskflow_batch_status", dependencies=[Depends(_private)]
    )
    async def status(found: Annotated[BatchStatus, Depends(seen)]) -> BatchStatusInfo:
        """How far one batch or chain has come."""
        return BatchStatusInfo(**state_of_batch(found))

    @router.get("/batches/{batch_id}/events", name="batch_events", response_class=StreamingResponse)
    async def events(
        batch_id: str, found: Annotated[BatchStatus, Depends(seen)]
    ) -> StreamingResponse:
        """Server-sent events: `status` when it changes, and `end` at last."""
        again = partial(look_at_batch, manager.operations, batch_id)
        stream = follow(manager, found, again, state_of_batch)
        return StreamingResponse(stream, 200, _HEADERS, "text/event-stream")

    vars(status)[_MARK] = manager, True


def _private(response: Response) -> None:
    response.headers.update(_HEADERS)


async def _check(manager: Control, subject: Subject, token: str) -> None:
    if not await manager.status_tokens.knows(subject, token):
        raise HTTPException(403, "This token is not valid, or no more.", _HEADERS)


def _existing(found: T | None, what: str) -> T:
    if found is None:
        raise HTTPException(404, f"{what} not found", _HEADERS)
    return found


async def accepted(
    manager: Control, request: Request, followed: Followed, expires: float
) -> JSONResponse:
    """The answer 202 with the address at which the task or batch can be followed."""
    subject = subject_of(followed)
    page = _page(manager, request, subject)
    token = await manager.status_tokens.make(followed, expires)
    query = f"?token={token}"
    kind = "batch_id" if subject.is_batch else "task_id"
    content = {kind: subject.id, "status": page + query, "events": f"{page}/events{query}"}
    return JSONResponse(content, 202, {"Location": page + query, **_HEADERS})


def _page(manager: Control, request: Request, subject: Subject) -> str:
    """The address of a task or batch in the app that answers the request."""
    named = {"batch_id" if subject.is_batch else "task_id": subject.id}
    for route in iter_route_contexts(request.app.routes):
        if getattr(route.endpoint, _MARK, None) == (manager, subject.is_batch):
            path = route.url_path_for(route.name, **request.path_params | named)
            return str(path.make_absolute_url(base_url=request.base_url))
    raise ConfigurationError(
        "This app has no page that shows the status: "
        "app.include_router(task_manager.status_router())"
    )
