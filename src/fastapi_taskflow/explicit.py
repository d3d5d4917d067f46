"""Finds endpoints that name `ManagedBackgroundTasks` and would get FastAPI's own object.

FastAPI gives its own to every annotation that is a kind of `BackgroundTasks`; only
`install` changes that. Without it the endpoint's tasks would run unmanaged, and nobody
would be told.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_typed_signature
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount

from fastapi_taskflow.background import ManagedBackgroundTasks
from fastapi_taskflow.control import Control
from fastapi_taskflow.errors import ConfigurationError

__all__ = ["check"]

_TOLD = 5


def check(app: FastAPI, is_installed: Callable[[FastAPI], bool]) -> None:
    """Look at the routes that an app has by now, and at those of apps mounted in it.

    Raises:
        ConfigurationError: some would get unmanaged tasks; it names them.
    """
    if is_installed(app):
        return
    found = sorted(set(_unmanaged(app.router.routes, is_installed)))
    if found:
        more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise ConfigurationError(
            f"No TaskManager is installed on this app, so FastAPI would give its own, unmanaged "
            f"object to what asks for ManagedBackgroundTasks: {', '.join(found[:_TOLD])}{more}. "
            "Call task_manager.install(app) or TaskAdmin(app, task_manager, auto_install=True); "
            "or ask with Depends(task_manager.get_tasks)."
        )


def _unmanaged(
    routes: Iterable[BaseRoute], is_installed: Callable[[FastAPI], bool]
) -> Iterator[str]:
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        dependant = getattr(context, "dependant", None)
        if isinstance(dependant, Dependant):
            calls = list(_calls(dependant))
            # Where the route has tasks of ours, they are what every annotation gets.
            if not any(isinstance(getattr(call, "__self__", None), Control) for call, _ in calls):
                for call, parameter in calls:
                    if parameter and _is_managed(call, parameter):
                        yield f"{_name(call)}({parameter}) for {context.path_format}"
        elif isinstance(route, Mount | Host):
            inner = route.app
            if not (isinstance(inner, FastAPI) and is_installed(inner)):
                yield from _unmanaged(route.routes, is_installed)


def _calls(dependant: Dependant) -> Iterator[tuple[Callable[..., Any], str | None]]:
    """An endpoint and its dependencies, each with its parameter for background tasks."""
    if dependant.call is not None:
        yield dependant.call, dependant.background_tasks_param_name
    for sub in dependant.dependencies:
        yield from _calls(sub)


def _is_managed(call: Callable[..., Any], parameter: str) -> bool:
    annotation = get_typed_signature(call).parameters[parameter].annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return inspect.isclass(annotation) and issubclass(annotation, ManagedBackgroundTasks)


def _name(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", None) or type(call).__qualname__
