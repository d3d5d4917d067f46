"""Order keys: of the live tasks that have one, which has the turn, and which a new one displaces.

The first to arrive has the turn until it ends; the others are ``behind`` it and in no index of
what a claim may take, so a claim costs the same however many they are. Nothing else is kept of a
key: the turn passes to the first that is behind, in the transaction that ends the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.backends.rules.facts import Mate
from fastapi_taskflow.words.conflicts import DISPLACING
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import BURST_SPANS

__all__ = ["ALONE", "Place", "gate_of", "place_of", "put_off", "turn_due"]


class Place(NamedTuple):
    """Where a new task stands: behind ``before``; the ``displaced`` end, and ``asked`` should."""

    before: tuple[Mate, ...]
    displaced: tuple[Mate, ...]
    asked: tuple[Mate, ...]

    def since(self, now: datetime) -> datetime:
        """When the first call was, of those that a debounced task stands for."""
        return min((mate.created_at for mate in self.displaced), default=now)


ALONE = Place((), (), ())


def place_of(mates: Iterable[Mate], task: NewTask, *, how: str | None = None) -> Place | None:
    """Where a new task of their order key stands. None: it is dropped.

    Args:
        how: In place of its ``on_conflict`` and ``debounce``.
    """
    mates, on_conflict = tuple(mates), how or task.on_conflict
    if task.debounce and how is None:
        displaced = tuple(mate for mate in mates if mate.fresh and mate.func == task.func_name)
        return Place(tuple(mate for mate in mates if mate not in displaced), displaced, ())
    if mates and on_conflict == "drop":
        return None
    if on_conflict not in DISPLACING:
        return Place(mates, (), ())
    displaced = tuple(mate for mate in mates if mate.status is TaskStatus.PENDING)
    running = tuple(mate for mate in mates if mate.status is not TaskStatus.PENDING)
    if on_conflict == "replace":
        return Place(running, displaced, ())
    asked = tuple(mate for mate in running if not mate.asked)
    return Place(tuple(mate._replace(asked=True) for mate in running), displaced, asked)


def put_off(task: NewTask, place: Place, now: datetime) -> NewTask:
    """A debounced task with the time of its start; the first call bounds how late that is."""
    first = place.since(now)
    left = (first - now).total_seconds() + BURST_SPANS * task.debounce
    delay = min(task.debounce, max(left, 0.0))
    return task._replace(created_at=first, due_at=None, delay=delay)


def turn_due(due_at: datetime | None, now: datetime) -> datetime:
    """When a task is due that gets the turn now: after those that have waited for a claim."""
    return now if due_at is None else max(due_at, now)


def gate_of(order_key: str) -> str:
    """What stands for the key where a store locks names, see `allowing.gate_names`."""
    return f"turn:{order_key}"
