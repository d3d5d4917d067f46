"""The route class of everything that `TaskAdmin` serves: headers, bounds, and plain errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from fastapi_taskflow.admin.api.problems import HANDLED, Problem, problem
from fastapi_taskflow.admin.auth.needs import methods_of, needed

__all__ = ["SECURITY_HEADERS", "AdminRoute", "asked_for_head"]

logger = logging.getLogger(__name__)

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


_HEAD = "fastapi_taskflow.head"


def asked_for_head(request: Request) -> bool:
    """The request is HEAD, which routes see as GET: one without an end must not begin."""
    return _HEAD in request.scope


class AdminRoute(APIRoute):
    """Answers HEAD as GET, reads small bodies only, and turns our errors into answers.

    What it needs is fixed when it is made; the router's dependencies compare who asks with
    that.

    Raises:
        ConfigurationError: at construction, where `needs.NEEDS` does not name the route.
    """

    # The largest body here is a queue's two limits.
    body_limit_bytes = 16_384
    #: Its answers may say that browsers keep them.
    is_kept = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        #: The permission that it takes to use the route.
        self.needs = needed(path, self.methods or ())
        # Asked in a wrong way, the first route of a path speaks for all of them.
        self._allow = ", ".join(sorted(methods_of(path)))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = _with_headers(send, is_kept=self.is_kept)
        methods = set(self.methods or ())
        if "GET" in methods:
            methods.add("HEAD")
        if scope["method"] not in methods:
            allow = {"Allow": self._allow}
            await Problem(405, "Method Not Allowed", allow).as_json()(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET", _HEAD: True}, _without_body(send)
        await super().handle(scope, _bounded(receive, self.body_limit_bytes), send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except HANDLED as error:
                return self.refuse(request, problem(error))
            except ClientDisconnect:
                logger.info("A client of %s left before it had sent its request", self.path)
                return Response(status_code=400)

        return handler

    def refuse(self, request: Request, problem: Problem) -> Response:
        """The answer to a request that cannot be fulfilled."""
        return problem.as_json()


def _with_headers(send: Send, *, is_kept: bool) -> Send:
    """Security headers on every response, also on those of the app's error handlers."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                if not (is_kept and name == "Cache-Control" and name in headers):
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
