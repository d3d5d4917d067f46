"""Children that are kept warm: who needs one takes it, and gives it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Thread, Timer
from typing import Any

from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.children import Child
from fastapi_taskflow.executors.process.memory import resident
from fastapi_taskflow.executors.process.orders import DRAIN

__all__ = ["Pool", "PoolClosed"]

# Of a child that dies before it is ready, for reasons that may be gone the next time.
_TRIES = 10
# For a child that is on its way, before another one is started. That one has imported nothing, and
# takes the place of the one that has: where imports take longer than a timeout, for ever.
_WAIT_SECONDS = 10.0
# For the imports of a child that nobody waits for.
_LOAD_SECONDS = 60.0
# What a child may do at its end (`atexit`, threads of its functions that are no daemons).
_LEAVE_SECONDS = 5.0


class PoolClosed(Exception):
    """There are no more children."""


class Pool:
    """For any thread.

    Args:
        size: Children that it keeps.
        niceness: Of children, above that of this process.
        max_tasks: Calls after which a child is replaced; None: any number.
        max_memory: Bytes that a child may hold between two calls, else it is replaced as soon
            as its successor is ready; None: any number.
    """

    def __init__(
        self,
        size: int,
        *,
        niceness: int,
        max_tasks: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        self._size = size
        self._niceness = niceness
        self._max_tasks = max_tasks
        self._max_memory = max_memory
        # Protects what follows; told of a child that is idle, and of one that does not come.
        self._lock = Condition()
        # The one that was used last is taken first.
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        # Children that are being made ready, and will be idle.
        self._coming = 0
        # Who waits for one of them.
        self._waiting = 0
        # Modules of functions that were called: new children import them ahead.
        self._modules: dict[str, None] = {}
        self._closed = False

    def __len__(self) -> int:
        """Children that are not buried."""
        return len(self._all)

    def take(
        self, module: str | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Child | None:
        """A child that waits for a call; None: while it waited for one, none was wanted any more.

        Args:
            module: That of the function to call.
            wanted: Looked at when `look` is called.

        Raises:
            PoolClosed: it is closed.
            OSError, RuntimeError: none can be started.
        """
        if module is not None:
            self._modules[module] = None
        while True:
            with self._lock:
                if not self._idle and self._coming > self._waiting:
                    self._waiting += 1
                    self._lock.wait_for(lambda: self._is_over() or not wanted(), _WAIT_SECONDS)
                    self._waiting -= 1
                if self._closed:
                    raise PoolClosed
                if not wanted():
                    # It may have been told of a child.
                    self._lock.notify()
                    return None
                child = self._idle.pop() if self._idle else None
            if child is None:
                child = self._new()
            elif child.has_ended():
                self.bury(child)
                continue
            self._count(child)
            return child

    def idle(self, module: str | None) -> Child | None:
        """As `take`, if there is one; None: there is none. Never waits."""
        with self._lock:
            # Who takes one that has ended there buries it.
            if self._closed or not self._idle or self._idle[-1].has_ended():
                return None
            child = self._idle.pop()
        if module is not None:
            self._modules[module] = None
        self._count(child)
        return child

    def _count(self, child: Child) -> None:
        child.calls += 1
        if child.calls == self._max_tasks:
            # Now, so that it is there when this one goes.
            child.leaves = True
            self.heal()

    def give(self, child: Child) -> None:
        """It may run something else. Never waits."""
        # One that has run nothing is as small as can be.
        most = self._max_memory if child.calls else None
        large = most is not None and resident(child.pid) > most
        with self._lock:
            room = len(self._all) <= self._size or self._staying() <= self._size
            stays = room and not self._closed and not child.leaves
            if stays:
                self._idle.append(child)
                self._lock.notify()
        if not stays:
            self._dismiss(child)
        elif large:
            self._replace(child)

    def look(self) -> None:
        """Who waits for a child may not want it any more."""
        with self._lock:
            self._lock.notify_all()

    def _is_over(self) -> bool:
        """There is nothing to wait for, or it is there."""
        return bool(self._idle) or not self._coming or self._closed

    def _staying(self) -> int:
        return sum(not (child.leaves or child.comes) for child in self._all)

    def bury(self, child: Child) -> str:
        """Wait for the end of a child; see `Child.bury`."""
        how = child.bury()
        with self._lock:
            self._all.discard(child)
        return how

    def heal(self) -> None:
        """A child was lost, or will be: have another one ready before it is needed."""
        with self._lock:
            if self._closed or self._staying() + self._coming >= self._size:
                return
            self._coming += 1
        if not self._apart(self._come):
            self._came(None)

    def _replace(self, child: Child) -> None:
        """It goes on until its successor is ready."""
        with self._lock:
            if self._closed or child.replaced:
                return
            child.replaced = True
            self._coming += 1
        if not self._apart(self._come, child):
            self._came(None, child)

    def _come(self, replaced: Child | None = None) -> None:
        child = None
        try:
            child = self._loaded()
        finally:
            self._came(child, replaced)

    def _came(self, child: Child | None, replaced: Child | None = None) -> None:
        idle = False
        with self._lock:
            self._coming -= 1
            if child is not None:
                child.comes = False
            if replaced is not None:
                replaced.replaced = replaced.leaves = child is not None
                idle = replaced.leaves and replaced in self._idle
                if idle:
                    self._idle.remove(replaced)
            self._lock.notify_all()
        if child is not None:
            self.give(child)
        if replaced is not None and idle:
            self._dismiss(replaced)

    def _loaded(self) -> Child | None:
        """A child that has imported what the others had; None: it cannot be had."""
        # Who needs one is told why there is none.
        with suppress(PoolClosed, OSError, RuntimeError):
            child = self._new(comes=True)
            with _killed_after(_LOAD_SECONDS, child):
                try:
                    child.send(wire.LOAD, "\n".join(list(self._modules)).encode())
                    child.receive()  # that it is ready again
                except (OSError, EOFError):
                    self.bury(child)
                else:
                    return child
        return None

    def _dismiss(self, child: Child) -> None:
        """Let a child end; waits for nothing."""
        child.release()
        if not self._apart(self._see_off, child):
            child.kill()
            self.bury(child)

    def _see_off(self, child: Child) -> None:
        with _killed_after(_LEAVE_SECONDS, child):
            self.bury(child)

    def _apart(self, do: Callable[..., None], *args: Any) -> bool:
        """On a thread of its own; False: the system gives none."""
        try:
            Thread(target=do, args=args, name="taskflow-children", daemon=True).start()
        except RuntimeError:
            return False
        return True

    def _new(self, *, comes: bool = False) -> Child:
        how = ""
        for _ in range(_TRIES):
            child = Child(self._niceness)
            child.comes = comes
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
            for child in self._all:
                if child.comes:
                    child.kill()
            self._lock.notify_all()
        for child in idle:
            self._dismiss(child)

    def kill(self) -> None:
        """End all that there are."""
        with self._lock:
            for child in self._all:
                child.kill()


@contextmanager
def _killed_after(seconds: float, child: Child) -> Iterator[None]:
    timer = Timer(seconds, child.kill)
    timer.daemon = True
    with suppress(RuntimeError):  # the system gives no thread: it is as patient as it has to be
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
