"""Deleting old records because somebody asks for it."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["PurgedHistory", "purge_history"]

# Far inside the calendar.
_LONGEST = timedelta(days=36_525)


class PurgedHistory(NamedTuple):
    """How many tasks were deleted: in all, in this process's memory, in the backend.

    ``more``: the bound of one request was reached, and there are others as old.
    """

    deleted: int
    store: int
    backend: int
    more: bool


async def purge_history(
    desk: Desk, older_than: timedelta, *, actor: str = ANONYMOUS
) -> PurgedHistory:
    """Delete records of tasks that ended longer ago, up to `Settings.purge_limit`.

    Raises:
        ConfigurationError: a span that is negative, or longer than the calendar.
    """
    engine = desk.engine
    if not timedelta() <= older_than <= _LONGEST:
        raise ConfigurationError(
            f"older_than takes a span from 0 to {_LONGEST.days} days, got {older_than!r}."
        )
    before = engine.clock.now() - older_than
    await catch_up(engine)
    swept = await engine.housekeeping.sweep(before, most=engine.settings.purge_limit)
    deleted = len({*swept.store, *swept.backend})
    detail = {"older_than_seconds": older_than.total_seconds(), "deleted": deleted}
    await desk.note("purge", "history", actor, detail)
    return PurgedHistory(deleted, len(swept.store), len(swept.backend), swept.more)
