"""How the JSON routes are declared: each with all its refusals in OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from fastapi_taskflow.http.schemas import ProblemInfo

__all__ = ["RETRY_AFTER", "add_route"]

_WORDS = {
    400: "The task's state does not allow it, or the body cannot be read",
    403: "Not for this client",
    404: "There is no such task or queue",
    409: "Retried already, function not registered, arguments not stored, or key held",
    413: "The body is too large",
    429: "The queue is full",
    503: "The store does not answer, or no engine runs",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "string"}}}


def add_route(
    router: APIRouter,
    method: str,
    path: str,
    endpoint: Callable[..., Any],
    *,
    answers: Sequence[int] = (),
    more_answers: Mapping[int, dict[str, Any]] | None = None,
) -> None:
    """Add one route.

    Args:
        answers: Statuses of its refusals, beside 403 and 503 that every route has.
        more_answers: Other answers, as FastAPI's ``responses`` has them.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for status in (*answers, 403, 503):
        documented[status] = {"model": ProblemInfo, "description": _WORDS[status]}
        if status in (429, 503):
            documented[status]["headers"] = RETRY_AFTER
    for status, told in (more_answers or {}).items():
        documented[status] = told  # noqa: PERF403  (update() wants the same type of key)
    router.add_api_route(path, endpoint, methods=[method], responses=documented, tags=["tasks"])
