"""``schedules``: when they run, and what became of it; pause, resume, run now, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from fastapi_taskflow.cli.output import Answer, plain, table
from fastapi_taskflow.cli.stores import actor, acts, looks
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.words.schedules import ScheduleInfo, SlotInfo

__all__ = ["app"]

app = typer.Typer(help="Look at schedules, pause them, run them now.", no_args_is_help=True)

_PAGE = 200
_GOOD = frozenset({"success", "pending", "running"})

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]


@app.command("list")
@looks
async def list_schedules(inspector: Inspector) -> Answer:
    """List schedules with their next run and what became of their last slot."""
    found, cursor = await inspector.list_schedules(limit=_PAGE)
    while cursor is not None:
        more, cursor = await inspector.list_schedules(limit=_PAGE, cursor=cursor)
        found += more
    rows = [
        [
            plain(one.name),
            _state(one),
            plain(one.func_name),
            plain(one.description),
            plain(f"{one.next_runs[0]:%Y-%m-%d %H:%M:%S}Z" if one.next_runs else "none"),
            _last(one.last_slots),
        ]
        for one in found
    ]
    titles = ["SCHEDULE", "STATE", "FUNCTION", "WHEN", "NEXT", "LAST"]
    shown = table(titles, rows) if rows else "No schedules."
    return Answer(document=[_document(one) for one in found], shown=[shown])


@app.command("pause")
@acts
async def pause_schedule(inspector: Inspector, name: NameArgument) -> Answer:
    """Run nothing more of a schedule, on any instance, until it is resumed."""
    await inspector.pause_schedule(name, actor=actor())
    return await _changed(inspector, name, "is paused")


@app.command("resume")
@acts
async def resume_schedule(inspector: Inspector, name: NameArgument) -> Answer:
    """Let a paused schedule go on with its next slot."""
    await inspector.resume_schedule(name, actor=actor())
    return await _changed(inspector, name, "goes on")


@app.command("run")
@acts
async def run_schedule(inspector: Inspector, name: NameArgument) -> Answer:
    """Run a schedule once, now; an instance that has its function does it."""
    task_id = await inspector.run_schedule(name, actor=actor())
    told = plain(f"Schedule {name} runs as task {task_id}")
    return Answer(document={"name": name, "task_id": task_id}, shown=[told])


@app.command("delete")
@acts
async def delete_schedule(inspector: Inspector, name: NameArgument) -> Answer:
    """Delete a schedule that was made while the app ran, or that left the code."""
    await inspector.delete_schedule(name, actor=actor())
    return Answer(document={"name": name}, shown=[plain(f"Schedule {name} is deleted")])


async def _changed(inspector: Inspector, name: str, what: str) -> Answer:
    document = _document(await inspector.get_schedule(name))
    return Answer(document=document, shown=[plain(f"Schedule {name} {what}")])


def _state(one: ScheduleInfo) -> Text:
    if one.retired:
        return plain("retired", "yellow")
    return plain("paused", "yellow") if one.paused else plain("open", "green")


def _last(slots: tuple[SlotInfo, ...]) -> Text:
    if not slots:
        return plain("none")
    what = slots[0].status or slots[0].kind
    return plain(what, "green" if what in _GOOD else "yellow")


def _document(one: ScheduleInfo) -> dict[str, Any]:
    return {
        "name": one.name,
        "func_name": one.func_name,
        "every": one.every,
        "cron": one.cron,
        "timezone": one.timezone,
        "description": one.description,
        "misfire": one.misfire,
        "overlap": one.overlap,
        "origin": one.origin,
        "paused": one.paused,
        "retired": one.retired,
        "next_runs": [run.isoformat() for run in one.next_runs],
        "last_slots": [
            {
                "at": slot.at.isoformat(),
                "kind": slot.kind,
                "task_id": slot.task_id,
                "status": slot.status,
            }
            for slot in one.last_slots
        ],
    }
