"""Commits that no request waits for: of tasks that were added after theirs had ended."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, wait

from fastapi_taskflow.engine.engine import Engine
from fastapi_taskflow.errors import EngineNotRunning, RequestClosed, StoreUnavailable

__all__ = ["log_failure", "refusal", "wait_in_thread"]

logger = logging.getLogger(__name__)

# A thread that waits for its commit: much longer than the engine tries, so that it ends
# only if nothing answers at all; and how often it looks whether the loop is still there.
_PATIENCE_SECONDS = 30.0
_STEP_SECONDS = 1.0


def refusal(name: str) -> RequestClosed:
    """What is said of a durable task that is added on the event loop."""
    return RequestClosed(
        f"Task {name!r} is durable and was added on the event loop after its request had ended, "
        "where nothing waits for its commit. Use: await task_manager.enqueue(...)"
    )


def log_failure(future: Future[None]) -> None:
    """Nobody can be told of it."""
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("A task added after its request could not be stored", exc_info=error)


def wait_in_thread(future: Future[None], engine: Engine) -> None:
    """Block this thread until the commit is done.

    Raises:
        TaskflowError: it failed.
        EngineNotRunning: the event loop ended.
        StoreUnavailable: nothing answered.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        done, _ = wait([future], timeout=_STEP_SECONDS)
        if done:
            return future.result()
        if engine.loop.is_closed():
            raise EngineNotRunning("The event loop ended while a thread added a durable task.")
        if time.monotonic() > deadline:
            raise StoreUnavailable("Nobody answered whether the task was stored.")
