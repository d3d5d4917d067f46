"""The texts of what functions raise. What takes long is written off the loop, and not for ever.

To write an exception may take code of the user's (a ``__str__``), which may be slow or never
return. The attempt ends when it is written, or when patience does; a thread that hangs in it
is left.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.executors.base import Told
from fastapi_taskflow.rules.ends import Raised, Stopped, failure, rewritten
from fastapi_taskflow.rules.quickness import is_harmless, is_quick
from fastapi_taskflow.rules.redaction import Mask
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Telling", "Untold", "written"]

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0
# Those that hang do not keep the others waiting, and cannot fill the process with threads
# faster than this many a second.
_AT_ONCE = 4

OnTold = Callable[[Raised], None]


class Untold(NamedTuple):
    """A function raised; the texts of it are still to be written."""

    error: BaseException
    mask: Mask


def written(attempt: Attempt, told: Told) -> Told | Untold:
    """What was told, with the texts of its error; `Untold` if to write them may take long."""
    if not _is_end(told):
        text = "Its executor told {} as its end, in place of Returned, Raised, Stopped or Lost"
        told = Raised(TypeError(text.format(quoted(told))))
    if type(told) is not Raised:
        return told
    if attempt.stop_reason not in (None, "cancel"):
        return Stopped()  # nobody will read them
    error = told.error
    try:
        mask = attempt.mask
        if told.stacktrace is not None:
            return rewritten(told, mask)
        if is_quick(error) and not mask.is_slow:
            return failure(error, mask)
        return Untold(error, mask)
    # The error is a foreign object, and the attempt must end whatever it does.
    except BaseException as beyond:
        text = "The error of task %s cannot be told"
        notify(logger, logging.ERROR, text, attempt.task.record.task_id, error=beyond)
        return Raised(error, "", "An error that cannot be told", hidden=True)


def _is_end(told: object) -> bool:
    """False for what only an executor of the user's own tells."""
    if isinstance(told, Raised):
        texts = (told.stacktrace, told.text)
        return isinstance(told.error, BaseException) and all(
            text is None or isinstance(text, str) for text in texts
        )
    return isinstance(told, Told)


class Telling:
    """Writes exceptions on threads of its own. Used on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Untold, OnTold]] = deque()
        # By number, those that a thread is at, and what ends the wait for it.
        self._running: dict[int, tuple[OnTold, asyncio.TimerHandle]] = {}
        self._count = 0

    def tell(self, untold: Untold, told: OnTold) -> None:
        """Write it; ``told`` is called on the loop, soon."""
        self._waiting.append((untold, told))
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._running) < _AT_ONCE:
            untold, told = self._waiting.popleft()
            self._count += 1
            number = self._count
            late = f"took more than {_PATIENCE_SECONDS:g} s to write"
            timer = self._loop.call_later(_PATIENCE_SECONDS, self._give_up, number, untold, late)
            self._running[number] = told, timer
            try:
                threading.Thread(
                    target=self._write, args=(number, untold), name="taskflow-telling", daemon=True
                ).start()
            except RuntimeError:
                self._without_thread(number, untold)

    def _write(self, number: int, untold: Untold) -> None:
        ended = failure(untold.error, untold.mask)
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._done, number, ended)

    def _without_thread(self, number: int, untold: Untold) -> None:
        if is_harmless(untold.error):
            self._done(number, failure(untold.error, untold.mask))
        else:
            self._give_up(number, untold, "was not written, as no thread could be had")

    def _give_up(self, number: int, untold: Untold, reason: str) -> None:
        text = f"{name_of(type(untold.error))}: its text {reason}"
        self._done(number, Raised(untold.error, f"{text}\n", text, hidden=True))

    def _done(self, number: int, ended: Raised) -> None:
        if number not in self._running:  # written after patience ended
            return
        told, timer = self._running.pop(number)
        timer.cancel()
        self._go_on()
        told(ended)
