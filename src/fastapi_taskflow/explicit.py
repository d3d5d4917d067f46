"""Finds endpoints that name `ManagedBackgroundTasks` and would get FastAPI's own object.

FastAPI gives its own to every annotation that is a kind of `BackgroundTasks`; only
`install` changes that. Without it the endpoint's tasks would run unmanaged, and nobody
would be told.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_typed_signature
from fastapi.routing import iter_route_contexts
from starlette.background import BackgroundTasks
from starlette.routing import BaseRoute, Host, Mount

from fastapi_taskflow.background import ManagedBackgroundTasks
from fastapi_taskflow.control import Control
from fastapi_taskflow.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["check", "warn"]

logger = logging.getLogger(__name__)

_TOLD = 5


def check(app: FastAPI, is_installed: Callable[[FastAPI], bool]) -> None:
    """Look at the routes that an app has by now, and at those of apps mounted in it.

    Raises:
        ConfigurationError: some would get unmanaged tasks; it names them.
    """
    found = _unmanaged(app, is_installed, ManagedBackgroundTasks)
    if found:
        raise ConfigurationError(
            f"No TaskManager is installed on this app, so FastAPI would give its own, unmanaged "
            f"object to what asks for ManagedBackgroundTasks: {_told(found)}. "
            "Call task_manager.install(app) or TaskAdmin(app, task_manager, auto_install=True); "
            "or ask with Depends(task_manager.get_tasks)."
        )


def warn(
    app: FastAPI, managers: Iterable[TaskManager], is_installed: Callable[[FastAPI], bool]
) -> bool:
    """Warn of routes that take stock `BackgroundTasks` in an app with durable tasks.

    A durable function that is added to these runs, and nothing of it is stored.
    """
    durable = [name for each in managers for name in each.runtime.durability.names()]
    found = _unmanaged(app, is_installed, BackgroundTasks) if durable else []
    if found:
        logger.warning(
            "No TaskManager is installed on this app, so these get FastAPI's own BackgroundTasks, "
            "in which durable tasks (%s, say) would not be stored: %s. Call "
            "task_manager.install(app), or ask with Depends(task_manager.get_tasks)",
            durable[0],
            _told(found),
        )
    return bool(found)


def _told(found: list[str]) -> str:
    more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return f"{', '.join(found[:_TOLD])}{more}"


def _unmanaged(app: FastAPI, is_installed: Callable[[FastAPI], bool], kind: type) -> list[str]:
    """What asks for a kind of `BackgroundTasks` and gets FastAPI's own, sorted."""
    return [] if is_installed(app) else sorted(set(_asking(app.router.routes, is_installed, kind)))


def _asking(
    routes: Iterable[BaseRoute], is_installed: Callable[[FastAPI], bool], kind: type
) -> Iterator[str]:
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        dependant = getattr(context, "dependant", None)
        if isinstance(dependant, Dependant):
            calls = list(_calls(dependant))
            # Where the route has tasks of ours, they are what every annotation gets.
            if not any(isinstance(getattr(call, "__self__", None), Control) for call, _ in calls):
                for call, parameter in calls:
                    if parameter and _asks_for(call, parameter, kind):
                        yield f"{_name(call)}({parameter}) for {context.path_format}"
        elif isinstance(route, Mount | Host):
            inner = route.app
            if not (isinstance(inner, FastAPI) and is_installed(inner)):
                yield from _asking(route.routes, is_installed, kind)


def _calls(dependant: Dependant) -> Iterator[tuple[Callable[..., Any], str | None]]:
    """An endpoint and its dependencies, each with its parameter for background tasks."""
    if dependant.call is not None:
        yield dependant.call, dependant.background_tasks_param_name
    for sub in dependant.dependencies:
        yield from _calls(sub)


def _asks_for(call: Callable[..., Any], parameter: str, kind: type) -> bool:
    annotation = get_typed_signature(call).parameters[parameter].annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return inspect.isclass(annotation) and issubclass(annotation, kind)


def _name(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", None) or type(call).__qualname__
