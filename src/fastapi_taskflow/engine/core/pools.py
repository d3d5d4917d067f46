"""Slots of one executor, and how many durable tasks are started ahead of a free one.

A durable task's function is called when its start is stored. If that waited for a free slot,
a thread would idle through a commit after every short call; so a few starts are stored ahead.
How few: as many as the pool gets through while a start is stored. Where calls take longer
than that, it is none, because what has started here cannot run elsewhere.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Pool"]

_UNLIMITED = 1 << 62
# What has started and was not called is interrupted if the process is killed.
_MOST_AHEAD = 64
# Of a new measure in the mean of those before it.
_WEIGHT = 0.2


class Sized(Protocol):
    """An executor; its slots may come and go."""

    @property
    def slots(self) -> int | None:
        """None: any number."""


class Pool:
    """Slots of one executor. ``limit`` None: unlimited.

    Invariant: ``called`` tasks have their function called, at most ``limit``; ``running``
    are these, and those whose start is being stored or was stored ahead.
    """

    __slots__ = (
        "_call_seconds",
        "_executor",
        "_start_seconds",
        "ahead",
        "called",
        "name",
        "reserved",
        "running",
    )

    def __init__(self, name: str, executor: Sized) -> None:
        self.name = name
        self._executor = executor
        self.running = 0
        self.called = 0
        self.ahead = 0
        # Slots reserved for new tasks, while those beside them are looked at.
        self.reserved = 0
        self._call_seconds = 1.0
        self._start_seconds = 0.0

    @property
    def limit(self) -> int | None:
        return self._executor.slots

    @property
    def may_call(self) -> bool:
        """A function may be called now."""
        limit = self._executor.slots
        return limit is None or self.called < limit

    def free(self, *, durable: bool = True) -> int:
        """Tasks that may be taken now."""
        limit = self._executor.slots
        if limit is None:
            return _UNLIMITED
        return limit + self.ahead - self.running if durable else limit - self.called

    def started_in(self, seconds: float) -> None:
        """How long it took to store a start."""
        self._start_seconds += _WEIGHT * (seconds - self._start_seconds)
        self._reckon()

    def called_for(self, seconds: float) -> None:
        """How long a call took, or has taken until now."""
        self._call_seconds += _WEIGHT * (seconds - self._call_seconds)
        self._reckon()

    def stop_ahead(self) -> None:
        """Calls take longer than was thought."""
        self._call_seconds = max(1.0, self._call_seconds)
        self._reckon()

    def _reckon(self) -> None:
        limit = self._executor.slots
        if limit is not None:
            through = limit * self._start_seconds / max(self._call_seconds, 1e-6)
            self.ahead = min(int(through), _MOST_AHEAD)
