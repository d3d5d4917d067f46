"""Durable functions in a response of the endpoint's own: ``Response(background=...)``.

FastAPI runs a stock `BackgroundTask` there as it is, so a durable function in it would not be
durable, and nobody would be told. What an endpoint returns is looked at; if a durable task
stands in it, all of its tasks become managed ones of this request.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import BackgroundTasks, FastAPI
from fastapi.dependencies.models import Dependant
from starlette import background as stock
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp

from fastapi_taskflow.app import scopes
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.app.endpoints import connection_of, enclose, is_enclosed
from fastapi_taskflow.app.units import Bond
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.placing import is_coroutine_callable
from fastapi_taskflow.rules.registry import Hidden
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Own", "guard", "guard_handlers"]

_GUARDED = object()


class Own:
    """Makes the tasks of an endpoint's own response managed, where one of them is durable."""

    def __init__(
        self,
        managers: Sequence[Control],
        bind: Callable[..., ManagedBackgroundTasks],
    ) -> None:
        self._managers = managers
        self._bind = bind

    @property
    def is_needed(self) -> bool:
        """Some task may be durable."""
        return any(each.runtime.persistent for each in self._managers)

    def take(self, conn: HTTPConnection, response: Response) -> None:
        """Look at a response that has background tasks.

        A durable one that cannot be taken raises, and nothing of the response runs.
        """
        background = response.background
        if isinstance(background, ManagedBackgroundTasks):
            if background.units.bond is Bond.CALL:
                # Made by the endpoint, not the request's: now it is stored with the request.
                scopes.attach(background.units, conn.scope, first=False)
            return
        items = _items(background)
        owners = [self._owner(item) for item in items]
        first = next((owner for owner in owners if owner is not None), None)
        if first is None:
            return
        tasks = self._bind(first, conn, BackgroundTasks())
        for item, owner in zip(items, owners, strict=True):
            if type(item) is BackgroundTask:
                bound = self._bind(owner, conn, tasks) if owner else tasks
                bound.add_task(TaskCall(item.func, item.args, dict(item.kwargs)))
            else:
                tasks.tasks.append(item)
        response.background = tasks

    async def take_apart(self, response: Response) -> None:
        """As `take`, after the request's exits: durable tasks are enqueued here and now."""
        owned = [(item, self._owner(item)) for item in _items(response.background)]
        left = [item for item, owner in owned if owner is None]
        if len(left) == len(owned):
            return
        for item, owner in owned:
            if owner is not None:
                await owner.enqueue(TaskCall(item.func, item.args, dict(item.kwargs)))
        response.background = stock.BackgroundTasks(left)

    def _owner(self, item: BackgroundTask) -> Control | None:
        """Whose durable task this is; None if it is not durable."""
        for each in self._managers:
            found = each.registry.find(item.func)
            hidden = Hidden(found, each.registry) if found else each.registry.adopt(item.func).hides
            if hidden is None or not hidden.registry.wants_durable(hidden.entry):
                continue
            for owner in self._managers:
                if owner.registry is hidden.registry and type(item) is BackgroundTask:
                    return owner
            raise ConfigurationError(_NOT_TAKEN.format(hidden.entry.name, type(item).__name__))
        return None


def guard_handlers(app: FastAPI, own: Own) -> None:
    """Have what the app's exception handlers answer looked at.

    They are read once, at the app's first call.
    """
    build = app.build_middleware_stack

    def build_with_guards() -> ASGIApp:
        if not own.is_needed:
            return build()
        handlers = app.exception_handlers
        app.exception_handlers = {kind: _handling(one, own) for kind, one in handlers.items()}
        try:
            return build()
        finally:
            app.exception_handlers = handlers

    app.build_middleware_stack = build_with_guards  # type: ignore[method-assign]


def _handling(handler: Callable[..., Any], own: Own) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def handle(conn: HTTPConnection, error: Exception) -> Any:
        if is_coroutine_callable(handler):
            answer = await handler(conn, error)
        else:
            answer = await run_in_threadpool(handler, conn, error)
        if isinstance(answer, Response) and answer.background is not None:
            await own.take_apart(answer)
        return answer

    return handle


def guard(dependant: Dependant, own: Own) -> None:
    """Have the endpoint's own responses looked at; idempotent."""
    endpoint = dependant.call
    if endpoint is None or is_enclosed(endpoint, _GUARDED) or not _returns(endpoint):
        return

    def look(conn: HTTPConnection, answer: object) -> None:
        if isinstance(answer, Response) and answer.background is not None:
            own.take(conn, answer)

    enclose(dependant, _GUARDED, before=connection_of(dependant), after=look)


def _returns(endpoint: Callable[..., Any]) -> bool:
    """It answers with a value, and not in pieces."""
    called: Any = endpoint
    while isinstance(called, functools.partial):
        called = called.func
    if not (inspect.isroutine(called) or inspect.isclass(called)):
        called = type(called).__call__
    return not (inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called))


def _items(background: object) -> Sequence[BackgroundTask]:
    """The tasks of a response; none of one that is managed."""
    if isinstance(background, stock.BackgroundTasks):
        return () if isinstance(background, ManagedBackgroundTasks) else background.tasks
    return (background,) if isinstance(background, BackgroundTask) else ()


_NOT_TAKEN = (
    "Task {!r} in a Response(background=...) is durable, and would not be stored: it stands there "
    "in a {}, which is no plain BackgroundTask, or its TaskManager does not know this app "
    "(task_manager.init_app(app))."
)
