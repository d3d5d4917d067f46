"""Verbs on a server: each has a deadline, and is tried again where others were in the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["CLOSE_SECONDS", "Collided", "Tried", "deadline"]

CLOSE_SECONDS = 2.0
"""The longest that the last write of a store that is closed may take: nobody needs it."""

# For a verb with all its tries, and for one step of them.
_DEADLINE_SECONDS = 20.0
_TRIES = 12
# They have their own, or take as long as tables are large.
_LONG = frozenset({"open", "close", "run"})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.25


class Collided(StoreUnavailable):
    """Others were in the way: nothing was written, and another try may go well."""


class Tried:
    """Verbs that use a server's store. Each public coroutine function of a subclass is one."""

    @property
    def place(self) -> str:
        """The store, for people's eyes."""
        raise NotImplementedError

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, verb in list(vars(cls).items()):
            if iscoroutinefunction(verb) and not name.startswith("_") and name not in _LONG:
                setattr(cls, name, _tried(verb))


def _tried(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb as a whole, which loads and decides again: what it had decided may be wrong now.

    Sending it again is safe even if it was committed and only the reply was lost.
    """

    @wraps(verb)
    async def tried(self: Tried, *args: Any, **kwargs: Any) -> Any:
        async with _heeding_cancels(), deadline(self.place):
            for attempt in range(_TRIES):
                try:
                    return await verb(self, *args, **kwargs)
                except Collided:
                    longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  (no secret)
            return await verb(self, *args, **kwargs)

    return tried


@asynccontextmanager
async def _heeding_cancels() -> AsyncIterator[None]:
    """Who is cancelled meanwhile is, though a client lost it or took it for a failure.

    As one does while it connects: what went on then would never be cancelled again.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    failure: Exception | None = None
    try:
        yield
    except Exception as exc:
        failure = exc
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError from failure
    if failure is not None:
        raise failure


@asynccontextmanager
async def deadline(place: str, seconds: float = _DEADLINE_SECONDS) -> AsyncIterator[None]:
    """What takes longer (by default, than a verb may) is a store that does not answer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise StoreUnavailable(f"{place} did not answer within {seconds:g} s.") from exc
