"""The write lock: who may write now."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi_taskflow.backends.sqlite.lockfiles import PAUSE_SECONDS, LockFile
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["WriteLock"]

# Whoever has a turn needs it for as long as one write takes. One that is longer in the same
# hands is in those of a stopped process.
_TURN_SECONDS = 0.2
# After so many turns in a row a busy process lets those that wait go first.
_TURNS_IN_A_ROW = 8
# Whoever was away longer than this has left the others time enough.
_AWAY_SECONDS = 0.005
# Somebody may delete our files; then two processes would lock different ones.
_RECHECK_SECONDS = 0.05


class WriteLock:
    """One writer at a time on one database, among all processes that use this library.

    SQLite before 3.51.3 (but not 3.44.6, nor 3.50.7) can lose pages when one connection
    resets the write-ahead log while another checkpoints it. Nobody who holds this lock
    around every write, checkpoint and close can meet that. It is taken with every version
    of SQLite, because one old process is enough, because it costs two system calls, and
    because it is fairer and quicker than SQLite's own wait.

    Each thread needs an object of its own.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = LockFile(directory / "write.lock")
        # Whoever waits for the lock holds the turn: so two that write without a pause
        # cannot keep out a third. It is an aid: nobody who may write waits long for it.
        self._turn = LockFile(directory / "turn.lock")
        self._turns = 0
        # Since it was waited for in vain nobody has seen the turn free.
        self._turn_is_stuck = False
        self._released_at = self._checked_at = 0.0

    @contextmanager
    def held(self, seconds: float) -> Iterator[None]:
        """Write inside.

        Raises:
            StoreUnavailable: the lock was not free within ``seconds``.
        """
        self._acquire(seconds)
        try:
            yield
        finally:
            self._released_at = time.monotonic()
            self._lock.unlock()

    def waits(self, seconds: float) -> Generator[float, None, None]:
        """Take the lock, however the caller waits: gives the seconds to wait before each next try.

        Ended early it has nothing. `release` lets go.

        Raises:
            StoreUnavailable: the lock was not free within ``seconds``.
        """
        deadline, pause, has_turn = time.monotonic() + seconds, PAUSE_SECONDS / 20, False
        try:
            while not self._try_current():
                has_turn = has_turn or self._turn.try_lock()
                if time.monotonic() >= deadline:
                    raise _stuck()
                yield pause
                pause = min(2 * pause, PAUSE_SECONDS)
        finally:
            if has_turn:
                self._turn.unlock()

    def _try_current(self) -> bool:
        if not self._lock.try_lock():
            return False
        if self._lock.is_current():
            return True
        self._lock.close()
        return False

    def release(self) -> None:
        """Let go of what `waits` has taken."""
        self._lock.unlock()

    def _acquire(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self._released_at > _AWAY_SECONDS:
            self._turns = 0
        self._turns += 1
        if self._turns > _TURNS_IN_A_ROW or not self._lock.try_lock():
            self._queue(now + seconds)
        if now - self._checked_at > _RECHECK_SECONDS:
            self._checked_at = now
            if not self._lock.is_current():
                self.close()
                self._queue(now + seconds)

    def _queue(self, deadline: float) -> None:
        self._turns = 0
        has_turn = self._take_turn(deadline)
        try:
            if not self._lock.wait_lock(deadline):
                raise _stuck()
        finally:
            if has_turn:
                self._turn.unlock()

    def _take_turn(self, deadline: float) -> bool:
        """False: somebody keeps it who may be stopped, and it counts for nothing."""
        patience = 0.0 if self._turn_is_stuck else _TURN_SECONDS
        try:
            has_turn = self._turn.wait_lock(min(deadline, time.monotonic() + patience))
        except OSError:  # something else has its name
            has_turn = False
        self._turn_is_stuck = not has_turn
        return has_turn

    def close(self) -> None:
        """Close the files. Idempotent."""
        self._lock.close()
        self._turn.close()


def _stuck() -> StoreUnavailable:
    return StoreUnavailable(
        "Another process has held the task store's write lock for too long: it is stopped, "
        "or its disk does not answer."
    )
