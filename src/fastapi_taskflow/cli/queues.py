"""``queues``: their limits and numbers; pause, resume, set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fastapi_taskflow.cli.output import Answer, plain, table
from fastapi_taskflow.cli.stores import actor, acts, checked, looks
from fastapi_taskflow.operations.inspecting import Inspector

__all__ = ["app"]

app = typer.Typer(help="Look at queues, pause them, set their limits.", no_args_is_help=True)

_NUMBERS = ("pending", "running", "finished", "rejected")
_LIMITS = ("concurrency", "max_size")
_NO_LIMIT = "none"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The queue's name.")]


def _changes(name: str, **given: str | None) -> dict[str, int | None]:  # noqa: ARG001
    changes = {key: _number(key, text) for key, text in given.items() if text is not None}
    if not changes:
        raise typer.BadParameter("Give --concurrency or --max-size, or both.")
    return changes


def _number(name: str, text: str) -> int | None:
    if text.lower() == _NO_LIMIT:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004
        option = "--" + name.replace("_", "-")
        raise typer.BadParameter(
            f"Expected a whole number or '{_NO_LIMIT}', got {text!r}.", param_hint=option
        )
    return int(text)


@app.command("list")
@looks
async def list_queues(inspector: Inspector) -> Answer:
    """List queues that have had a task or a setting, with limits set by operators."""
    queues = await _queues(inspector)
    rows = [
        [
            plain(queue["name"]),
            plain("paused", "yellow") if queue["paused"] else plain("open", "green"),
            *(plain(queue[name]) for name in _NUMBERS),
            *(plain(_limit(queue, name)) for name in _LIMITS),
        ]
        for queue in queues
    ]
    titles = ["QUEUE", "STATE", *(name.upper() for name in _NUMBERS), "CONCURRENCY", "MAX-SIZE"]
    return Answer(document=queues, shown=[table(titles, rows, right=" ".join(titles[2:]))])


@app.command("pause")
@acts
async def pause_queue(inspector: Inspector, name: NameArgument) -> Answer:
    """Start nothing more of a queue, on any instance, until it is resumed."""
    await inspector.pause(name, actor=actor())
    return await _changed(inspector, name)


@app.command("resume")
@acts
async def resume_queue(inspector: Inspector, name: NameArgument) -> Answer:
    """Let a paused queue go on."""
    await inspector.resume(name, actor=actor())
    return await _changed(inspector, name)


@app.command("set")
@checked(_changes)
@acts
async def set_queue(
    inspector: Inspector,
    name: NameArgument,
    *,
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Tasks that one instance runs at a time."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Tasks that may wait unstarted in the store."),
    ] = None,
) -> Answer:
    """Set limits of a queue for every instance, now and after a restart."""
    changes = _changes(name, concurrency=concurrency, max_size=max_size)
    await inspector.update_queue(name, changes, actor=actor())
    return await _changed(inspector, name)


async def _changed(inspector: Inspector, name: str) -> Answer:
    (queue,) = (each for each in await _queues(inspector) if each["name"] == name)
    state = "paused" if queue["paused"] else "open"
    limits = ", ".join(
        f"{limit.replace('_', '-')} {_limit(queue, limit)}"
        for limit in _LIMITS
        if limit in queue["set"]
    )
    told = plain(f"Queue {name} is {state}" + (f"; {limits}" if limits else ""))
    return Answer(document=queue, shown=[told])


async def _queues(inspector: Inspector) -> list[dict[str, Any]]:
    """Every known queue, by name. ``set`` names the limits that operators have set."""
    stored = await inspector.queue_settings()
    return [
        {**queue, "set": [limit for limit in _LIMITS if limit in stored.get(queue["name"], {})]}
        for queue in await inspector.queues()
    ]


def _limit(queue: dict[str, Any], name: str) -> str:
    if name not in queue["set"]:
        return "as in code"
    return _NO_LIMIT if queue[name] is None else str(queue[name])
