"""Schedules: which changes are heard, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fastapi_taskflow.backends.base import Admission, NewTask, ScheduleChange

__all__ = ["answers", "groups_of", "heard"]


def heard(versions: Mapping[str, int], changes: Iterable[ScheduleChange]) -> list[bool]:
    """Which changes are made from what is stored, each after those before it.

    Args:
        versions: Of the schedules that are stored, by name.
    """
    now = dict(versions)
    found = []
    for one in changes:
        fits = now.get(one.name, 0) == one.version
        found.append(fits)
        if fits:
            now[one.name] = 0 if one.schedule is None else one.schedule.version
    return found


def groups_of(changes: Iterable[ScheduleChange], fits: Iterable[bool]) -> list[list[NewTask]]:
    """The tasks to insert."""
    kept = [one for one, is_heard in zip(changes, fits, strict=True) if is_heard]
    return [[task] for one in kept for task in one.tasks]


def answers(
    changes: Sequence[ScheduleChange], fits: Sequence[bool], admissions: Iterable[Admission]
) -> list[tuple[Admission, ...] | None]:
    """What became of each change, from what became of the tasks of those that were heard."""
    left = iter(admissions)
    return [
        tuple(next(left) for _ in one.tasks) if is_heard else None
        for one, is_heard in zip(changes, fits, strict=True)
    ]
