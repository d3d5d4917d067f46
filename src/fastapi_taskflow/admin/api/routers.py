"""The router of all that a `TaskAdmin` serves, and its stand-in where nobody shall see it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from copy import copy
from functools import cached_property

from fastapi import FastAPI
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.params import Depends
from fastapi.responses import JSONResponse
from fastapi.routing import APIRouter, iter_route_contexts
from fastapi.utils import generate_unique_id
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from fastapi_taskflow.admin.api.neighbours import Place, warn_of_neighbours

__all__ = ["AdminRouter", "HiddenRouter", "include"]

_NO_MATCH: tuple[Match, Scope] = (Match.NONE, {})


class AdminRouter(APIRouter):
    """All routes of one `TaskAdmin`."""

    #: Nobody adds a route to it, so nobody has to look whether there are new ones.
    is_final = True
    #: Where `include` put it.
    place: Place | None = None

    def __init__(self, *, dependencies: Sequence[Depends]) -> None:
        # What an app may set for all of its routes is set here again: its own way to name
        # operations or to write answers knows nothing of these.
        super().__init__(
            dependencies=dependencies,
            tags=["tasks"],
            default_response_class=JSONResponse,
            generate_unique_id_function=generate_unique_id,
            lifespan=self._ready,
        )

    @asynccontextmanager
    async def _ready(self, _: object) -> AsyncIterator[None]:
        if self.place is not None:
            warn_of_neighbours(self.place, self.routes)
        yield


class HiddenRouter(APIRouter):
    """Stands among an app's routes for a router that nobody sees who looks at them.

    That is made when the app starts or first has a request for it: it takes a while, and an
    app that is made for each test of a suite mostly has none.

    Args:
        app: Includes this router, in the place of the one that is made.
        make: Makes that one, ``under`` a path and with ``dependencies``.
    """

    is_final = True
    place: Place | None = None

    def __init__(
        self,
        app: FastAPI,
        make: Callable[[], AdminRouter],
        *,
        under: str,
        dependencies: Sequence[Depends],
    ) -> None:
        super().__init__(lifespan=self._ready)
        self._app = app
        self._make = make
        #: What is asked before each of the hidden routes, which take no background tasks
        #: themselves. Made now, to say now what is wrong with it.
        self.guards = [
            get_parameterless_sub_dependant(depends=one, path=under)
            for one in (*app.router.dependencies, *dependencies)
        ]
        self._leads_here = _path_with(under)

    @cached_property
    def hidden(self) -> APIRouter:
        """Has one route, which is the other router as the app would include it."""
        holder = copy(self._app.router)
        holder.routes = []
        holder.include_router(self._make())
        return holder

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not self._leads_here(scope["path"]):
            return _NO_MATCH
        return self.hidden.routes[0].matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.hidden.routes[0].handle(scope, receive, send)

    @asynccontextmanager
    async def _ready(self, _: object) -> AsyncIterator[None]:
        list(iter_route_contexts(self.hidden.routes))  # makes what the first request needs
        if self.place is not None:
            warn_of_neighbours(self.place, self.hidden.routes)
        yield


def include(app: FastAPI, router: AdminRouter | HiddenRouter, *, under: str) -> None:
    """Include a router whose routes all stand under a path.

    The app's own routes pay one look at their path for it, also those that come after it.
    """
    app.include_router(router)
    route = app.router.routes[-1]
    router.place = Place(app, route, under)
    ask, leads_here = route.matches, _path_with(under)

    def matches(scope: Scope) -> tuple[Match, Scope]:
        return ask(scope) if leads_here(scope["path"]) else _NO_MATCH

    # On FastAPI's own object, which else writes into each scope which router it asks.
    with suppress(AttributeError):
        route.matches = matches  # type: ignore[method-assign]


def _path_with(prefix: str) -> Callable[[str], object]:
    # Anywhere in the path: routers may include the app's own under a prefix of theirs.
    return re.compile(rf"{re.escape(prefix)}(?:/|$)").search
