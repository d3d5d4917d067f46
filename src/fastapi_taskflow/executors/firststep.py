"""The first step of a coroutine, run at once and yet in an asyncio task of its own.

Most short functions never wait. Where somebody waits for such a function anyway, running
its first step at once saves two turns of the event loop, in which everything that the
waiter holds stays alive. Python 3.12 has ``eager_start`` for this.
"""

from __future__ import annotations

import asyncio
import contextvars

# For makers of tasks: "Extending" in asyncio's documentation.
from asyncio import _enter_task, _leave_task
from collections.abc import Coroutine
from typing import Any

__all__ = ["FirstStep"]

_NOTHING = object()


class FirstStep(Coroutine[Any, Any, None]):
    """A coroutine to make a task of, and then to `take` before the task's own first turn.

    ``asyncio.current_task`` is the new task during the step, so what the function opens in
    it (timeouts, task groups) belongs to the right task.
    """

    __slots__ = ("_awaited", "_coroutine", "_ended")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        # What the first step waits for, until the task has been told.
        self._awaited: Any = _NOTHING
        # How the coroutine ended, if it has. Not the StopIteration that was caught: its
        # traceback holds all frames up to the server, and they hold this object.
        self._ended: BaseException | type[StopIteration] | None = None

    def take(self, task: asyncio.Task[None], context: contextvars.Context) -> None:
        """Run the step, in the task's context. What it raises is the task's, not the caller's."""
        loop = task.get_loop()
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        try:
            self._awaited = context.run(self._coroutine.send, None)
        except StopIteration:
            self._ended = StopIteration
        except BaseException as exc:
            self._ended = exc
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)

    def send(self, value: Any) -> Any:
        if self._ended is not None:
            raise self._ended
        awaited, self._awaited = self._awaited, _NOTHING
        return self._coroutine.send(value) if awaited is _NOTHING else awaited

    def throw(self, *exception: Any) -> Any:
        if self._ended is not None:
            raise self._ended
        awaited, self._awaited = self._awaited, _NOTHING
        # Cancelled before the task's first turn: as a task does, cancel what it waits for.
        if isinstance(awaited, asyncio.Future) and awaited.cancel():
            return awaited
        return self._coroutine.throw(*exception)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)
