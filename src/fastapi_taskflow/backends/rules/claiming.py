"""Claim: in which order tasks are looked at, and which of them one request may take."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

__all__ = ["Look", "Room", "choose", "is_paused", "is_suspect", "looks", "order", "rank"]


def rank(priority: int | None) -> int:
    """Tasks are claimed by this, then by due time, then by arrival; the lowest first."""
    return -(priority or 0)


def is_paused(settings: Mapping[str, Any]) -> bool:
    """Nothing of a queue with these stored settings starts."""
    return bool(settings.get("paused"))


def is_suspect(interruptions: int) -> bool:
    """Its owners died of it, maybe: few such tasks are let loose at a time."""
    return interruptions >= QUARANTINE_FROM


class Room:
    """What a request may still take, while candidates come in order.

    Attributes:
        slots: Free slots by queue, of those queues that are not paused.
    """

    def __init__(self, request: ClaimRequest, paused: Container[str]) -> None:
        self.slots = {
            name: free for name, free in request.queues.items() if free > 0 and name not in paused
        }
        self._left = request.limit
        self._suspects = request.suspects

    def full(self) -> bool:
        """Nothing more can be taken, whatever comes."""
        return self._left <= 0

    def fits(self, queue: str, *, suspect: bool) -> bool:
        """Such a task may be taken; if not now, then no more."""
        return self.slots[queue] > 0 and (self._suspects > 0 or not suspect)

    def take(self, queue: str, *, suspect: bool) -> None:
        """One that fits is taken."""
        self.slots[queue] -= 1
        self._suspects -= suspect
        self._left -= 1


class Look(NamedTuple):
    """The first ``most`` due tasks of a queue that a store has to show; suspects apart."""

    queue: str
    suspects: bool
    most: int


def looks(request: ClaimRequest, room: Room) -> list[Look]:
    """What to look up for a request; `choose` needs no more than that."""
    found = []
    for queue, slots in room.slots.items():
        most = min(slots, request.limit)
        found.append(Look(queue, False, most))
        found.append(Look(queue, True, min(most, request.suspects)))
    return [one for one in found if one.most > 0]


def order(row: Row) -> tuple[int, object, int]:
    """The order of claims."""
    return rank(row.priority), row.due_at, row.arrival


def choose(room: Room, candidates: Iterable[Row]) -> list[Row]:
    """Those of the free, due tasks that are taken, in order."""
    taken = []
    for row in sorted(candidates, key=order):
        suspect = is_suspect(row.interruptions)
        if not room.full() and room.fits(row.queue, suspect=suspect):
            room.take(row.queue, suspect=suspect)
            taken.append(row)
    return taken
