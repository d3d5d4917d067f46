"""Endpoints whose `BackgroundTasks` are managed before they are called.

FastAPI calls an endpoint through its ``Dependant``; so a function that stands there in its
place receives the request's `BackgroundTasks` first. That costs a twentieth of a dependency,
which has to be solved like any other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import BackgroundTasks, routing
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

__all__ = ["CONNECTION", "Bind", "keep_its_place", "wrap"]

Bind = Callable[[HTTPConnection, BackgroundTasks, bool], object]

CONNECTION = "fastapi_taskflow_connection"
"""The parameter by which FastAPI gives us the connection of a request."""
_MARK = "__fastapi_taskflow_wraps__"


def wrap(dependant: Dependant, bind: Bind) -> bool:
    """Bind the endpoint's `BackgroundTasks` before each call; idempotent.

    Args:
        bind: Called with the connection, the tasks, and whether no dependency of the
            request can have been entered before.

    Returns:
        False where a dependency has to do it: the endpoint is no plain function.
    """
    endpoint, name = dependant.call, dependant.background_tasks_param_name
    if name is None or not inspect.isfunction(endpoint):
        return False
    if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return False
    if any(known is bind for known in _binders(endpoint)):
        return True
    own = dependant.http_connection_param_name
    if own is None:
        dependant.http_connection_param_name = CONNECTION

    def prepare(values: dict[str, Any]) -> None:
        connection = values[own] if own is not None else values.pop(CONNECTION)
        bind(connection, values[name], not dependant.dependencies)

    managed = _managed(endpoint, prepare)
    setattr(managed, _MARK, bind)
    dependant.call = managed
    keep_its_place(endpoint, managed)
    return True


def _binders(function: Any) -> Iterator[object]:
    """What binds before a call, by this app and those that it is mounted in."""
    while (known := getattr(function, _MARK, None)) is not None:
        yield known
        function = function.__wrapped__


def _managed(
    endpoint: Callable[..., Any], prepare: Callable[[dict[str, Any]], None]
) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def call_later(**values: Any) -> Any:
            prepare(values)
            return await endpoint(**values)

        return call_later

    @functools.wraps(endpoint)
    def call(**values: Any) -> Any:
        prepare(values)
        return endpoint(**values)

    return call


def keep_its_place(endpoint: Callable[..., Any], managed: Callable[..., Any]) -> None:
    """Let FastAPI's validation errors name the endpoint's own file, not this one."""
    find = getattr(routing, "_extract_endpoint_context", None)
    known = getattr(routing, "_endpoint_context_cache", None)
    if callable(find) and isinstance(known, dict):
        known[id(managed)] = find(endpoint)
