"""What the event loop listens to: children from which it waits for an answer.

On Linux with an epoll of our own below the loop's: to listen once more to a child that is known
there takes a tenth of what the loop takes to learn of a pipe and to forget it again.
"""

from __future__ import annotations

import select
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable

__all__ = ["Ears"]

if sys.platform == "linux":
    _ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Ears:
    """For the thread of the event loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        # Whom to tell, by pipes that are listened to.
        self._waiting: dict[int, Callable[[], None]] = {}
        if sys.platform == "linux":
            self._known = select.epoll()
            loop.add_reader(self._known.fileno(), self._hear)

    def listen(self, pipe: int, tell: Callable[[], None]) -> None:
        """Call ``tell``, once, when something has come or the other end is gone.

        Until then the pipe is not closed, and nobody else reads from it.
        """
        self._waiting[pipe] = tell
        if sys.platform != "linux":
            self._loop.add_reader(pipe, self._come, pipe)
            return
        try:
            self._known.modify(pipe, _ONCE)
        except FileNotFoundError:
            self._known.register(pipe, _ONCE)

    def _hear(self) -> None:
        for pipe, _ in self._known.poll(0):
            try:
                self._waiting.pop(pipe)()
            # As the loop does: the others are told all the same.
            except Exception as exc:
                text = "What listens to a child process failed"
                self._loop.call_exception_handler({"message": text, "exception": exc})

    def _come(self, pipe: int) -> None:
        self._loop.remove_reader(pipe)
        self._waiting.pop(pipe)()

    def close(self) -> None:
        """Nobody is told of anything any more; idempotent."""
        for pipe in self._waiting:
            if sys.platform != "linux":
                self._loop.remove_reader(pipe)
        self._waiting.clear()
        if sys.platform == "linux" and not self._known.closed:
            self._loop.remove_reader(self._known.fileno())
            self._known.close()
