"""Who holds which idempotency key, and until when."""

from __future__ import annotations

import heapq
import itertools
from datetime import datetime, timedelta

from fastapi_taskflow.backends.rules.settlement import keeps_key
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Hold", "KeyRing"]


class Hold:
    """A key in the hands of one task. ``expires`` is None while the task is live."""

    __slots__ = ("expires", "fingerprint", "key", "task_id", "ttl")

    def __init__(self, key: str, fingerprint: bytes | None, task_id: str, ttl: float) -> None:
        self.key = key
        self.fingerprint = fingerprint
        self.task_id = task_id
        self.ttl = ttl
        self.expires: datetime | None = None


class KeyRing:
    """All held keys. A hold outlives its task's record until it expires."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}
        # Every hold with an expiry is in here; void entries are dropped when they expire.
        self._expiring: list[tuple[datetime, int, Hold]] = []
        self._count = itertools.count()

    def holder(self, key: str, now: datetime) -> Hold | None:
        """The hold on a key, None if it is free."""
        expiring = self._expiring
        while expiring and expiring[0][0] <= now:
            self.release(heapq.heappop(expiring)[2])
        return self._holds.get(key)

    def purge(self, now: datetime, limit: int) -> int:
        """Forget at most ``limit`` expired holds; how many there were."""
        expiring = self._expiring
        purged = 0
        while purged < limit and expiring and expiring[0][0] <= now:
            self.release(heapq.heappop(expiring)[2])
            purged += 1
        return purged

    def take(self, key: str, fingerprint: bytes | None, task_id: str, ttl: float) -> Hold:
        """Give a key to a task, whoever held it."""
        hold = self._holds[key] = Hold(key, fingerprint, task_id, ttl)
        return hold

    def release(self, hold: Hold) -> None:
        """The key is free, unless another task has taken it over."""
        if self._holds.get(hold.key) is hold:
            del self._holds[hold.key]

    def end(self, hold: Hold, status: TaskStatus, now: datetime, *, started: bool) -> Hold | None:
        """The task has ended so; None: it holds the key no more."""
        keeps = keeps_key(hold.key, status, started=started)
        if keeps:
            self.expire(hold, now)
        elif keeps is not None:
            self.release(hold)
            return None
        return hold

    def expire(self, hold: Hold, now: datetime) -> None:
        """The task's time with the key runs from now."""
        hold.expires = now + timedelta(seconds=hold.ttl)
        heapq.heappush(self._expiring, (hold.expires, next(self._count), hold))
