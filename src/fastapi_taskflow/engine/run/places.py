"""The executors of an engine, from their opening to their close.

They may be the user's own: what one of them raises is logged with its name and harms no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.supervisor import is_cancelled
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Places"]

logger = logging.getLogger(__name__)

# The drain's time is over by then.
_GRACE_SECONDS = 1.0


class Places:
    """Opens and closes executors.

    Args:
        executors: By the names under which functions are registered for them.
    """

    def __init__(self, executors: Mapping[str, Executor]) -> None:
        self._executors = executors
        # Invariant: those whose `home` is this engine's loop.
        self._opened: list[tuple[str, Executor]] = []

    def __getitem__(self, name: str) -> Executor:
        return self._executors[name]

    async def open(self) -> None:
        """Open them all.

        Raises:
            Exception: one of them cannot be used, which a note names; `close` the others.
        """
        for name, executor in self._executors.items():
            try:
                await self._open(name, executor)
            except (Exception, asyncio.CancelledError) as exc:
                exc.add_note(
                    f"The executor {name!r} could not be opened (by its `async def open`)."
                )
                if not isinstance(exc, asyncio.CancelledError) or is_cancelled():
                    raise
                raise ConfigurationError(f"The executor {name!r} cancelled its opening.") from exc

    async def _open(self, name: str, executor: Executor) -> None:
        home = executor.home
        if home is not None and not home.is_closed():
            raise ConfigurationError(
                f"executors: {name!r} is open already, under another name or in another "
                "TaskManager. Give each an object of its own."
            )
        executor.draining = False
        await executor.open()
        executor.home = asyncio.get_running_loop()
        self._opened.append((name, executor))

    def drain(self) -> None:
        """Running functions may be told that the engine stops soon."""
        for name, executor in self._opened:
            try:
                executor.drain()
            except Exception as exc:  # the others, and the stop itself, go on
                text = "The executor %r failed to drain"
                notify(logger, logging.ERROR, text, name, error=exc)

    async def close(self) -> None:
        """End what still runs, and all that they hold; idempotent, never fails."""
        while self._opened:
            name, executor = self._opened.pop()
            executor.home = None
            try:
                async with asyncio.timeout(2 * _GRACE_SECONDS):
                    await executor.close(_GRACE_SECONDS)
            # Others are to be closed after it. Who awaits what he cancelled is told of that by
            # a CancelledError, too.
            except (Exception, asyncio.CancelledError) as exc:
                if isinstance(exc, asyncio.CancelledError) and is_cancelled():
                    raise
                text = "The executor %r could not be closed"
                notify(logger, logging.ERROR, text, name, error=exc)
