"""HTTP answers for what the library refuses: 409, 429 and 503 with Retry-After."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil
from typing import NoReturn

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Scope

from fastapi_taskflow.errors import (
    IdempotencyConflict,
    QueueFullError,
    StoreUnavailable,
    TaskflowError,
)

__all__ = ["add_handlers", "answer", "reraise"]


def answer(error: TaskflowError) -> tuple[int, dict[str, str]]:
    """Status and headers for an error that a request may run into, 500 for all others."""
    match error:
        case IdempotencyConflict():
            return 409, {}
        case QueueFullError(retry_after=seconds):
            return 429, {"Retry-After": str(max(1, ceil(seconds)))}
        case StoreUnavailable(retry_after=seconds):
            return 503, {"Retry-After": str(max(1, ceil(seconds)))}
        case _:
            return 500, {}


async def _handle(_: Request, error: Exception) -> Response:
    assert isinstance(error, TaskflowError)  # noqa: S101  (registered for these only)
    status, headers = answer(error)
    return JSONResponse({"detail": str(error)}, status, headers)


_HANDLED: tuple[type[TaskflowError], ...] = (IdempotencyConflict, QueueFullError, StoreUnavailable)


def add_handlers(app: FastAPI) -> None:
    """Answer these errors where the app has no handler of its own for them."""
    handler: Callable[[Request, Exception], Awaitable[Response]] = _handle
    for kind in _HANDLED:
        if kind not in app.exception_handlers:
            app.add_exception_handler(kind, handler)


def reraise(error: TaskflowError, scope: Scope) -> NoReturn:
    """Raise a commit's error so that the app answers it.

    As itself where the app has a handler for it; else (a mounted app, say) as an
    `HTTPException`, which every FastAPI app answers.
    """
    handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
    if any(kind in handlers for kind in type(error).__mro__[:-2]):
        raise error
    status, headers = answer(error)
    raise HTTPException(status, str(error), headers) from error
