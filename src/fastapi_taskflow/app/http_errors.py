"""HTTP answers for what the library refuses: 409, 429 and 503 with Retry-After."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil

from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import Scope

from fastapi_taskflow.words.errors import (
    IdempotencyConflict,
    QueueFullError,
    StoreUnavailable,
    TaskflowError,
)

__all__ = ["HANDLED", "add_handlers", "answer", "translate"]

HANDLED: tuple[type[TaskflowError], ...] = (IdempotencyConflict, QueueFullError, StoreUnavailable)
"""What a request may run into through no fault of the program."""


def answer(error: TaskflowError) -> tuple[int, dict[str, str]]:
    """Status and headers for one of the `HANDLED` errors, 500 for all others."""
    match error:
        case IdempotencyConflict():
            return 409, {}
        case QueueFullError(retry_after=seconds):
            return 429, {"Retry-After": str(max(1, ceil(seconds)))}
        case StoreUnavailable(retry_after=seconds):
            return 503, {"Retry-After": str(max(1, ceil(seconds)))}
        case _:
            return 500, {}


async def _handle(conn: HTTPConnection, error: Exception) -> Response:
    if not isinstance(error, TaskflowError) or conn.scope["type"] != "http":
        raise error  # a websocket cannot be answered; the server closes it and logs why
    status, headers = answer(error)
    return JSONResponse({"detail": str(error)}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Answer these errors where the app has no handler of its own for them."""
    handler: Callable[..., Awaitable[Response]] = _handle
    for kind in HANDLED:
        if kind not in app.exception_handlers:
            app.add_exception_handler(kind, handler)


def translate(error: TaskflowError, scope: Scope) -> None:
    """Raise its HTTP answer, in an app without a handler for the error (a mounted one, say)."""
    handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
    handled = any(kind in handlers for kind in type(error).__mro__)
    if isinstance(error, HANDLED) and not handled and scope["type"] == "http":
        status, headers = answer(error)
        raise HTTPException(status, str(error), headers) from error
