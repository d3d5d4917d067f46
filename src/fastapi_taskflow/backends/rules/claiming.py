"""Claim: in which order tasks are looked at, and which of them one request may take."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.rules.allowing import Allowance
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

__all__ = [
    "Look",
    "Room",
    "aged",
    "are_new",
    "choose",
    "in_turn",
    "is_paused",
    "is_suspect",
    "looks",
    "rank",
]


_MANY = 200
_NOT_AT_ALL = timedelta()


def rank(priority: int | None) -> int:
    """Tasks are claimed by this, then by due time, then by arrival; the lowest first."""
    return -(priority or 0)


def aged(rank: float, waited: timedelta, step: timedelta | None) -> float:
    """The rank of a task that has been due for so long, in a queue with this ageing.

    Of two tasks of one queue it is always the same that goes first: no time changes that.
    """
    return rank if step is None else rank - waited / step


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
        functions: How many more of a function may be taken, of those that have a limit.
        ageing: As of the request.
    """

    def __init__(
        self,
        request: ClaimRequest,
        paused: Container[str],
        allowance: Allowance | None = None,
    ) -> None:
        queues = request.queues
        if allowance is not None:
            queues = {name: min(n, allowance.queues.get(name, n)) for name, n in queues.items()}
        self.functions = {} if allowance is None else allowance.functions
        self.slots = {name: n for name, n in queues.items() if n > 0 and name not in paused}
        self.ageing = request.ageing
        self._left = request.limit
        self._suspects = request.suspects
        self._allowance = allowance
        self._postponed: list[tuple[Row, datetime]] = []

    def must_wait(self, func: str, order_key: str | None) -> timedelta:
        """Until there is a token for one that fits; it is to be postponed by so much."""
        if self._allowance is None or order_key is None:
            return _NOT_AT_ALL
        return timedelta(microseconds=self._allowance.wait(func, order_key))

    def postpone(self, row: Row, due_at: datetime) -> None:
        """Its key has no token before."""
        self._postponed.append((row, due_at))

    def take_postponed(self) -> list[tuple[Row, datetime]]:
        """Those that were postponed since this was asked last."""
        found, self._postponed = self._postponed, []
        return found

    def full(self) -> bool:
        """Nothing more can be taken, whatever comes."""
        return self._left <= 0

    def has_slot(self, queue: str, func: str) -> bool:
        """A task of this function may be taken from the queue; if not now, then no more."""
        return self.slots[queue] > 0 and (func not in self.functions or self.functions[func] > 0)

    def fits(self, queue: str, func: str, *, suspect: bool) -> bool:
        """Such a task may be taken; if not now, then no more."""
        return self.has_slot(queue, func) and (self._suspects > 0 or not suspect)

    def take(self, queue: str, func: str, *, suspect: bool) -> None:
        """One that fits is taken."""
        self.slots[queue] -= 1
        if func in self.functions:
            self.functions[func] -= 1
        self._suspects -= suspect
        self._left -= 1


class Look(NamedTuple):
    """The first ``most`` due tasks of a queue that a store has to show; suspects apart.

    With a ``step`` they are first by `aged`: a store merges what is first of each rank.
    """

    queue: str
    suspects: bool
    most: int
    functions: frozenset[str]
    step: timedelta | None = None


def looks(request: ClaimRequest, room: Room) -> list[Look]:
    """What to look up for a request; `choose` needs no more than that."""
    # Those that have limits apart: the first many of one must not hide the others.
    mine = request.functions
    apart = {frozenset({name}): n for name, n in room.functions.items() if name in mine}
    rated = frozenset() if request.limits is None else frozenset(request.limits.keys)
    apart[mine.difference(room.functions)] = request.limit
    found = []
    for queue, slots in room.slots.items():
        step = room.ageing.get(queue)
        for functions, left in apart.items():
            most = min(slots, request.limit, left)
            if most > 0 and not functions.isdisjoint(rated):
                # Many keys may have no token, and each look is a question.
                most = max(most, _MANY)
            found.append(Look(queue, False, most, functions, step))
            found.append(Look(queue, True, min(most, request.suspects), functions, step))
    return [one for one in found if one.most > 0 and one.functions]


def are_new(rows: Iterable[Row]) -> bool:
    """Nobody has had any of these claimed tasks before: they are durable, and have no lines."""
    return all(one.fence == 1 and one.persist and one.start_time is None for one in rows)


def _order(row: Row) -> tuple[int, object, int]:
    """The order of claims."""
    return rank(row.priority), row.due_at, row.arrival


def in_turn(rows: Iterable[Row], ageing: Mapping[str, timedelta], now: datetime) -> list[Row]:
    """Due tasks in the order of claims, where queues have this ageing."""
    if not ageing:
        return sorted(rows, key=_order)

    def turn(row: Row) -> tuple[float, object, int]:
        waited = _NOT_AT_ALL if row.due_at is None else now - row.due_at
        place = aged(rank(row.priority), waited, ageing.get(row.queue))
        return place, row.due_at, row.arrival

    return sorted(rows, key=turn)


def choose(room: Room, candidates: Iterable[Row], now: datetime) -> list[Row]:
    """Those of the free, due tasks that are taken, in order. Others are postponed."""
    taken = []
    for row in in_turn(candidates, room.ageing, now):
        suspect = is_suspect(row.interruptions)
        if not room.full() and room.fits(row.queue, row.func_name, suspect=suspect):
            if wait := room.must_wait(row.func_name, row.order_key):
                room.postpone(row, now + wait)
                continue
            room.take(row.queue, row.func_name, suspect=suspect)
            taken.append(row)
    return taken
