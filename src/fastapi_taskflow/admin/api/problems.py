"""From an exception to what the client is told: a status, a message, perhaps a task's id."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple, TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from fastapi_taskflow.admin.api.schemas import encodable
from fastapi_taskflow.admin.auth.refusals import BadValue, NotSignedIn, Refused, Throttled
from fastapi_taskflow.app import http_errors
from fastapi_taskflow.rules.forms import Unfit
from fastapi_taskflow.words.batches import BatchNotFound
from fastapi_taskflow.words.errors import (
    AlreadyRetried,
    BulkNotFound,
    ConfigurationError,
    EngineNotRunning,
    FailureNotFound,
    IdempotencyConflict,
    PayloadUnreadable,
    QueueNotFound,
    ScheduleNotFound,
    TaskArgumentError,
    TaskflowError,
    TaskNotFound,
    TaskStateError,
    UnknownTaskFunction,
)
from fastapi_taskflow.words.retries import KeyTaken

__all__ = ["HANDLED", "Problem", "bad_body", "bad_query", "problem", "with_cursor"]

T = TypeVar("T")

_STATUS: dict[type, int] = {
    ConfigurationError: 400,
    TaskStateError: 400,
    QueueNotFound: 404,
    FailureNotFound: 404,
    BulkNotFound: 404,
    BatchNotFound: 404,
    ScheduleNotFound: 404,
    TaskNotFound: 404,
    PayloadUnreadable: 409,
    TaskArgumentError: 409,
    UnknownTaskFunction: 409,
    EngineNotRunning: 503,
    # Of a task whose function has changed since; what is sent is told apart by `bad_body`.
    Unfit: 409,
}

HANDLED: tuple[type[Exception], ...] = (
    RequestValidationError,
    BadValue,
    Refused,
    NotSignedIn,
    Throttled,
    *http_errors.HANDLED,
    *_STATUS,
)


class Problem(NamedTuple):
    """``faults`` say what is wrong with which part of the request."""

    status: int
    detail: str
    headers: Mapping[str, str] = {}
    task_id: str | None = None
    faults: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> Response:
        """The answer of a JSON route."""
        content: dict[str, Any] = {"detail": list(self.faults) or self.detail}
        if self.task_id is not None:
            content["task_id"] = self.task_id
        return JSONResponse(content, self.status, dict(self.headers))


def problem(error: Exception) -> Problem:
    """What to answer for one of the `HANDLED` errors."""
    match error:
        case RequestValidationError():
            return _invalid(error)
        case BadValue() | Refused() | NotSignedIn() | Throttled():
            return Problem(error.status_code, error.detail, error.headers or {})
        case TaskNotFound():
            return Problem(404, "Task not found")
        case AlreadyRetried():
            return Problem(409, str(error), task_id=error.retried_as)
        case KeyTaken():
            return Problem(409, str(error), task_id=error.held_by)
        case IdempotencyConflict():
            return Problem(409, encodable(str(error)), task_id=error.task_id)
        case TaskflowError():
            status, headers = http_errors.answer(error)
            return Problem(_status(error) or status, encodable(str(error)), headers)
        case _:
            raise error


def _status(error: TaskflowError) -> int | None:
    """The status of errors that only these routes answer; the most special type decides."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)


def bad_query(name: str, message: str) -> RequestValidationError:
    """422 for one query parameter, in the form that pydantic's own complaints have."""
    return RequestValidationError([{"type": "value_error", "loc": ("query", name), "msg": message}])


def bad_body(name: str, error: Unfit) -> RequestValidationError:
    """422 for parts of one field of the body, likewise."""
    return RequestValidationError(
        [
            {"type": "value_error", "loc": ("body", name, *one.place), "msg": one.message}
            for one in error.faults
        ]
    )


async def with_cursor(page: Awaitable[T]) -> T:
    """The page, or 422 where the backend says that the cursor is none of its own."""
    try:
        return await page
    except TaskflowError:
        raise
    except ValueError as error:
        raise bad_query("cursor", str(error)) from error


def _invalid(error: RequestValidationError) -> Problem:
    # Without the input: it may hold what JSON has no form for, and it is the client's own.
    faults = tuple(
        {
            "type": fault["type"],
            "loc": [encodable(part) if isinstance(part, str) else part for part in fault["loc"]],
            "msg": encodable(fault["msg"]),
        }
        for fault in error.errors()
    )
    text = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in faults)
    return Problem(422, text, faults=faults)


def _place(loc: list[Any]) -> str:
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])
