"""Finds endpoints that name `ManagedBackgroundTasks` and would get FastAPI's own object.

FastAPI gives its own to every annotation that is a kind of `BackgroundTasks`; only
`install` changes that. Without it the endpoint's tasks would run unmanaged, and nobody
would be told.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_typed_signature
from fastapi.routing import iter_route_contexts
from starlette.background import BackgroundTasks
from starlette.routing import BaseRoute, Host, Mount

from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.words.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["check", "warn"]

logger = logging.getLogger(__name__)

# An endpoint or dependency, with its parameter for background tasks.
_Call: TypeAlias = tuple[Callable[..., Any], str | None]

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
    """Warn of routes that take stock `BackgroundTasks`, where nobody can have meant it.

    A registered function that is added to these runs without its settings. Of a durable one
    nothing is stored; one that is not may be meant for routes that do ask for our tasks.
    """
    managers = list(managers)
    lost = [name for each in managers for name in each.runtime.durability.names()]
    what = "durable tasks ({}, say) would not be stored"
    if not lost and not _is_reached(app, is_installed):
        lost = [name for each in managers for name in sorted(each.registry.names())]
        what = "tasks ({}, say) would have no record, retries or limits"
    found = _unmanaged(app, is_installed, BackgroundTasks) if lost else []
    if found:
        logger.warning(
            "No TaskManager is installed on this app, so these get FastAPI's own BackgroundTasks, "
            "in which %s: %s. Call task_manager.install(app), or "
            "TaskAdmin(app, task_manager, auto_install=True); or ask with "
            "Depends(task_manager.get_tasks)",
            what.format(lost[0]),
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
    for path, calls in _endpoints(routes, is_installed):
        # Where the route has tasks of ours, they are what every annotation gets.
        if not _has_ours(calls):
            for call, parameter in calls:
                if parameter and _asks_for(call, parameter, kind):
                    yield f"{_name(call)}({parameter}) for {path}"


def _is_reached(app: FastAPI, is_installed: Callable[[FastAPI], bool]) -> bool:
    """Some route asks for tasks of ours."""
    return any(_has_ours(calls) for _, calls in _endpoints(app.router.routes, is_installed))


def _has_ours(calls: Iterable[_Call]) -> bool:
    return any(isinstance(getattr(call, "__self__", None), Control) for call, _ in calls)


def _endpoints(
    routes: Iterable[BaseRoute], is_installed: Callable[[FastAPI], bool]
) -> Iterator[tuple[str, list[_Call]]]:
    """Paths, with what FastAPI calls for them; not of mounted apps with an `install`."""
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        dependant = getattr(context, "dependant", None)
        if isinstance(dependant, Dependant):
            yield str(context.path_format), list(_calls(dependant))
        elif isinstance(route, Mount | Host):
            inner = route.app
            if not (isinstance(inner, FastAPI) and is_installed(inner)):
                yield from _endpoints(route.routes, is_installed)


def _calls(dependant: Dependant) -> Iterator[_Call]:
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
