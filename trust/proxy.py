"""A TCP proxy that misbehaves as networks do: refuses, cuts, goes silent, or is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["Proxy", "proxied"]

_CHUNK_BYTES = 65_536


class Proxy:
    """Between clients and a port of this machine. For one event loop.

    Attributes:
        port: Where clients connect.
        target: Where new connections go.
        delay: Seconds that each piece of data takes longer, either way.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.port = 0
        # Of connections that are made now. Set: data passes. Unset: nothing comes of them.
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        # Bytes that clients may still send before they are cut off; None: any number.
        self._left: int | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.cut()
        self._passes.set()
        if self._server is not None:
            self._server.close()

    def heal(self) -> None:
        """Let all pass from now on."""
        self._refuses, self._left, self.delay = False, None, 0.0
        self._passes.set()

    def refuse(self) -> None:
        """Nobody is there: who is connected is cut off, who comes too."""
        self._refuses = True
        self.cut()

    def silence(self) -> None:
        """Nothing passes any more, and nobody is told (half-open)."""
        self._passes.clear()

    def forget(self) -> None:
        """Who is connected is never answered again; who comes now is (a firewall's lapse)."""
        self._passes = asyncio.Event()
        self._passes.set()

    def cut(self) -> None:
        """Reset all connections."""
        for one in list(self._open):
            one.transport.abort()

    def cut_after(self, size: int) -> None:
        """Reset the connection whose client has sent so many bytes from now on."""
        self._left = size

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        with suppress(OSError):
            theirs, there = await asyncio.open_connection("127.0.0.1", self.target)
            ends = {writer, there}
            self._open |= ends
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, there, asks=True))
                    group.create_task(self._pass(theirs, writer, asks=False))
            except* (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                self._open -= ends
                for end in ends:
                    end.transport.abort()
        writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool
    ) -> None:
        passes = self._passes
        while data := await reader.read(_CHUNK_BYTES):
            await asyncio.sleep(self.delay)
            await passes.wait()
            if asks and self._left is not None:
                data, self._left = data[: self._left], self._left - len(data)
            writer.write(data)
            await writer.drain()
            if asks and self._left is not None and self._left <= 0:
                self._left = None
                break
        # What was cut in the middle is a connection that was lost, at both ends.
        raise ConnectionResetError


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a port, for the time of the block."""
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
