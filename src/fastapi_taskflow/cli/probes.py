"""Liveness and readiness of a worker, for who runs it: a port that answers yes or no.

No more than that, since nobody is asked who he is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.words.errors import ConfigurationError, TaskflowError

__all__ = ["probed"]

_PATIENCE_SECONDS = 5.0
_MOST_BYTES = 8_192


@asynccontextmanager
async def probed(port: int | None, managers: Sequence[TaskManager]) -> AsyncIterator[None]:
    """Answer ``GET /live`` and ``GET /ready`` on a port of all interfaces meanwhile; None: on none.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    if port is None:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_written(await _status(head, managers)))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, None, port, limit=_MOST_BYTES)
    except OSError as exc:
        raise ConfigurationError(f"--health-port {port} cannot be used: {exc.strerror}.") from exc
    try:
        yield
    finally:
        server.close()


async def _status(head: bytes, managers: Sequence[TaskManager]) -> HTTPStatus:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path not in (b"/live", b"/ready"):
        return HTTPStatus.NOT_FOUND
    if method not in (b"GET", b"HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED
    # That this runs at all shows that the event loop does.
    ready = path == b"/live" or await _are_ready(managers)
    return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE


async def _are_ready(managers: Sequence[TaskManager]) -> bool:
    try:
        return all([(await each.operations.health()).ready for each in managers])
    except TaskflowError:  # it has not started, or is at its end
        return False


def _written(status: HTTPStatus) -> bytes:
    body = f"{status.phrase}\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
