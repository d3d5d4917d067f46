"""Routes of the app that have addresses of a `TaskAdmin`: of two the first answers, silently."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

__all__ = ["Place", "warn_of_neighbours"]

logger = logging.getLogger(__name__)

_TOLD = 5


class Place(NamedTuple):
    """Where the routes of a `TaskAdmin` are: ``route`` stands for them among the app's."""

    app: FastAPI
    route: BaseRoute
    under: str


def warn_of_neighbours(place: Place, ours: Sequence[BaseRoute]) -> None:
    """Look at the routes that the app has by now."""
    routes, under = place.app.router.routes, place.under
    at = next((n for n, route in enumerate(routes) if route is place.route), None)
    if at is None:
        return
    own = list(iter_route_contexts(ours))
    before, after = (iter_route_contexts(part) for part in (routes[:at], routes[at + 1 :]))
    hidden = [one for one in after if any(_takes(our, one) for our in own)]
    hiding = [one for one in before if any(_takes(one, our) for our in own)]
    if hidden:
        logger.warning(
            "TaskAdmin at %s answers in the place of %s. %s", under, _told(hidden), _MEND
        )
    if hiding:
        logger.warning(
            "In the place of TaskAdmin at %s answers %s. %s", under, _told(hiding), _MEND
        )


_MEND = "Give it a path of its own, such as TaskAdmin(..., path='/admin/tasks')"


def _takes(first: RouteContext, second: RouteContext) -> bool:
    """A request for the second route may get to the first one, which stands before it."""
    regex = getattr(first, "path_regex", None)
    path = second.path_format
    if regex is None or path is None or not regex.match(path):
        return False
    mine, others = first.methods, second.methods
    return not mine or not others or not mine.isdisjoint(others)


def _told(routes: Sequence[RouteContext]) -> str:
    names = [f"{'/'.join(sorted(one.methods or ['any']))} {one.path_format}" for one in routes]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"{', '.join(names[:_TOLD])}{more}"
