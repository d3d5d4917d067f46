"""Finds the routes that take `BackgroundTasks` and puts a dependency in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant, get_parameterless_sub_dependant
from fastapi.routing import APIRouter, iter_route_contexts
from starlette.routing import Host, Mount

__all__ = ["Walker"]

Overrides = dict[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that holds routes. Those of included routers stand at the one they lead to."""

    holder: APIRouter | Mount | Host
    app: FastAPI
    included: bool

    @property
    def version(self) -> int:
        """Grows when a route is added."""
        # FastAPI rebuilds the routes of included routers when this number of its own moves.
        changes: int = getattr(self.holder, "_routes_version", 0)
        return changes + len(self.holder.routes)


class Walker:
    """Keeps a dependency on every route of an app that uses ``BackgroundTasks``.

    Routes of included routers are rebuilt by FastAPI when one is added later, which drops
    what was inserted; so `walk` is called before each request. It costs a comparison per
    router unless something changed.

    Args:
        app: The app; what is mounted in it is walked too.
        depends: The dependency to insert, in front of all others: that of a mounted app
            which has a walker of its own stands before this one's.
    """

    def __init__(self, app: FastAPI, depends: params.Depends) -> None:
        self._app = app
        self._depends = depends
        self._places: list[_Place] = []
        self._seen: tuple[object, ...] = ()

    def walk(self) -> None:
        """Insert the dependency where it is missing."""
        if self._state() == self._seen:
            return
        self._places = list(self._find(self._app.router, self._app, included=False))
        for place in self._places:
            if place.included:
                continue
            for context in iter_route_contexts(place.holder.routes):
                dependant = getattr(context, "dependant", None)
                if isinstance(dependant, Dependant):
                    self._insert(dependant, context.path_format or "", place.app)
        self._seen = self._state()

    def _state(self) -> tuple[object, ...]:
        version = 0
        overrides: list[object] = []
        for place in self._places:
            version += place.version
            if place.app.dependency_overrides:
                overrides += place.app.dependency_overrides.values()
        return (version, *overrides)

    def _find(
        self, holder: APIRouter | Mount | Host, app: FastAPI, *, included: bool
    ) -> Iterator[_Place]:
        yield _Place(holder, app, included)
        for route in holder.routes:
            router = getattr(route, "original_router", None)
            if isinstance(router, APIRouter):
                yield from self._find(router, app, included=True)
            elif isinstance(route, Mount | Host):
                inner = route.app
                if isinstance(inner, FastAPI):
                    yield from self._find(inner.router, inner, included=False)
                else:
                    yield from self._find(route, app, included=False)

    def _insert(self, dependant: Dependant, path: str, app: FastAPI) -> None:
        inserted = self._depends.dependency
        if any(sub.call is inserted for sub in dependant.dependencies):
            return
        if _takes_background_tasks(dependant, app.dependency_overrides):
            dependant.dependencies.insert(
                0, get_parameterless_sub_dependant(depends=self._depends, path=path)
            )


def _takes_background_tasks(dependant: Dependant, overrides: Overrides) -> bool:
    if dependant.background_tasks_param_name is not None:
        return True
    return any(
        _takes_background_tasks(sub, overrides) or _override_takes_them(sub, overrides)
        for sub in dependant.dependencies
    )


def _override_takes_them(dependant: Dependant, overrides: Overrides) -> bool:
    override = overrides.get(dependant.call) if overrides and dependant.call else None
    if override is None:
        return False
    with suppress(Exception):  # FastAPI says what is wrong with it, on the routes that use it
        found = get_dependant(path=dependant.path or "", call=override)
        return _takes_background_tasks(found, {})
    return False
