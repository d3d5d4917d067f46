"""A call at a child, from its beginning to its end.

Of a small call at a child that waits for one the event loop does all that, since it costs less
than to tell a thread. A thread goes on where more than its end is heard, or something fails.
"""

from __future__ import annotations

from functools import partial

from fastapi_taskflow.executors.base import Told
from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.channel import SHORT_BYTES, Aside
from fastapi_taskflow.executors.process.children import Child
from fastapi_taskflow.executors.process.following import ENDS, FollowedRun
from fastapi_taskflow.executors.process.light import is_light
from fastapi_taskflow.executors.process.orders import DRAIN
from fastapi_taskflow.executors.sending import calls, ends
from fastapi_taskflow.rules.ends import Raised
from fastapi_taskflow.rules.importable import module_of

__all__ = ["ProcessRun"]


class ProcessRun(FollowedRun):
    """One call, whoever follows it."""

    __slots__ = ()

    def begin(self) -> None:
        """Send it at once if that takes no time; else a thread does."""
        if not self._begun_here():
            self._executor.threads.submit(self)

    def _begun_here(self) -> bool:
        call = self._call
        if not is_light(call):
            return False
        data = self._data = calls.pack_light(call)
        if len(data) >= SHORT_BYTES:
            return False
        child = self._pool.idle(module_of(call.func))
        if child is None:
            return False
        # Nobody else knows of this run yet, so nobody has stopped it.
        self._child, self._sent = child, True
        if self._executor.draining:
            child.order(DRAIN)
        try:
            child.send(wire.CALL, data)
        except OSError:  # it is gone, as a thread will see
            return False
        self._listen(child)
        return True

    def _listen(self, child: Child) -> None:
        self._executor.ears.listen(child.fileno(), partial(self._hear, child))

    def _hear(self, child: Child) -> None:
        try:
            frame = child.ready(ENDS)
            if frame is None:
                self._listen(child)
                return
            child.has_begun()  # as is known by now
            kind, said = frame
            if not ends.is_plain(said):
                self._sealed = frame
                self._leave(child)
                return
            told = ENDS[kind](said)
        # A thread hears the rest.
        except (Aside, EOFError):
            self._leave(child)
            return
        # As in `_follow`.
        except BaseException as exc:
            child.kill()
            told = Raised(exc)
        self._hear_end(child, told)

    def _hear_end(self, child: Child, told: Told) -> None:
        if self.reason is not None:
            # It is ended, which is waited for.
            self._heard = told
            self._leave(child)
            return
        # Only here is it stopped, while no thread follows.
        self._child = None
        self._pool.give(child)
        self._executor.runs.discard(self)
        self._ended(told)

    def _leave(self, child: Child) -> None:
        """A thread goes on from here."""
        try:
            self._executor.threads.submit(self)
        # The system has no thread.
        except RuntimeError as exc:
            child.kill()
            self._executor.runs.discard(self)
            self._ended(Raised(exc))
