"""Ways to the engine's event loop from other threads and other loops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words.errors import EngineNotRunning, StoreUnavailable

__all__ = ["hand_over", "wait_in_thread"]

T = TypeVar("T")

# A thread that waits for its commit: much longer than the engine tries, so that it ends
# only if nothing answers at all; and how often it looks whether the loop is still there.
_PATIENCE_SECONDS = 30.0
_STEP_SECONDS = 1.0


async def hand_over(step: Coroutine[Any, Any, T], engine: Engine) -> T:
    """Run a step on the engine's loop and wait for it on this one.

    Cancelling the wait cancels the step.

    Raises:
        EngineNotRunning: the engine's loop does not run, or ends meanwhile.
    """
    if not engine.loop.is_running():
        step.close()
        raise EngineNotRunning(
            "The TaskManager was started on an event loop that does not run now. Start it on this "
            "one, or use one event loop for all."
        )
    answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(step, engine.loop))
    try:
        while not engine.loop.is_closed():
            done, _ = await asyncio.wait([answer], timeout=_STEP_SECONDS)
            if done:
                return answer.result()
    finally:
        answer.cancel()
    raise _ended()


def wait_in_thread(future: Future[T], engine: Engine) -> T:
    """Block this thread until the engine's loop has answered.

    Raises:
        TaskflowError: what the answer is, if it is one.
        EngineNotRunning: the event loop ended.
        StoreUnavailable: nothing answered.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        done, _ = wait([future], timeout=_STEP_SECONDS)
        if done:
            return future.result()
        if engine.loop.is_closed():
            raise _ended()
        if time.monotonic() > deadline:
            raise StoreUnavailable("Nobody answered whether the task was stored.")


def _ended() -> EngineNotRunning:
    return EngineNotRunning("The TaskManager's event loop ended while a task was being added.")
