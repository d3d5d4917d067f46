"""How long it took others to see to what a dead instance left."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from trust.accounts import CLOCK_SECONDS
from trust.history import Change, Death, History

__all__ = ["Recovered", "recoveries"]


class Recovered(NamedTuple):
    """A task of a dead instance that another one has settled (freed or ended).

    ``seconds`` count from the signal that ended the instance; ``attended`` are those of
    them in which any other instance lived that could have done it.
    """

    task: str
    pid: int
    how: str
    seconds: float
    attended: float


class _Fleet:
    """Who lived when."""

    def __init__(self, history: History) -> None:
        self._deaths: dict[str, list[Death]] = defaultdict(list)
        self._lives: list[tuple[float, float, str]] = []
        deaths = sorted(history.deaths, key=lambda one: one.at)
        for life in history.lives:
            # A signal that came before an instance enlisted is none of its own.
            own = [
                one for one in deaths if one.pid == life.pid and one.at >= life.at - CLOCK_SECONDS
            ]
            self._deaths[life.instance] += own
            self._lives.append((life.at, own[0].at if own else float("inf"), life.instance))
        self._lives.sort()

    def death(self, instance: str, until: float) -> Death | None:
        """What happened to an instance last, up to a moment."""
        before = [one for one in self._deaths[instance] if one.at <= until + CLOCK_SECONDS]
        return before[-1] if before else None

    def attended(self, since: float, until: float, but: str) -> float:
        """The part of a span in which somebody else lived."""
        total, covered = 0.0, since
        for born, died, instance in self._lives:
            if instance != but:
                begin, end = max(born, covered), min(died, until)
                if end > begin:
                    total += end - begin
                    covered = end
        return total


def recoveries(history: History) -> list[Recovered]:
    """One for each task that an instance held when it was killed or stopped.

    A task whose new owner died as well before it could settle it counts from that second
    death.
    """
    fleet = _Fleet(history)
    by_task: dict[str, list[Change]] = defaultdict(list)
    for change in history.changes:
        by_task[change.task].append(change)
    found = []
    for task, changes in by_task.items():
        for taken, settled in pairwise(changes):
            old = taken.old_owner
            if old is None or taken.owner in (None, old) or settled.owner is not None:
                continue
            death = fleet.death(old, taken.at)
            if death is not None:
                attended = fleet.attended(death.at, settled.at, old)
                seconds = settled.at - death.at
                found.append(Recovered(task, death.pid, death.how, seconds, attended))
    return found
