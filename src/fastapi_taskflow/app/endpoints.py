"""Stands in an endpoint's place: FastAPI calls it through its ``Dependant``.

What stands there receives the request's `BackgroundTasks` before the endpoint, and sees what
the endpoint returns. That costs a twentieth of a dependency, which has to be solved like any
other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi import routing
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from fastapi_taskflow.rules.placing import is_coroutine_callable

__all__ = ["Bind", "bind_first", "connection_of", "enclose", "is_enclosed"]

Bind = Callable[..., object]

# The parameter by which FastAPI gives us the connection of a request.
_CONNECTION = "fastapi_taskflow_connection"
_MARK = "__fastapi_taskflow_encloses__"


def bind_first(dependant: Dependant, bind: Bind) -> bool:
    """Bind the endpoint's `BackgroundTasks` before each call; idempotent.

    Args:
        bind: Called with the connection, the tasks, and ``first``: no dependency of the
            request can have been entered before.

    Returns:
        False where a dependency has to do it: the endpoint is no plain function.
    """
    endpoint, name = dependant.call, dependant.background_tasks_param_name
    if name is None or not inspect.isfunction(endpoint):
        return False
    if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return False
    if not is_enclosed(endpoint, bind):
        connection = connection_of(dependant)

        def prepare(values: dict[str, Any]) -> None:
            bind(connection(values), values[name], first=not dependant.dependencies)

        enclose(dependant, bind, before=prepare)
    return True


def connection_of(dependant: Dependant) -> Callable[[dict[str, Any]], HTTPConnection]:
    """Has FastAPI give the connection; how to take it from the arguments of a call."""
    own = dependant.http_connection_param_name
    if own is not None:
        return lambda values: values[own]
    dependant.http_connection_param_name = _CONNECTION
    return lambda values: values.pop(_CONNECTION)


def enclose(
    dependant: Dependant,
    mark: object,
    *,
    before: Callable[[dict[str, Any]], Any],
    after: Callable[[Any, Any], None] | None = None,
) -> None:
    """Call ``before`` with the arguments of each call; ``after`` with its result and the answer.

    Args:
        mark: Tells what this is, see `is_enclosed`.
    """
    endpoint: Any = dependant.call
    if is_coroutine_callable(endpoint):

        @functools.wraps(endpoint)
        async def enclosed(**values: Any) -> Any:
            begun = before(values)
            answer = await endpoint(**values)
            if after is not None:
                after(begun, answer)
            return answer

    else:

        @functools.wraps(endpoint)
        def enclosed(**values: Any) -> Any:
            begun = before(values)
            answer = endpoint(**values)
            if after is not None:
                after(begun, answer)
            return answer

    setattr(enclosed, _MARK, mark)
    dependant.call = enclosed
    # FastAPI's validation errors name the file of the endpoint that stands here.
    find = getattr(routing, "_extract_endpoint_context", None)
    known = getattr(routing, "_endpoint_context_cache", None)
    if callable(find) and isinstance(known, dict):
        known[id(enclosed)] = find(endpoint)


def is_enclosed(function: Any, mark: object) -> bool:
    """By this app, or one that it is mounted in."""
    while (known := getattr(function, _MARK, None)) is not None:
        if known is mark:
            return True
        function = function.__wrapped__
    return False
