"""Claim: in which order tasks are looked at, and which of them one request may take."""

from __future__ import annotations

from collections.abc import Container

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

__all__ = ["Room", "is_suspect", "rank"]


def rank(priority: int | None) -> int:
    """Tasks are claimed by this, then by due time, then by arrival; the lowest first."""
    return -(priority or 0)


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
