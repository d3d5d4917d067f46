"""Deleting old records because somebody asks for it."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.reading import Count, catch_up
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["PurgedHistory", "preview_purge", "purge_history"]

# Far inside the calendar.
_LONGEST = timedelta(days=36_525)
_COUNTED = 10_000


class PurgedHistory(NamedTuple):
    """How many tasks were deleted: in all, in this process's memory, in the backend.

    ``more``: the bound of one request was reached, and there are others as old.
    """

    deleted: int
    store: int
    backend: int
    more: bool


async def preview_purge(desk: Desk, older_than: timedelta, *, cap: int = _COUNTED) -> Count:
    """How many records `purge_history` would delete by and by, counted up to ``cap``.

    Raises:
        ConfigurationError: as `purge_history`.
    """
    engine = desk.engine
    before = engine.clock.now() - _checked(older_than)
    await catch_up(engine)
    found = await engine.backend.purgeable(before, cap=cap + 1)
    return Count(min(found, cap), more=found > cap)


async def purge_history(
    desk: Desk, older_than: timedelta, *, actor: str = ANONYMOUS
) -> PurgedHistory:
    """Delete records of tasks that ended longer ago, up to `Settings.purge_limit`.

    Raises:
        ConfigurationError: a span that is negative, or longer than the calendar.
    """
    engine = desk.engine
    before = engine.clock.now() - _checked(older_than)
    await catch_up(engine)
    swept = await engine.housekeeping.sweep(before, most=engine.settings.purge_limit)
    deleted = len({*swept.store, *swept.backend})
    detail = {"older_than_seconds": older_than.total_seconds(), "deleted": deleted}
    await desk.note("purge", "history", actor, detail)
    return PurgedHistory(deleted, len(swept.store), len(swept.backend), swept.more)


def _checked(older_than: timedelta) -> timedelta:
    if not timedelta() <= older_than <= _LONGEST:
        raise ConfigurationError(
            f"older_than takes a span from 0 to {_LONGEST.days} days, got {older_than!r}."
        )
    return older_than
