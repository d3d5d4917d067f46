"""Children that are kept warm: who needs one takes it, and gives it back."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock, Thread

from fastapi_taskflow.executors.process.children import Child
from fastapi_taskflow.executors.process.orders import DRAIN

__all__ = ["Pool", "PoolClosed"]

# Of a child that dies before it is ready, for reasons that may be gone the next time.
_TRIES = 3


class PoolClosed(Exception):
    """There are no more children."""


class Pool:
    """For any thread. There are never more children than threads that take them."""

    def __init__(self) -> None:
        # Protects what follows.
        self._lock = Lock()
        # The one that was used last is taken first.
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._closed = False

    def __len__(self) -> int:
        """Children that are not buried."""
        return len(self._all)

    def take(self) -> Child:
        """A child that waits for a call.

        Raises:
            PoolClosed: it is closed.
            OSError, RuntimeError: none can be started.
        """
        while True:
            with self._lock:
                if self._closed:
                    raise PoolClosed
                child = self._idle.pop() if self._idle else None
            if child is None:
                return self._new()
            if not child.has_ended():
                return child
            self.bury(child)

    def give(self, child: Child) -> None:
        """It may run something else."""
        with self._lock:
            if not self._closed:
                self._idle.append(child)
                return
        child.release()
        self.bury(child)

    def bury(self, child: Child) -> str:
        """Wait for the end of a child; see `Child.bury`."""
        how = child.bury()
        with self._lock:
            self._all.discard(child)
        return how

    def heal(self) -> None:
        """A child was lost: have another one ready before it is needed."""
        # Who needs one is told why there is none.
        with suppress(PoolClosed, OSError, RuntimeError):
            self.give(self._new())

    def _new(self) -> Child:
        how = ""
        for _ in range(_TRIES):
            child = Child()
            self._add(child)
            try:
                child.receive()  # that it is ready
            except EOFError:
                how = self.bury(child)
                if self._closed:
                    raise PoolClosed from None
            else:
                return child
        raise RuntimeError(f"No child process can be started: {how} before it was ready")

    def _add(self, child: Child) -> None:
        with self._lock:
            self._all.add(child)
            if self._closed:
                child.kill()

    def drain(self) -> None:
        """Functions may be told that the engine stops soon."""
        with self._lock:
            for child in self._all:
                child.order(DRAIN)

    def close(self) -> None:
        """Idle children end by themselves, soon."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.release()
        if idle:
            Thread(target=lambda: [self.bury(child) for child in idle], daemon=True).start()

    def kill(self) -> None:
        """End all that there are."""
        with self._lock:
            for child in self._all:
                child.kill()
