"""The route class of everything that `TaskAdmin` serves: headers, bounds, and plain errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from typing import Any

from fastapi import HTTPException, Request
from fastapi.params import Depends
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute, APIRouter
from fastapi.utils import generate_unique_id
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from fastapi_taskflow.http.needs import methods_of, needed
from fastapi_taskflow.http.problems import HANDLED, Problem, problem

__all__ = ["SECURITY_HEADERS", "AdminRoute", "AdminRouter"]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AdminRouter(APIRouter):
    """All routes of one `TaskAdmin`, which cost the app's own routes one look at the path.

    Where the app includes it before its own routes, each request of theirs asks it first.

    Args:
        under: The path before all of its routes.
        include_in_schema: The JSON routes stand in the app's OpenAPI document.
    """

    #: Nobody adds a route to it, so nobody has to look whether there are new ones.
    is_final = True

    def __init__(
        self, *, under: str, dependencies: Sequence[Depends], include_in_schema: bool
    ) -> None:
        # What an app may set for all of its routes is set here again: its own way to name
        # operations or to write answers knows nothing of these.
        super().__init__(
            dependencies=dependencies,
            include_in_schema=include_in_schema,
            tags=["tasks"],
            default_response_class=JSONResponse,
            generate_unique_id_function=generate_unique_id,
        )
        # Anywhere in the path: routers may include the app's own under a prefix of theirs.
        self._reaches = re.compile(rf"{re.escape(under)}(?:/|$)").search

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._reaches(scope["path"]) is None:
            return Match.NONE, {}
        return super().matches(scope)


class AdminRoute(APIRoute):
    """Answers HEAD as GET, reads small bodies only, and turns our errors into answers.

    What it needs is fixed when it is made; the router's dependencies compare who asks with
    that.

    Raises:
        ConfigurationError: at construction, where `needs.NEEDS` does not name the route.
    """

    # The largest body here is a queue's two limits.
    body_limit_bytes = 16_384

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        #: The permission that it takes to use the route.
        self.needs = needed(path, self.methods or ())
        # Asked in a wrong way, the first route of a path speaks for all of them.
        self._allow = ", ".join(sorted(methods_of(path)))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = _with_headers(send)
        methods = set(self.methods or ())
        if "GET" in methods:
            methods.add("HEAD")
        if scope["method"] not in methods:
            allow = {"Allow": self._allow}
            await Problem(405, "Method Not Allowed", allow).as_json()(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        await super().handle(scope, _bounded(receive, self.body_limit_bytes), send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except HANDLED as error:
                return self.refuse(request, problem(error))

        return handler

    def refuse(self, request: Request, problem: Problem) -> Response:
        """The answer to a request that cannot be fulfilled."""
        return problem.as_json()


def _with_headers(send: Send) -> Send:
    """Security headers on every response, also on those of the app's error handlers."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers[name] = value
        await send(message)

    return sender


def _without_body(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sender


def _bounded(receive: Receive, limit_bytes: int) -> Receive:
    read = 0

    async def receiver() -> MutableMapping[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit_bytes:
            raise HTTPException(413, f"A body may have at most {limit_bytes} bytes here")
        return message

    return receiver
