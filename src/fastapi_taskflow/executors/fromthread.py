"""AnyIO's way from a thread back to the event loop, in threads that AnyIO has not made.

Stock FastAPI runs plain functions in AnyIO's worker threads, where `anyio.from_thread` works.
Ours are other threads, since one of AnyIO's that hangs keeps the process from ending. A
thread of AnyIO knows its loop by a token, which ours are given as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from anyio import from_thread
from anyio.lowlevel import current_token

from fastapi_taskflow.rules.context import current_run

__all__ = ["lender"]

# Not among AnyIO's public names, and where `from_thread` looks. Without it, or with a library
# of another kind in its place, `from_thread` says that the thread is none of AnyIO's.
_threads: Any = getattr(from_thread, "threadlocals", None)


def lender() -> Callable[[], None]:
    """What a thread calls once to be known to AnyIO; made on the event loop that it leads to."""
    token = current_token()
    lent = replace(token, backend_class=_Way(token.backend_class, token.native_token))  # type: ignore[arg-type]

    def lend() -> None:
        if _threads is not None:
            _threads.current_token = lent

    return lend


class _Way:
    """What `anyio.from_thread` asks of a backend, answered for the attempt that runs."""

    def __init__(self, backend: Any, loop: Any) -> None:
        self._backend = backend
        self._loop = loop

    def run_async_from_thread(
        self, func: Callable[..., Coroutine[Any, Any, Any]], args: tuple[Any, ...], token: object
    ) -> Any:
        run = current_run()

        async def accompany(*given: Any) -> Any:
            task = asyncio.current_task()
            if run is not None and task is not None:
                run.accompanied_by(task)
            return await func(*given)

        return self._backend.run_async_from_thread(accompany, args, token=token or self._loop)

    def run_sync_from_thread(
        self, func: Callable[..., Any], args: tuple[Any, ...], token: object
    ) -> Any:
        return self._backend.run_sync_from_thread(func, args, token=token or self._loop)

    def check_cancelled(self) -> None:
        run = current_run()
        if run is not None and run.task_context.cancelled:
            raise asyncio.CancelledError("the task was asked to end")
