"""An event loop on a daemon thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress

__all__ = ["LoopThread"]


class LoopThread:
    """Runs from `start` to `stop`, once; keeps no process from ending."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._end: asyncio.Event | None = None

    async def start(self) -> asyncio.AbstractEventLoop:
        """The loop, when it runs.

        Raises:
            RuntimeError: the system gives no thread.
        """
        threading.Thread(target=self._run, name="taskflow-dask-loop", daemon=True).start()
        return await asyncio.wrap_future(self._loop)

    def stop(self) -> None:
        """Cancel all that it has; waits for none of it."""
        if self._end is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.result().call_soon_threadsafe(self._end.set)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._end = asyncio.Event()
        self._loop.set_result(asyncio.get_running_loop())
        await self._end.wait()
