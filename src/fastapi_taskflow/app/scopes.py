"""The two moments of a request that count: its function has returned, its scope has ended.

FastAPI keeps an exit stack for each of them in the ASGI scope. Pushing on both when the
tasks are bound costs a third of a dependency with ``yield``. Where a FastAPI has no such
keys, dependencies with ``yield`` do the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from types import CodeType
from typing import Any

from fastapi import BackgroundTasks, params, routing
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Scope
from starlette.websockets import WebSocketDisconnect

from fastapi_taskflow.app import http_errors
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.app.units import Bond, Units
from fastapi_taskflow.words.errors import TaskflowError

__all__ = ["FUNCTION_STACK", "HAS_STACKS", "REQUEST_STACK", "attach", "by_yield"]

logger = logging.getLogger(__name__)

FUNCTION_STACK = "fastapi_function_astack"
REQUEST_STACK = "fastapi_inner_astack"

# The client went away, or somebody stopped the request: its function had returned.
_LEFT = (asyncio.CancelledError, ClientDisconnect, WebSocketDisconnect)

Bind = Callable[[HTTPConnection, BackgroundTasks], ManagedBackgroundTasks]


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, str):
            yield constant


def _names_stacks(function: str) -> bool:
    code = getattr(getattr(routing, function, None), "__code__", None)
    return code is not None and {FUNCTION_STACK, REQUEST_STACK} <= set(_texts(code))


HAS_STACKS = _names_stacks("request_response") and _names_stacks("websocket_session")
"""This FastAPI puts its exit stacks where `attach` looks for them."""


def attach(units: Units, scope: Scope, *, first: bool) -> None:
    """Commit the tasks when the endpoint has returned, close them when the scope ends.

    The callbacks run last of all: after the user's own commits, and after exits that may
    still add tasks.

    Args:
        first: No dependency was entered before, so what is pushed now runs last.
    """
    function_stack, request_stack = scope.get(FUNCTION_STACK), scope.get(REQUEST_STACK)
    if not isinstance(function_stack, AsyncExitStack) or not isinstance(
        request_stack, AsyncExitStack
    ):
        return

    units.bond = Bond.REQUEST
    _push(function_stack, _FunctionExit(units, scope), first=first)
    _push(request_stack, _RequestExit(units), first=first)


def by_yield(bind: Bind) -> params.Depends:
    """A dependency that does what `bind` and `attach` do, without the keys in the scope."""

    async def close_at_end(
        conn: HTTPConnection, background_tasks: BackgroundTasks
    ) -> AsyncIterator[Units]:
        units = bind(conn, background_tasks).units
        units.bond = Bond.REQUEST
        async with _RequestExit(units):
            yield units

    units_of_request: Any = params.Depends(close_at_end)

    async def commit_at_return(
        conn: HTTPConnection, units: Units = units_of_request
    ) -> AsyncIterator[None]:
        async with _FunctionExit(units, conn.scope):
            yield

    return params.Depends(commit_at_return, scope="function")


class _RequestExit:
    """Closes the units. An object of its own costs an exit stack less than a closure."""

    __slots__ = ("_units",)

    def __init__(self, units: Units) -> None:
        self._units = units

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if not self._units.close_now():
            await self._units.close(failed=exc is not None and not isinstance(exc, _LEFT))


class _FunctionExit:
    """Commits the units: the endpoint has returned or raised, and nothing was sent yet."""

    __slots__ = ("_scope", "_units")

    def __init__(self, units: Units, scope: Scope) -> None:
        self._units = units
        self._scope = scope

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _: object, exc: BaseException | None, __: object) -> None:
        units, scope = self._units, self._scope
        if exc is None and units.commit_now():
            return
        websocket = scope["type"] == "websocket"
        # A websocket's function ends when its client leaves, mostly with this exception.
        if exc is not None and not (websocket and isinstance(exc, WebSocketDisconnect)):
            units.discard()
            if isinstance(exc, TaskflowError):
                http_errors.translate(exc, scope)
            return
        try:
            await units.commit()
        except TaskflowError as error:
            if websocket:
                logger.exception("The tasks of a websocket could not be stored")
                return
            http_errors.translate(error, scope)
            raise


def _push(stack: AsyncExitStack, callback: Any, *, first: bool) -> None:
    if first:
        stack.push_async_exit(callback)
        return
    # What was pushed before would run after us: put it back on top as one.
    earlier = stack.pop_all()
    stack.push_async_exit(callback)
    stack.push_async_exit(earlier)
