"""``tasks purge``: deleting old records, all of them however many there are."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer

from fastapi_taskflow.admin.api.bulkactions import PreviewInfo
from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.output import Answer, plain
from fastapi_taskflow.cli.stores import actor, acts, checked
from fastapi_taskflow.operations import Count
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.counting import plural

__all__ = ["purge"]

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# As over HTTP: far inside the calendar.
_LONGEST = timedelta(days=36_525)

# Counting goes on for so long; with more than that the bar does not say how much is left.
_COUNT_LIMIT = 1_000_000


def _checked_span(older_than: str, *, yes: bool, dry_run: bool) -> timedelta:
    span = _span(older_than)
    if not yes and not dry_run and not sys.stdin.isatty():
        raise typer.BadParameter(
            "Nobody is there to be asked: give it to delete without a question.",
            param_hint="--yes",
        )
    return span


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


@checked(_checked_span)
@acts
async def purge(
    inspector: Inspector,
    *,
    older_than: Annotated[
        str,
        typer.Option(metavar="SPAN", help="Ended so long ago or longer: 90s, 15m, 6h, 30d or 2w."),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many, and delete nothing.")
    ] = False,
) -> Answer:
    """Delete the records of tasks that ended long ago, with their logs.

    Waiting and running tasks stay, as do totals, unexpired idempotency keys and the audit.
    """
    span = _checked_span(older_than, yes=yes, dry_run=dry_run)
    before = SYSTEM_CLOCK.now() - span
    most = await inspector.preview_purge(span, cap=_COUNT_LIMIT)
    if dry_run:
        at_least = "At least " if most.more else ""
        told = plain(f"{at_least}{plural(most.number, 'task')} ended before {_told(before)}")
        return Answer(document=PreviewInfo.of(most).model_dump(mode="json"), shown=[told])
    if not yes and not _agreed(before, most):
        typer.echo("Nothing was deleted.", err=True)
        raise typer.Exit(1)
    with bar("Deleting", None if most.more else most.number) as advance:

        def progress(deleted: int) -> None:
            advance(f"{plural(deleted, 'task')} deleted", deleted)

        deleted = await inspector.purge_all(span, before, progress=progress, actor=actor())
    told = plain(f"Deleted {plural(deleted, 'task')} that ended before {_told(before)}")
    return Answer(document={"deleted": deleted, "before": before.isoformat()}, shown=[told])


def _agreed(before: datetime, most: Count) -> bool:
    number = f"{'more than ' if most.more else ''}{most.number}"
    return typer.confirm(
        f"Delete all tasks that ended before {_told(before)} ({number})?", err=True
    )


def _told(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
