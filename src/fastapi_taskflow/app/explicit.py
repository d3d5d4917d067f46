"""Finds endpoints that name `ManagedBackgroundTasks` and would get FastAPI's own object.

FastAPI gives its own to every annotation that is a kind of `BackgroundTasks`; only
`install` changes that. Without it the endpoint's tasks would run unmanaged, and nobody
would be told.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeAlias, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_typed_signature
from starlette.background import BackgroundTasks

from fastapi_taskflow.app import routes
from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Endpoint", "check", "endpoints", "warn"]

logger = logging.getLogger(__name__)

# An endpoint or dependency, with its parameter for background tasks.
_Call: TypeAlias = tuple[Callable[..., Any], str | None]
# A path, with what FastAPI calls for it.
Endpoint: TypeAlias = tuple[str, list[_Call]]

_TOLD = 5


def endpoints(app: FastAPI, is_installed: Callable[[FastAPI], bool]) -> list[Endpoint]:
    """Those that an app has by now without `install`, and those of apps mounted in it."""
    if is_installed(app):
        return []
    found = routes.dependants(app, but=is_installed)
    return [(path, list(_calls(dependant))) for dependant, path in found]


def check(found: Iterable[Endpoint]) -> None:
    """Look at the endpoints before the start."""
    lost = _unmanaged(found, ManagedBackgroundTasks)
    if lost:
        raise ConfigurationError(
            f"No TaskManager is installed on this app, so FastAPI would give its own, unmanaged "
            f"object to what asks for ManagedBackgroundTasks: {_told(lost)}. "
            "Call task_manager.install(app) or TaskAdmin(app, task_manager, auto_install=True); "
            "or ask with Depends(task_manager.get_tasks)."
        )


def warn(found: Sequence[Endpoint], managers: Sequence[Control]) -> bool:
    """Warn of those that take stock `BackgroundTasks`, where nobody can have meant it.

    A registered function that is added to these runs without its settings. Of a durable one
    nothing is stored; one that is not may be meant for routes that do ask for our tasks.
    """
    names = [name for each in managers for name in each.runtime.durability.names()]
    what = "durable tasks ({}, say) would not be stored"
    if not names and not any(_has_ours(calls) for _, calls in found):
        names = [name for each in managers for name in sorted(each.registry.names())]
        what = "tasks ({}, say) would have no record, retries or limits"
    lost = _unmanaged(found, BackgroundTasks) if names else []
    if lost:
        logger.warning(
            "No TaskManager is installed on this app, so these get FastAPI's own BackgroundTasks, "
            "in which %s: %s. Call task_manager.install(app), or "
            "TaskAdmin(app, task_manager, auto_install=True); or ask with "
            "Depends(task_manager.get_tasks)",
            what.format(names[0]),
            _told(lost),
        )
    return bool(lost)


def _told(found: list[str]) -> str:
    more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return f"{', '.join(found[:_TOLD])}{more}"


def _unmanaged(found: Iterable[Endpoint], kind: type) -> list[str]:
    """What asks for a kind of `BackgroundTasks` and gets FastAPI's own, sorted."""
    return sorted(
        {
            f"{_name(call)}({parameter}) for {path}"
            for path, calls in found
            # Where the route has tasks of ours, they are what every annotation gets.
            if not _has_ours(calls)
            for call, parameter in calls
            if parameter and _asks_for(call, parameter, kind)
        }
    )


def _has_ours(calls: Iterable[_Call]) -> bool:
    return any(isinstance(getattr(call, "__self__", None), Control) for call, _ in calls)


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
