"""Counters per queue, function and state, so that totals cost nothing to read."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Tally
from fastapi_taskflow.models import TaskStatus

__all__ = ["Family", "Tallies"]

_STATES = tuple(TaskStatus)
_INDEX = {status: place for place, status in enumerate(_STATES)}
_NONE = (0,) * len(_STATES)


class Family:
    """The counters of one (queue, function); each list has a place per state."""

    __slots__ = ("ended", "func_name", "queue", "rows", "seconds")

    def __init__(self, queue: str, func_name: str) -> None:
        self.queue = queue
        self.func_name = func_name
        self.rows = list(_NONE)
        self.ended = list(_NONE)
        self.seconds = [0.0] * len(_STATES)

    def enter(self, status: TaskStatus) -> None:
        """A task is in a live state now."""
        self.rows[_INDEX[status]] += 1

    def leave(self, status: TaskStatus) -> None:
        """A task is in this state no more, or deleted."""
        self.rows[_INDEX[status]] -= 1

    def end(self, status: TaskStatus, seconds: float | None) -> None:
        """A task came to a terminal state."""
        place = _INDEX[status]
        self.rows[place] += 1
        self.ended[place] += 1
        if seconds is not None:
            self.seconds[place] += seconds


class Tallies:
    """All counters. They grow with the number of queues and functions, not with tasks."""

    def __init__(self) -> None:
        self._families: dict[tuple[str, str], Family] = {}

    def family(self, queue: str, func_name: str) -> Family:
        found = self._families.get((queue, func_name))
        if found is None:
            found = self._families[queue, func_name] = Family(queue, func_name)
        return found

    def read(self) -> list[Tally]:
        """Every counter that is not zero."""
        return [
            Tally(
                family.queue,
                family.func_name,
                status,
                family.rows[place],
                family.ended[place],
                family.seconds[place],
            )
            for family in self._families.values()
            for place, status in enumerate(_STATES)
            if family.rows[place] or family.ended[place]
        ]
