"""How the JSON routes are declared: each with all its refusals in OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from fastapi import APIRouter
from fastapi.datastructures import Default
from fastapi.responses import HTMLResponse, JSONResponse

from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.api.schemas import TaskflowProblem
from fastapi_taskflow.operations import Operations

__all__ = ["PAGED", "RETRY_AFTER", "Add", "Routes", "add_page", "add_route"]

Add: TypeAlias = Callable[..., None]
"""`add_route` of one router."""

_WORDS = {
    400: "The task's state does not allow it, or a value cannot be read",
    401: "Nobody is signed in",
    403: "Not for this client, or not for their role",
    404: "There is no such task, or whatever else is named",
    409: "Retried already, function not registered, arguments not stored, or key held",
    413: "The body is too large",
    415: "The body is neither JSON nor a form",
    422: "The body is not as it should be",
    429: "The queue is full, or too many wrong passwords came from there",
    503: "The store does not answer, or no engine runs",
}
PAGED = {
    "Link": {"description": '`rel="next"`: the next page, if any', "schema": {"type": "string"}}
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "string"}}}
_INVALID, _UNAVAILABLE = 422, 503
# One answer of each route brings the model into the document, and the others name it: FastAPI
# builds a validator for each model of each route, which is most of what it takes to make them.
_REFUSAL = {"schema": {"$ref": f"#/components/schemas/{TaskflowProblem.__name__}"}}
# FastAPI puts this schema into every document that has a route with a query.
_FAULTS = {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
_PAGE = {"text/html": {"schema": {"type": "string"}}}


class Routes:
    """Routes that ask the operations of one manager."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations


def add_route(  # noqa: PLR0913  (what OpenAPI tells of a route)
    router: APIRouter,
    method: str,
    path: str,
    endpoint: Callable[..., Any],
    *,
    answers: Sequence[int] = (),
    more_answers: Mapping[int, dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    pages: Sequence[int] = (),
    success: int = 200,
    answer: Any = None,
    sparse: bool = False,
    media: Any = None,
    kind: type[AdminRoute] = AdminRoute,
) -> None:
    """Add one route to a router.

    Args:
        answers: Statuses of its refusals, beside those that every route has: 401, 403, 429
            (too many wrong passwords) and 503.
        more_answers: Other answers, as FastAPI's ``responses`` has them.
        body: What FastAPI cannot see of the request, in OpenAPI's form.
        pages: Statuses of refusals that may also come as a page.
        success: Status where nothing is in the way.
        answer: The model of a body that the endpoint writes itself; left out: its annotation.
        media: The class of its response; left out: JSON.
        sparse: Fields that were not set are left out, rather than null.
    """
    documented: dict[int | str, dict[str, Any]] = {
        status: _refusal(status, as_page=status in pages, models=media is None)
        for status in (*answers, 401, 403, 429, _UNAVAILABLE)
    }
    for status, given in (more_answers or {}).items():
        documented[status] = given  # noqa: PERF403  (update() wants the same type of key)
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        status_code=success,
        responses=documented,
        openapi_extra=body,
        response_model=Default(None) if answer is None else answer,
        response_model_exclude_unset=sparse,
        response_class=Default(JSONResponse) if media is None else media,
        route_class_override=kind,
    )


def add_page(router: APIRouter, method: str, path: str, endpoint: Callable[..., Any]) -> None:
    """Add a route of the pages, which no document shows."""
    router.add_api_route(
        path, endpoint, methods=[method], response_class=HTMLResponse, include_in_schema=False
    )


def _refusal(status: int, *, as_page: bool, models: bool) -> dict[str, Any]:
    # A model is documented in the form of the route's own answer: only where that is JSON.
    told: dict[str, Any] = {"description": _WORDS[status]}
    told["content"] = dict(_PAGE) if as_page else {}
    if status == _INVALID:
        told["content"]["application/json"] = _FAULTS
    elif status == _UNAVAILABLE and models:
        told["model"] = TaskflowProblem
    else:
        told["content"]["application/json"] = _REFUSAL
    if status in (429, _UNAVAILABLE):
        told["headers"] = RETRY_AFTER
    return told
