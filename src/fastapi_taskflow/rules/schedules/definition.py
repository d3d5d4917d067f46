"""What is stored of a schedule: its definition, and how far it has come.

Both are JSON, and read by any instance, also by one that does not know the function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from fastapi_taskflow.rules.schedules.catchup import MISFIRE, OVERLAP, Policy
from fastapi_taskflow.rules.schedules.timetable import Times, Timetable
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.conflicts import OnConflict

__all__ = [
    "CODE",
    "STORED",
    "Declared",
    "Definition",
    "Errand",
    "Once",
    "Slot",
    "State",
    "checked_policy",
    "key_of",
    "name_of",
    "once_key",
]

CODE, STORED = "code", "stored"
_SCHEDULE, _ONCE = "s:", "o:"
# Tables of schedules; a process has few others.
_CACHED = 20_000
_KEPT_SLOTS = 10


def key_of(name: str) -> str:
    """Under which a schedule is stored; those of single dates cannot have it."""
    return _SCHEDULE + name


def once_key(run_key: str) -> str:
    """Under which a single date is stored."""
    return _ONCE + run_key


def name_of(key: str) -> str | None:
    """The name of a schedule; None for a single date's key."""
    return key[len(_SCHEDULE) :] if key.startswith(_SCHEDULE) else None


class Errand(NamedTuple):
    """What is said of a task before there is one, beside its arguments."""

    func_name: str
    queue: str
    priority: int | None = None
    executor: str | None = None
    requeue: bool = False
    idempotency_key: str | None = None
    tags: Mapping[str, str] = {}
    # Of a single date, for instances that do not know the function.
    order_key: str | None = None
    on_conflict: OnConflict = "queue"

    def plain(self) -> dict[str, Any]:
        """As it is stored: what older releases do not know only where it is needed."""
        found = self._asdict()
        if self.order_key is None:
            del found["order_key"], found["on_conflict"]
        return found


class Definition(NamedTuple):
    """When a schedule runs, and what."""

    errand: Errand
    times: Times
    policy: Policy = Policy()

    def text(self) -> str:
        """As it is stored."""
        start, end = _iso(self.times.start), _iso(self.times.end)
        found = {
            "errand": self.errand.plain(),
            "times": {**self.times._asdict(), "start": start, "end": end},
            "policy": self.policy._asdict(),
        }
        return json.dumps(found)

    def table(self, name: str) -> Timetable:
        """Its slots, under its name."""
        return _table(name, self.times)

    @staticmethod
    def read(text: str) -> Definition:
        """What was stored.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        return _definition(text)


@lru_cache(maxsize=_CACHED)
def _definition(text: str) -> Definition:
    found = json.loads(text)
    times = Times(**found["times"])
    times = times._replace(start=_moment(times.start), end=_moment(times.end))
    return Definition(Errand(**found["errand"]), times, Policy(**found["policy"]))


@lru_cache(maxsize=_CACHED)
def _table(name: str, times: Times) -> Timetable:
    return Timetable(name, times)


def checked_policy(misfire: Any, grace: Any, overlap: Any) -> Policy:
    """The words of a schedule.

    Raises:
        ConfigurationError: one of them is none.
    """
    return Policy(
        limits.one_of("misfire", misfire, MISFIRE),
        limits.optional(limits.span, "grace", grace),
        limits.one_of("overlap", overlap, OVERLAP),
    )


class Slot(NamedTuple):
    """What became of an instant; see `SlotInfo`."""

    at: datetime
    kind: str
    task_id: str | None = None


class State(NamedTuple):
    """How far a schedule has come.

    ``anchor``: all slots up to here are decided. ``slots``: the last ones, oldest first.
    """

    origin: str
    anchor: datetime
    paused: bool = False
    retired: bool = False
    slots: tuple[Slot, ...] = ()

    @property
    def rests(self) -> bool:
        """It has no next date."""
        return self.paused or self.retired

    def noting(self, *slots: Slot) -> State:
        """With what became of some slots."""
        return self._replace(slots=(self.slots + slots)[-_KEPT_SLOTS:])

    def text(self) -> str:
        """As it is stored."""
        slots = [(_iso(at), kind, task_id) for at, kind, task_id in self.slots]
        found = {**self._asdict(), "anchor": _iso(self.anchor), "slots": slots}
        return json.dumps(found)

    @staticmethod
    def read(text: str) -> State:
        """What was stored.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        found = json.loads(text)
        anchor = datetime.fromisoformat(found.pop("anchor"))
        slots = tuple(
            Slot(datetime.fromisoformat(at), kind, task_id)
            for at, kind, task_id in found.pop("slots")
        )
        return State(anchor=anchor, slots=slots, **found)


class Once(NamedTuple):
    """A single date."""

    errand: Errand
    fire_at: datetime
    created_at: datetime

    def text(self) -> str:
        """As it is stored."""
        found = {
            "errand": self.errand.plain(),
            "fire_at": _iso(self.fire_at),
            "created_at": _iso(self.created_at),
        }
        return json.dumps(found)

    @staticmethod
    def read(text: str) -> Once:
        """What was stored.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        found = json.loads(text)
        fire_at, created_at = map(datetime.fromisoformat, (found["fire_at"], found["created_at"]))
        return Once(Errand(**found["errand"]), fire_at, created_at)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Declared(NamedTuple):
    """A schedule in the code.

    ``definition`` is without what only the function's settings say.
    """

    func: Callable[..., Any]
    definition: Definition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    run_on_startup: bool
