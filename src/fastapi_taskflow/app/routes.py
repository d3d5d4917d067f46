"""Finds the routes that take `BackgroundTasks`, and has these managed.

An endpoint of its own that takes them is wrapped. Where another dependency takes them too,
ours is put in front of all others: it must have them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant, get_parameterless_sub_dependant
from fastapi.routing import APIRouter, iter_route_contexts
from starlette.routing import Host, Mount

from fastapi_taskflow.app.endpoints import Bind, bind_first
from fastapi_taskflow.app.responses import Own, guard

__all__ = ["Walker", "dependants", "guard_all"]

Overrides = dict[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that holds routes. Those of included routers stand at the one they lead to."""

    holder: APIRouter | Mount | Host
    app: FastAPI
    included: bool


class Walker:
    """Has the ``BackgroundTasks`` of every route of an app managed.

    Routes of included routers are rebuilt by FastAPI when one is added later, which drops
    what was done to them; so `walk` is called before each request. It costs a comparison per
    router unless something changed.

    Args:
        app: The app; what is mounted in it is walked too.
        depends: The dependency to insert, in front of all others: that of a mounted app
            which has a walker of its own stands before this one's.
        bind: For endpoints that can be wrapped instead; None: none can.
        own: For the responses of their own that endpoints return.
    """

    def __init__(self, app: FastAPI, depends: params.Depends, bind: Bind | None, own: Own) -> None:
        self._own = own
        self._app = app
        self._depends = depends
        self._bind = bind
        # What may change, looked at before each request.
        self._routers: list[APIRouter] = []
        self._mounts: list[Mount | Host] = []
        self._apps: list[FastAPI] = []
        self._seen: tuple[int, list[object]] | int = -1

    def walk(self) -> None:
        """Do what is missing."""
        if self._state() == self._seen:
            return
        places = list(_find(self._app.router, self._app))
        holders = [place.holder for place in places]
        self._routers = [each for each in holders if isinstance(each, APIRouter)]
        self._mounts = [each for each in holders if not isinstance(each, APIRouter)]
        self._apps = list(dict.fromkeys(place.app for place in places))
        for dependant, path, app in _dependants(places):
            self._manage(dependant, path, app)
            if self._own.is_needed:
                guard(dependant, self._own)
        self._seen = self._state()

    def _state(self) -> tuple[int, list[object]] | int:
        version = 0
        for router in self._routers:
            # FastAPI rebuilds the routes of included routers when this number of its own moves.
            version += len(router.routes) + router._routes_version  # noqa: SLF001
        for mount in self._mounts:
            version += len(mount.routes)
        overrides: list[object] | None = None
        for app in self._apps:
            if app.dependency_overrides:
                overrides = [*(overrides or ()), *app.dependency_overrides.items()]
        return version if overrides is None else (version, overrides)

    def _manage(self, dependant: Dependant, path: str, app: FastAPI) -> None:
        inserted = self._depends.dependency
        if any(sub.call is inserted for sub in dependant.dependencies):
            return
        before = _some_take_background_tasks(dependant.dependencies, app.dependency_overrides)
        if not before and dependant.background_tasks_param_name is None:
            return
        if before or self._bind is None or not bind_first(dependant, self._bind):
            dependant.dependencies.insert(
                0, get_parameterless_sub_dependant(depends=self._depends, path=path)
            )


def guard_all(app: FastAPI, own: Own) -> None:
    """Have what the endpoints return looked at, of the routes that are there by now."""
    if own.is_needed:
        for dependant, _ in dependants(app):
            guard(dependant, own)


def dependants(
    app: FastAPI, *, but: Callable[[FastAPI], bool] = lambda _: False
) -> Iterator[tuple[Dependant, str]]:
    """Of each route, with its path; ``but`` those of apps that are mounted and not wanted."""
    for dependant, path, _ in _dependants(_find(app.router, app, but=but)):
        yield dependant, path


def _find(
    holder: APIRouter | Mount | Host,
    app: FastAPI,
    *,
    included: bool = False,
    but: Callable[[FastAPI], bool] = lambda _: False,
) -> Iterator[_Place]:
    """All that holds routes in here, itself too."""
    yield _Place(holder, app, included)
    for route in holder.routes:
        router = getattr(route, "original_router", None)
        # See `admin.api.routers`: those two know what is in them, and nobody adds a route.
        if isinstance(router, APIRouter):
            hiding: Any = router
            guards: list[Dependant] = getattr(router, "guards", [])
            if _some_take_background_tasks(guards, app.dependency_overrides):
                yield from _find(hiding.hidden, app, but=but)
            elif not getattr(router, "is_final", False):
                yield from _find(router, app, included=True, but=but)
        elif isinstance(route, Mount | Host):
            inner = route.app
            if not isinstance(inner, FastAPI):
                yield from _find(route, app, but=but)
            elif not but(inner):
                yield from _find(inner.router, inner, but=but)


def _dependants(places: Iterable[_Place]) -> Iterator[tuple[Dependant, str, FastAPI]]:
    """Of each route, with its path and app."""
    for place in places:
        for context in () if place.included else iter_route_contexts(place.holder.routes):
            dependant = getattr(context, "dependant", None)
            if isinstance(dependant, Dependant):
                yield dependant, context.path_format or "", place.app


def _some_take_background_tasks(dependants: list[Dependant], overrides: Overrides) -> bool:
    return any(
        sub.background_tasks_param_name is not None
        or _some_take_background_tasks(sub.dependencies, overrides)
        or _override_takes_them(sub, overrides)
        for sub in dependants
    )


def _override_takes_them(dependant: Dependant, overrides: Overrides) -> bool:
    override = overrides.get(dependant.call) if overrides and dependant.call else None
    if override is None:
        return False
    with suppress(Exception):  # FastAPI says what is wrong with it, on the routes that use it
        found = get_dependant(path=dependant.path or "", call=override)
        return _some_take_background_tasks([found], {})
    return False
