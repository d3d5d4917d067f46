"""Finds the routes that take `BackgroundTasks` and puts a dependency in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import APIRouter, iter_route_contexts
from starlette.routing import Mount

__all__ = ["Walker"]


class Walker:
    """Keeps a dependency on every route of an app that uses ``BackgroundTasks``.

    Routes of included routers are rebuilt by FastAPI when one is added later, which drops
    what was inserted; so `walk` is called before each request. It costs a comparison per
    router unless something changed.

    Args:
        app: The app; FastAPI apps mounted in it are walked too.
        dependency: The function to insert.
    """

    def __init__(self, app: FastAPI, dependency: Callable[..., Any]) -> None:
        self._app = app
        self._depends = Depends(dependency)
        self._dependency = dependency
        self._routers: list[APIRouter] = []
        self._version = -1

    def walk(self) -> None:
        """Insert the dependency where it is missing."""
        version = 0
        for router in self._routers:
            version += router._routes_version + len(router.routes)
        if version == self._version and self._routers:
            return
        self._routers = list(_routers(self._app.router))
        for router in self._routers:
            for context in iter_route_contexts(router.routes):
                dependant = getattr(context, "dependant", None)
                if isinstance(dependant, Dependant):
                    self._insert(dependant, context.path_format or "")
        self._version = sum(r._routes_version + len(r.routes) for r in self._routers)

    def _insert(self, dependant: Dependant, path: str) -> None:
        first = dependant.dependencies[0] if dependant.dependencies else None
        if first is not None and first.call is self._dependency:
            return
        if _uses_background_tasks(dependant):
            dependant.dependencies.insert(
                0, get_parameterless_sub_dependant(depends=self._depends, path=path)
            )


def _uses_background_tasks(dependant: Dependant) -> bool:
    return dependant.background_tasks_param_name is not None or any(
        _uses_background_tasks(sub) for sub in dependant.dependencies
    )


def _routers(router: APIRouter) -> Iterator[APIRouter]:
    yield router
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if isinstance(included, APIRouter):
            yield from _routers(included)
        elif isinstance(route, Mount) and isinstance(route.app, FastAPI):
            yield from _routers(route.app.router)
