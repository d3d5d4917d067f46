"""Waiting without guessing: until a condition holds, or the test has failed."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_SECONDS = 60.0
"""What no machine needs, however busy it is, for what takes a second when it is not."""

_STEP_SECONDS = 0.005


async def wait_until(
    condition: Callable[[], Any | Awaitable[Any]],
    *,
    within: float = PATIENCE_SECONDS,
    every: float = _STEP_SECONDS,
) -> Any:
    """The condition's first true value; it is looked at again after ``every`` seconds.

    Raises:
        AssertionError: it did not come within so many seconds.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"did not happen within {within:g} s: {condition}"
        await asyncio.sleep(every)
