"""The route by which open pages hear of changes: server-sent events with numbers."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from fastapi_taskflow.admin.api.filters import TaskFilters, Text
from fastapi_taskflow.admin.api.problems import Problem
from fastapi_taskflow.admin.api.routing import AdminRoute, asked_for_head
from fastapi_taskflow.admin.site.following import (
    Event,
    Follower,
    Followers,
    ListFollower,
    TaskFollower,
)
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.admin.site.views import ViewChoice, ViewFollower
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.rules.auth.roles import Permission

__all__ = ["StreamApi"]

# The browser comes back at once, and passes all guards again: so long may somebody read on who
# was signed out, or lost their role.
_LIFE_SECONDS = 60.0
# Proxies end what is silent for longer.
_SILENCE_SECONDS = 15.0
_HEADERS = {"X-Accel-Buffering": "no"}
_KIND = "text/event-stream"
_RETRY_MS = 1_000
_LAST = re.compile(r"([0-9a-f]{8})\.([0-9]{1,15})", re.ASCII)
_TOO_MANY = "Too many different views are followed at this instance; ask again from time to time."


class Followed(TaskFilters, ViewChoice):
    """What to follow: the newest tasks that match, one task, or other views."""

    task_id: Text | None = Field(None, description="One task; the filters then count for nothing")


class StreamApi:
    """The stream of one `TaskAdmin`."""

    def __init__(self, operations: Operations, site: Site, *, show_arguments: bool) -> None:
        self._operations = operations
        self._site = site
        self._show_arguments = show_arguments
        self._followers = Followers(operations)

    def add_to(self, router: APIRouter) -> None:
        """Add the route."""
        router.add_api_route(
            "/stream",
            self.follow,
            methods=["GET"],
            include_in_schema=False,
            # Not a page's: who is not signed in is told so, and sent nowhere.
            route_class_override=AdminRoute,
        )

    async def follow(
        self,
        request: Request,
        wanted: Annotated[Followed, Query()],
        last_event_id: Annotated[str, Header(max_length=64)] = "",
    ) -> Response:
        """`hello` (load what you show now), then `rows`, `task` or `views` with what changed;
        `resync`: some of it was lost, load again.
        """
        if asked_for_head(request):
            return Response(media_type=_KIND)
        follower = self._follower(request, wanted)
        if follower is None:
            return Problem(503, _TOO_MANY, {"Retry-After": "10"}).as_json()
        return StreamingResponse(_told(follower, last_event_id), 200, _HEADERS, _KIND)

    def _follower(self, request: Request, wanted: Followed) -> Follower | None:
        readable = self._site.at(request).may(Permission.READ_CONTENTS)
        # As it was asked for: a span back from now is a new instant each time.
        key = (tuple(sorted(request.query_params.multi_items())), readable)
        if wanted.task_id is not None:
            make = partial(
                TaskFollower,
                self._operations,
                wanted.task_id,
                show_arguments=self._show_arguments,
                readable=readable,
            )
            return self._followers.get(key, make)
        if wanted.view:
            since = request.query_params.get("since")
            return self._followers.get(
                key, lambda: ViewFollower(self._operations, wanted, since=since)
            )
        query = wanted.query()
        return self._followers.get(key, lambda: ListFollower(self._operations, query))


async def _told(follower: Follower, last: str) -> AsyncIterator[str]:
    until = time.monotonic() + _LIFE_SECONDS
    follower.viewers += 1
    try:
        number, greeting = _begin(follower, last)
        yield greeting
        async for events in follower.events(number, _SILENCE_SECONDS):
            if events is None:
                yield _event(follower, Event(follower.last, "resync", "{}"))
            elif not events:
                yield ": still here\n\n"
            else:
                yield "".join(_event(follower, event) for event in events)
            if time.monotonic() > until:
                return
    finally:
        follower.viewers -= 1


def _begin(follower: Follower, last: str) -> tuple[int, str]:
    """After which event to go on, and what to say first."""
    retry = f"retry: {_RETRY_MS}\n"
    if not last:
        return follower.last, retry + _event(follower, Event(follower.last, "hello", "{}"))
    found = _LAST.fullmatch(last)
    if found and found[1] == follower.epoch and follower.since(int(found[2])) is not None:
        return int(found[2]), f"{retry}\n"
    return follower.last, retry + _event(follower, Event(follower.last, "resync", "{}"))


def _event(follower: Follower, event: Event) -> str:
    return f"id: {follower.epoch}.{event.number}\nevent: {event.name}\ndata: {event.data}\n\n"
