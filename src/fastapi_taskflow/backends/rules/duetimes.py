"""When tasks fall due, by the store's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi_taskflow.backends.base import NewTask

__all__ = ["NEVER", "due_of", "is_never", "later"]

# A day inside the calendar's end, so that it can be shown in any time zone.
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a parked task is due. Callers name no such date, see `words.limits`."""


def is_never(due_at: datetime | None) -> bool:
    """The task is parked."""
    return due_at == NEVER


def later(now: datetime, seconds: float) -> datetime:
    """So many seconds from now, within the calendar."""
    try:
        return min(now + timedelta(seconds=seconds), _LATEST)
    except OverflowError:
        return _LATEST if seconds > 0 else now


def due_of(task: NewTask, now: datetime, lead: timedelta) -> datetime:
    """When a new task falls due.

    Args:
        lead: By how much the store's clock is ahead of the callers' (`SteadyClock.lead`): a
            date is as far off as its caller saw it.
    """
    if task.member is not None and task.member.parked:
        return NEVER
    if task.due_at is None:
        return later(now, task.delay) if task.delay else now
    try:
        return min(task.due_at.astimezone(UTC) + lead, _LATEST)
    except OverflowError:
        return _LATEST
