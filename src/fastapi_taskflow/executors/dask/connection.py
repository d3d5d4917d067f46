"""The way to the scheduler: a client of our own on a thread of its own, or somebody else's.

A client connects again by itself for a while, and then closes itself; ours is then made anew. What
workers say is heard by subscribing to a topic, once for each connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from uuid import uuid4

from distributed import Client

from fastapi_taskflow.executors.dask.loops import LoopThread
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Connection"]

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 0.5


class Connection:
    """Opened once.

    Args:
        dask: An address, or somebody else's client.
        heard: Takes what workers say, on the client's loop.
    """

    def __init__(self, dask: str | Client, heard: Callable[[tuple[float, Any]], None]) -> None:
        self._address = dask if isinstance(dask, str) else None
        self._own = None if self._address is None else LoopThread()
        self.client: Any = None if self._own else dask
        self.topic = f"fastapi-taskflow-{uuid4().hex}"
        self._heard = heard
        self._loop: asyncio.AbstractEventLoop | None = None
        # Of the client, with which we have subscribed.
        self._comm: Any = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConfigurationError: no scheduler answers, or the client cannot be used.
        """
        self._loop = _loop_of(self.client) if self._own is None else await self._own.start()
        await self.there(self._connect)

    async def close(self) -> None:
        """Let go of it; never fails."""
        with suppress(Exception):  # it may be broken
            await self.there(self._disconnect)
        if self._own is not None:
            self._own.stop()

    def is_over(self) -> bool:
        """Whether the client is somebody else's, and closed, with its loop perhaps."""
        return self._own is None and self.client.status == "closed"

    def soon(self, func: Callable[..., None], *args: Any) -> None:
        """Do something on the client's loop; from any thread, in order."""
        if self._loop is None:
            return
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(func, *args)

    async def there(self, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something on the client's loop, and wait for it."""
        if self._loop is None:
            return
        what = do()
        if self._loop is asyncio.get_running_loop():
            await what
            return
        try:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(what, self._loop))
        except RuntimeError:  # the loop is closed
            what.close()
            raise

    # On the client's loop.

    def is_up(self) -> bool:
        """Whether something can be sent now, and its answers heard."""
        if self.client.status != "running":
            return False
        if self.client.scheduler_comm is not self._comm:
            self._comm = self.client.scheduler_comm
            self.client.subscribe_topic(self.topic, self._heard)
        return True

    async def renew(self) -> None:
        """See to it that there is a client that is open, if it is ours.

        Raises:
            OSError: no scheduler answers.
        """
        if self._own is not None and self.client.status == "closed":
            await self._make()

    async def _connect(self) -> None:
        if self._own is None:
            if self.client.status in ("newly-created", "connecting"):
                await self.client
            return
        try:
            await self._make()
        except OSError as exc:
            raise ConfigurationError(
                f"dask: no scheduler answers at {self._address}: {exc}. Start one "
                "(`dask scheduler`), or give the address of one that runs."
            ) from exc
        except ValueError as exc:
            raise ConfigurationError(
                f"dask: {self._address!r} is no address of a scheduler: {exc}. Give it as in "
                "'tcp://10.0.0.5:8786'."
            ) from exc

    async def _make(self) -> None:
        client: Any = Client(  # type: ignore[no-untyped-call]
            self._address,
            asynchronous=True,
            name="fastapi-taskflow",
            set_as_default=False,
            timeout=_CONNECT_SECONDS,
        )
        try:
            self.client = await client
        except BaseException:
            # Else it does so when it is forgotten, with no loop to do it on.
            with suppress(Exception):
                await client.close()
            raise

    async def _disconnect(self) -> None:
        if self.client is None or self.client.status == "closed":
            return
        if self._comm is not None:
            self.client.unsubscribe_topic(self.topic)
        if self._own is not None:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.client.close()


def _loop_of(client: Any) -> asyncio.AbstractEventLoop:
    if client.status == "closed":
        raise ConfigurationError("dask: the client is closed. Give one that is open.")
    loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop
    if not loop.is_running():
        raise ConfigurationError(
            "dask: the event loop of the client does not run. Give a Client that was made without "
            "`asynchronous=True`, or on the event loop of the app, or the scheduler's address."
        )
    return loop
