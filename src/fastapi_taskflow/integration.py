"""FastAPI's side: lifespan, injection without patching, commit before the response.

A plain ``background_tasks: BackgroundTasks`` parameter is managed by one dependency in
front of all others: it receives the request's only `BackgroundTasks` object and gives it
another class. It stands only on routes that use the parameter. Routes can be added at any
time, so a small ASGI layer looks before each request whether there are new ones.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import BackgroundTasks, FastAPI
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_taskflow import http_errors, routes, signals
from fastapi_taskflow.background import ManagedBackgroundTasks
from fastapi_taskflow.errors import ConfigurationError, TaskflowError

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["bind", "init_app", "install"]

logger = logging.getLogger(__name__)

_BOUND_KEY = "fastapi_taskflow.bound"


@dataclass
class _Known:
    """What was done to an app; kept in its state."""

    managers: list[TaskManager] = field(default_factory=list)
    installed: TaskManager | None = None


def _known(app: FastAPI) -> _Known:
    known = getattr(app.state, "fastapi_taskflow", None)
    if not isinstance(known, _Known):
        known = app.state.fastapi_taskflow = _Known()
    return known


def init_app(task_manager: TaskManager, app: FastAPI) -> None:
    """Start and stop the manager with the app's lifespan; idempotent.

    Works with every style of app: plain, ``lifespan=``, routers with lifespans. The engine
    starts before the app's own lifespan and stops after it.
    """
    known = _known(app)
    if task_manager in known.managers:
        return
    known.managers.append(task_manager)
    http_errors.add_handlers(app)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app_: Any) -> AsyncIterator[Any]:
        await task_manager.startup()
        restore = signals.chain(task_manager)
        try:
            async with inner(app_) as state:
                yield state
        finally:
            restore()
            await task_manager.shutdown()

    app.router.lifespan_context = lifespan


def install(task_manager: TaskManager, app: FastAPI) -> None:
    """`init_app`, and manage every ``BackgroundTasks`` parameter of the app; idempotent."""
    init_app(task_manager, app)
    known = _known(app)
    if known.installed is task_manager:
        return
    if known.installed is not None:
        raise ConfigurationError(
            "Another TaskManager manages this app's BackgroundTasks already. Use "
            "Depends(task_manager.get_tasks) for the second one."
        )
    known.installed = task_manager

    async def bind_background_tasks(
        conn: HTTPConnection, background_tasks: BackgroundTasks
    ) -> ManagedBackgroundTasks:
        return bind(task_manager, conn, background_tasks)

    app.add_middleware(_Watch, walk=routes.Walker(app, bind_background_tasks).walk)


def bind(
    task_manager: TaskManager, conn: HTTPConnection, background_tasks: BackgroundTasks
) -> ManagedBackgroundTasks:
    """The request's managed tasks for this manager; made once per request.

    The request's stock object becomes the first manager's. A second manager gets an object
    of its own that shares the response's chain.
    """
    bound: dict[int, ManagedBackgroundTasks] = conn.scope.setdefault(_BOUND_KEY, {})
    tasks = bound.get(id(task_manager))
    if tasks is not None:
        return tasks
    if type(background_tasks) is BackgroundTasks:
        background_tasks.__class__ = ManagedBackgroundTasks
        tasks = background_tasks  # type: ignore[assignment]
        tasks.bind(task_manager)
    else:
        tasks = ManagedBackgroundTasks(task_manager, background_tasks)
    bound[id(task_manager)] = tasks
    _attach(tasks, conn.scope)
    return tasks


def _attach(tasks: ManagedBackgroundTasks, scope: Scope) -> None:
    """Commit when the endpoint has returned, close when the request's scope ends.

    FastAPI keeps an exit stack for each of the two moments. What is pushed first runs
    last: after the user's own function-scoped commits.
    """
    unit = tasks.unit
    if unit is None:
        return

    async def on_function_exit(_: Any, exc: BaseException | None, __: Any) -> None:
        if exc is not None:
            unit.discard()
            return
        try:
            await unit.commit()
        except TaskflowError as error:
            http_errors.reraise(error, scope)

    async def on_request_exit() -> None:
        try:
            await unit.close()
        except TaskflowError:
            logger.exception("Tasks added after the response had begun could not be stored")

    scope["fastapi_function_astack"].push_async_exit(on_function_exit)
    scope["fastapi_inner_astack"].push_async_callback(on_request_exit)


class _Watch:
    """Looks for new routes before each request."""

    def __init__(self, app: ASGIApp, walk: Callable[[], None]) -> None:
        self._app = app
        self._walk = walk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._walk()
        await self._app(scope, receive, send)
