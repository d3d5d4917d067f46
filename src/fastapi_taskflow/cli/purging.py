"""``tasks purge``: deleting old records, all of them however many there are."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from datetime import datetime, timedelta
from typing import Annotated

import typer

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.cli.bars import Advance, bar
from fastapi_taskflow.cli.output import plain, plural, show, write_json
from fastapi_taskflow.cli.stores import (
    JsonOption,
    PrefixOption,
    StoreOption,
    actor,
    backend_of,
    opened,
)
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import AuditEntry
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["purge"]

# As housekeeping: a batch takes milliseconds, which is what others wait for the write lock,
# and the rest after it gives them half of the store's time.
_BATCH = 200
_REST_SECONDS = 0.01
_LONGEST_REST_SECONDS = 1.0

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# As over HTTP: far inside the calendar.
_LONGEST = timedelta(days=36_525)

# Counting goes on for so long; with more than that the bar does not say how much is left.
_COUNT_LIMIT = 1_000_000


def purge(
    store: StoreOption,
    *,
    older_than: Annotated[
        str,
        typer.Option(metavar="SPAN", help="Ended so long ago or longer: 90s, 15m, 6h, 30d or 2w."),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Delete the records of tasks that ended long ago, with their logs.

    Waiting and running tasks stay, as do totals, unexpired idempotency keys and the audit.
    """
    span = _span(older_than)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter(
            "Nobody is there to be asked: give it to delete without a question.",
            param_hint="--yes",
        )
    before = SYSTEM_CLOCK.now() - span
    with backend_of(store, table_prefix).look() as look:
        # What ended before then was made before then, by the clocks of those who made it.
        query = Query(statuses=frozenset(TERMINAL), until=before)
        most = look.count(query, cap=_COUNT_LIMIT + 1)
    if not yes and not _agreed(before, most):
        typer.echo("Nothing was deleted.", err=True)
        raise typer.Exit(1)
    deleted = asyncio.run(_purge(store, table_prefix, span, before, most))
    if json:
        write_json({"deleted": deleted, "before": before.isoformat()})
    else:
        show(plain(f"Deleted {plural(deleted, 'task')} that ended before {_told(before)}"))


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span > _LONGEST:
        raise typer.BadParameter(
            f"Expected a span such as 90s, 15m, 6h, 30d or 2w, of {_LONGEST.days} days at most, "
            f"got {text!r}.",
            param_hint="--older-than",
        )
    return span


def _agreed(before: datetime, most: int) -> bool:
    number = f"more than {_COUNT_LIMIT}" if most > _COUNT_LIMIT else f"about {most}"
    return typer.confirm(
        f"Delete all tasks that ended before {_told(before)} ({number})?", err=True
    )


def _told(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


async def _purge(store: str, prefix: str, span: timedelta, before: datetime, most: int) -> int:
    total = most if most <= _COUNT_LIMIT else None
    async with opened(store, prefix) as task_manager:
        with bar("Deleting", total) as advance:
            return await _sweep(task_manager.runtime.engine(), span, before, advance)


async def _sweep(engine: Engine, span: timedelta, before: datetime, advance: Advance) -> int:
    deleted = 0
    try:
        while True:
            begun = time.monotonic()
            batch = await engine.backend.purge(before, limit=_BATCH)
            deleted += len(batch.task_ids)
            advance(f"{plural(deleted, 'task')} deleted", deleted)
            if not batch.left_some(_BATCH):
                return deleted
            took = time.monotonic() - begun
            await asyncio.sleep(min(max(took, _REST_SECONDS), _LONGEST_REST_SECONDS))
    finally:
        # Also after Ctrl+C: what is gone is in the audit.
        detail = {"older_than_seconds": span.total_seconds(), "deleted": deleted}
        entry = AuditEntry(new_id(), "purge", "history", actor(), engine.clock.now(), detail)
        await engine.backend.append_audit([entry])
