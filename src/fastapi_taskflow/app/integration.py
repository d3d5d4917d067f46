"""FastAPI's side: lifespan, injection without patching, commit before the response.

A plain ``background_tasks: BackgroundTasks`` parameter is managed by one dependency in
front of all others: it receives the request's only `BackgroundTasks` object and gives it
another class. It stands only on routes that use the parameter. Routes can be added at any
time, so a small ASGI layer looks before each request whether there are new ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, cast

from fastapi import BackgroundTasks, FastAPI, params
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_taskflow.app import explicit, http_errors, lifespans, routes, scopes
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.app.responses import Own, guard_handlers
from fastapi_taskflow.app.units import Bond, Units
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["also_called_directly", "bind", "init_app", "install", "managers"]

_BOUND_KEY = "fastapi_taskflow.bound"


class _Known:
    """What was done to an app; kept in its state."""

    def __init__(self) -> None:
        self.managers: list[Control] = []
        self.installed: Control | None = None
        self.warned = False
        self.own = Own(self.managers, bind)


def _found(app: FastAPI) -> _Known | None:
    known = getattr(app.state, "fastapi_taskflow", None)
    return known if isinstance(known, _Known) else None


def _known(app: FastAPI) -> _Known:
    known = _found(app)
    if known is None:
        known = app.state.fastapi_taskflow = _Known()
    return known


def managers(app: FastAPI) -> tuple[Control, ...]:
    """The managers that start and stop with the app, in the order of their `init_app`."""
    known = _found(app)
    return () if known is None else tuple(known.managers)


def _is_installed(app: FastAPI) -> bool:
    known = _found(app)
    return known is not None and known.installed is not None


def init_app(task_manager: Control, app: FastAPI) -> None:
    """Start and stop the manager with the app's lifespan; idempotent.

    Works with every style of app: plain, ``lifespan=``, routers with lifespans. The engine
    accepts tasks from before the app's own lifespan until after it, and runs them within it.

    Raises:
        ConfigurationError: from the lifespan, if a route needs `install`; see `explicit`.
    """
    if not isinstance(app, FastAPI):
        raise limits.wrong("init_app", "the FastAPI app", app)
    known = _known(app)
    if task_manager in known.managers:
        return
    known.managers.append(task_manager)
    http_errors.add_handlers(app)
    if len(known.managers) == 1:
        lifespans.enclose(app, known.managers, lambda: _check(app, known))
        guard_handlers(app, known.own)


def _check(app: FastAPI, known: _Known) -> None:
    """Look at the app's routes before its lifespan."""
    found = explicit.endpoints(app, _is_installed)
    explicit.check(found)
    known.warned = known.warned or explicit.warn(found, known.managers)
    routes.guard_all(app, known.own)


def install(task_manager: Control, app: FastAPI, *, has_stacks: bool = scopes.HAS_STACKS) -> None:
    """`init_app`, and manage every ``BackgroundTasks`` parameter of the app; idempotent.

    Args:
        has_stacks: FastAPI puts its exit stacks into the ASGI scope.

    Raises:
        ConfigurationError: another manager is installed on the app, or it is none.
        RuntimeError: the app has started already; nothing was changed.
    """
    if not isinstance(app, FastAPI):
        raise limits.wrong("install", "the FastAPI app", app)
    known = _known(app)
    if known.installed is task_manager:
        return
    if known.installed is not None:
        raise ConfigurationError(
            "Another TaskManager manages this app's BackgroundTasks already. Use "
            "Depends(task_manager.get_tasks) for the second one."
        )
    if app.middleware_stack is not None:
        raise RuntimeError(
            "This app has started, and install would come too late for its routes. Call "
            "task_manager.install(app), or TaskAdmin(app, task_manager, auto_install=True), where "
            "the app is made."
        )
    init_app(task_manager, app)
    known.installed = task_manager

    async def bind_background_tasks(
        conn: HTTPConnection, background_tasks: BackgroundTasks
    ) -> ManagedBackgroundTasks:
        return bind(task_manager, conn, background_tasks, first=True)

    def bind_only(
        conn: HTTPConnection, background_tasks: BackgroundTasks
    ) -> ManagedBackgroundTasks:
        return _bound(task_manager, conn, background_tasks)[0]

    own = known.own
    if has_stacks:
        walker = routes.Walker(
            app, params.Depends(bind_background_tasks), partial(bind, task_manager), own
        )
    else:
        walker = routes.Walker(app, scopes.by_yield(bind_only), None, own)
    app.add_middleware(_Watch, walk=walker.walk)


def bind(
    task_manager: Control,
    conn: HTTPConnection,
    background_tasks: BackgroundTasks,
    *,
    first: bool = False,
) -> ManagedBackgroundTasks:
    """The request's managed tasks for this manager; made once per request.

    Args:
        first: No dependency of the request was entered before.
    """
    tasks, is_new = _bound(task_manager, conn, background_tasks)
    if is_new and tasks.units.bond is Bond.NONE:
        scopes.attach(tasks.units, conn.scope, first=first)
    return tasks


def _bound(
    task_manager: Control, conn: HTTPConnection, background_tasks: BackgroundTasks
) -> tuple[ManagedBackgroundTasks, bool]:
    """The managed tasks, and whether they are new.

    The request's stock object becomes the first manager's. A second manager gets an object
    of its own that shares the response's background.
    """
    if type(background_tasks) is BackgroundTasks:
        background_tasks.__class__ = ManagedBackgroundTasks
        tasks = cast("ManagedBackgroundTasks", background_tasks)
        tasks.bind(task_manager, Units(Bond.NONE))
        return tasks, True
    if isinstance(background_tasks, ManagedBackgroundTasks) and (
        background_tasks.task_manager is task_manager
    ):
        return background_tasks, False
    bound: dict[int, ManagedBackgroundTasks] = conn.scope.setdefault(_BOUND_KEY, {})
    known = bound.get(id(task_manager))
    # Of an earlier run of the app on this scope, if a middleware calls it again.
    if known is not None and known.tasks is background_tasks.tasks:
        return known, False
    tasks = bound[id(task_manager)] = ManagedBackgroundTasks(task_manager, background_tasks)
    return tasks, True


def also_called_directly(dependency: Callable[..., Any]) -> Callable[..., Any]:
    """Of a manager's method: FastAPI awaits it, others call it with `BackgroundTasks` alone.

    FastAPI looks through ``__wrapped__``, at the signature and at whether to await.
    """

    @wraps(dependency)
    def get_tasks(
        self: Control, *given: BackgroundTasks, **named: Any
    ) -> ManagedBackgroundTasks | Coroutine[Any, Any, ManagedBackgroundTasks]:
        if "conn" in named:
            return cast("Coroutine[Any, Any, Any]", dependency(self, **named))
        return ManagedBackgroundTasks(self, *given, **named)

    return get_tasks


class _Watch:
    """Looks for new routes before each request."""

    def __init__(self, app: ASGIApp, walk: Callable[[], None]) -> None:
        self._app = app
        self._walk = walk

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine of its own: every request of the app would pay for it.
        self._walk()
        return self._app(scope, receive, send)
