"""``queues``: their limits and numbers; pause, resume, set."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from fastapi_taskflow.cli.output import Answer, age, plain, table
from fastapi_taskflow.cli.stores import actor, acts, checked, looks
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.rates import rate

__all__ = ["app"]

app = typer.Typer(help="Look at queues, pause them, set their limits.", no_args_is_help=True)

_NUMBERS = ("pending", "running", "finished", "rejected")
_LIMITS = ("concurrency", "max_size")
# Over all instances; a queue without any does not name them.
_GLOBAL = ("global_concurrency", "rate_limit")
_NO_LIMIT = "none"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The queue's name.")]


def _changes(name: str, **given: str | None) -> dict[str, int | str | None]:  # noqa: ARG001
    said = {key: text for key, text in given.items() if text is not None}
    if not said:
        raise typer.BadParameter("Give --concurrency, --max-size or another limit.")
    return {
        key: _rate(text) if key == "rate_limit" else _number(key, text)
        for key, text in said.items()
    }


def _rate(text: str) -> str | None:
    if text.lower() == _NO_LIMIT:
        return None
    try:
        return rate("--rate-limit", text)
    except ConfigurationError as exc:
        raise typer.BadParameter(str(exc), param_hint="--rate-limit") from exc


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
    shown = [name for name in _GLOBAL if any(name in queue["set"] for queue in queues)]
    rows = [
        [
            plain(queue["name"]),
            plain(state := _state(queue), "green" if state == "open" else "yellow"),
            *(plain(queue[name]) for name in _NUMBERS),
            plain(_waited(queue)),
            *(plain(_limit(queue, name)) for name in (*_LIMITS, *shown)),
        ]
        for queue in queues
    ]
    names = [*_NUMBERS, "oldest", *_LIMITS, *shown]
    titles = ["QUEUE", "STATE", *(name.upper().replace("_", "-") for name in names)]
    return Answer(document=queues, shown=[table(titles, rows, right=" ".join(titles[2:]))])


@app.command("pause")
@acts
async def pause_queue(inspector: Inspector, name: NameArgument) -> Answer:
    """Start nothing more of a queue, on any instance, until it is resumed."""
    await inspector.pause(name, actor=actor())
    return await _changed(inspector, name)


@app.command("drain")
@acts
async def drain_queue(inspector: Inspector, name: NameArgument) -> Answer:
    """Take nothing new in a queue, on any instance, and work off what it has.

    The list says when it is drained.
    """
    await inspector.drain(name, actor=actor())
    return await _changed(inspector, name)


@app.command("resume")
@acts
async def resume_queue(inspector: Inspector, name: NameArgument) -> Answer:
    """Let a queue go on that is paused or drains."""
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
    global_concurrency: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Tasks that all instances hold or run at a time."),
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(metavar="N/s|none", help="Starts in all instances, such as 100/m."),
    ] = None,
) -> Answer:
    """Set limits of a queue for every instance, now and after a restart."""
    changes = _changes(
        name,
        concurrency=concurrency,
        max_size=max_size,
        global_concurrency=global_concurrency,
        rate_limit=rate_limit,
    )
    await inspector.update_queue(name, changes, actor=actor())
    return await _changed(inspector, name)


async def _changed(inspector: Inspector, name: str) -> Answer:
    (queue,) = (each for each in await _queues(inspector) if each["name"] == name)
    limits = ", ".join(
        f"{limit.replace('_', '-')} {_limit(queue, limit)}"
        for limit in (*_LIMITS, *_GLOBAL)
        if limit in queue["set"]
    )
    told = plain(f"Queue {name} is {_state(queue)}" + (f"; {limits}" if limits else ""))
    return Answer(document=queue, shown=[told])


async def _queues(inspector: Inspector) -> list[dict[str, Any]]:
    """Every known queue, by name. ``set`` names the limits that operators have set.

    Which executors its functions have is the app's to know.
    """
    stored = await inspector.queue_settings()
    found = []
    for queue in await inspector.queues():
        del queue["executors"]
        chosen = [limit for limit in (*_LIMITS, *_GLOBAL) if limit in stored.get(queue["name"], {})]
        found.append({**queue, "set": chosen})
    return found


def _waited(queue: dict[str, Any]) -> str:
    """How long the first of its tasks has been due that have not started."""
    since = queue["waiting_since"]
    return age(None if since is None else datetime.fromisoformat(since))


def _state(queue: dict[str, Any]) -> str:
    drain = "drained" if queue.get("drained") else "draining"
    found = ["paused"] * queue["paused"] + [drain] * queue.get("draining", False)
    return ", ".join(found) or "open"


def _limit(queue: dict[str, Any], name: str) -> str:
    if name not in queue["set"]:
        return "as in code"
    return _NO_LIMIT if queue.get(name) is None else str(queue[name])
