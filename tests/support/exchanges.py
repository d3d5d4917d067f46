"""Requests driven message by message, to see what happens between the messages.

Test clients wait until the app has ended; here a test stands between the status line and
the background tasks, or leaves in the middle.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message

from tests.support.waiting import wait_until


class Exchange:
    """One request to an app on this event loop.

    Args:
        spec: ASGI version; from 2.4 on a server may raise `OSError` from ``send``.
    """

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        spec: str = "2.3",
    ) -> None:
        parts = urlsplit(url)
        self.messages: list[Message] = []
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (name.encode(), value.encode())
                for name, value in {"host": "testserver", **(headers or {})}.items()
            ],
            "client": ("testclient", 50000),
            "server": ("testserver", 80),
            "state": {},
        }
        # Called with each message before it is taken; may raise, as a server's would.
        self.on_send: Callable[[Message], None] = lambda message: None
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self._incoming.get, self._send)

    async def _send(self, message: Message) -> None:
        self.on_send(message)
        self.messages.append(message)

    @property
    def status(self) -> int | None:
        """The status code, once the status line is out."""
        return next((m["status"] for m in self.messages if "status" in m), None)

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers."""
        for message in self.messages:
            if "headers" in message:
                return {k.decode().lower(): v.decode() for k, v in message["headers"]}
        return {}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages)

    async def answered(self) -> int:
        """Wait for the whole response, not for what runs after it; its status."""

        def complete() -> bool:
            return any("body" in m and not m.get("more_body", False) for m in self.messages)

        await wait_until(lambda: complete() or self.task.done())
        if not complete():
            await self.task
        assert self.status is not None
        return self.status

    def disconnect(self) -> None:
        """The client goes away."""
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def cancelled(self) -> None:
        """Cancel the app, as a server does that has lost its patience."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
