"""The part of the storage port that schedules need: what is kept of each, and its next date.

The rules of `backends.base` hold here too. When a schedule runs and what becomes of a slot is
decided above; the store knows when somebody has to look again, and sees to it that of all who
looked one is heard: a change names the version that it was made from, and is one transaction
with the tasks of its slots. So no slot is run twice, whatever clocks and crashes do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base.admission import Admission, NewTask

__all__ = ["DueSchedules", "ScheduleChange", "Schedules", "StoredSchedule"]


class StoredSchedule(NamedTuple):
    """A schedule as the store has it.

    ``definition`` and ``state`` are the caller's text, ``payload`` the arguments of its tasks.
    ``next_at`` is when it is due to be looked at, by the store's clock; None: never.
    ``version`` is another one after each change. ``unopened`` is set above the drivers: the
    payload is encrypted, and as it is stored, because no key here opens it.
    """

    name: str
    version: int
    definition: str
    state: str
    payload: bytes | None
    next_at: datetime | None
    unopened: bool = False


class ScheduleChange(NamedTuple):
    """What is to become of a schedule that is still as it was read.

    ``version`` is the one it was read with; 0: there was none. ``schedule`` takes its place;
    None: it is deleted. ``tasks`` are inserted with it, each as a group of its own.
    """

    name: str
    version: int
    schedule: StoredSchedule | None
    tasks: tuple[NewTask, ...] = ()


class DueSchedules(NamedTuple):
    """Schedules that are due at ``now``, the store's time, the longest due first.

    ``wait``: seconds until the next of the others is due, 0 or less if one is; None: none will.
    """

    now: datetime
    wait: float | None
    schedules: list[StoredSchedule]


class Schedules(ABC):
    """Schedules, shared by all instances on the store."""

    @abstractmethod
    async def due(self, *, limit: int) -> DueSchedules:
        """Schedules whose ``next_at`` has come, at most ``limit`` (0: only the times)."""

    @abstractmethod
    async def find(self, names: Sequence[str]) -> list[StoredSchedule | None]:
        """Schedules by name."""

    @abstractmethod
    async def page(self, *, limit: int, after: str = "") -> list[StoredSchedule]:
        """Schedules in order of their names, those after a name."""

    @abstractmethod
    async def change(
        self,
        changes: Sequence[ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        """Change schedules and insert their tasks, all in one commit; answers for each task.

        None: the schedule is not of this version any more, and nothing of the change is
        stored. So a change that is sent again after a lost reply is lost, or was stored. A task
        that cannot be stored (`Backend.insert` says when) stops neither its change nor others.
        """
