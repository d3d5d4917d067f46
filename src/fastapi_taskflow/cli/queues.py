"""``queues``: their limits and numbers; pause, resume, set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from fastapi_taskflow.backends.base import Signals, Tally
from fastapi_taskflow.cli.output import plain, show, table, write_json
from fastapi_taskflow.cli.stores import (
    JsonOption,
    PrefixOption,
    StoreOption,
    acting,
    actor,
    backend_of,
)
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["app"]

app = typer.Typer(help="Look at queues, pause them, set their limits.", no_args_is_help=True)

_NUMBERS = ("pending", "running", "finished", "rejected")
_LIMITS = ("concurrency", "max_size")
_NO_LIMIT = "none"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The queue's name.")]


@app.command("list")
def list_queues(
    store: StoreOption, *, json: JsonOption = False, table_prefix: PrefixOption = "taskflow_"
) -> None:
    """List queues that have had a task or a setting, with limits set by operators."""
    queues = _look(store, table_prefix)
    if json:
        write_json(queues)
        return
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
    show(table(titles, rows, right=" ".join(titles[2:])))


@app.command("pause")
def pause_queue(
    name: NameArgument,
    store: StoreOption,
    *,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Start nothing more of a queue, on any instance, until it is resumed."""

    async def pause(operations: Operations) -> None:
        await operations.pause(name, actor=actor())

    _act(store, table_prefix, name, pause, as_json=json)


@app.command("resume")
def resume_queue(
    name: NameArgument,
    store: StoreOption,
    *,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Let a paused queue go on."""

    async def resume(operations: Operations) -> None:
        await operations.resume(name, actor=actor())

    _act(store, table_prefix, name, resume, as_json=json)


@app.command("set")
def set_queue(
    name: NameArgument,
    store: StoreOption,
    *,
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Tasks that one instance runs at a time."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Tasks that may wait unstarted in the store."),
    ] = None,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Set limits of a queue for every instance, now and after a restart."""
    given = {"concurrency": concurrency, "max_size": max_size}
    changes = {key: _number(key, text) for key, text in given.items() if text is not None}
    if not changes:
        raise typer.BadParameter("Give --concurrency or --max-size, or both.")

    async def change(operations: Operations) -> None:
        await operations.update_queue(name, changes, actor=actor())

    _act(store, table_prefix, name, change, as_json=json)


def _number(name: str, text: str) -> int | None:
    if text.lower() == _NO_LIMIT:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004
        option = "--" + name.replace("_", "-")
        raise typer.BadParameter(
            f"Expected a whole number or '{_NO_LIMIT}', got {text!r}.", param_hint=option
        )
    return int(text)


def _act(
    store: str,
    prefix: str,
    name: str,
    act: Callable[[Operations], Awaitable[None]],
    *,
    as_json: bool,
) -> None:
    async def run() -> None:
        async with acting(store, prefix) as operations:
            await act(operations)

    asyncio.run(run())
    (queue,) = (each for each in _look(store, prefix) if each["name"] == name)
    if as_json:
        write_json(queue)
        return
    state = "paused" if queue["paused"] else "open"
    limits = ", ".join(
        f"{limit.replace('_', '-')} {_limit(queue, limit)}"
        for limit in _LIMITS
        if limit in queue["set"]
    )
    show(plain(f"Queue {name} is {state}" + (f"; {limits}" if limits else "")))


def _look(store: str, prefix: str) -> list[dict[str, Any]]:
    with backend_of(store, prefix).look() as look:
        return _merged(look.tally(), look.signals())


def _merged(tallies: list[Tally], signals: Signals) -> list[dict[str, Any]]:
    """Every known queue, by name. ``set`` names the limits that operators have set."""
    names = {DEFAULT_QUEUE, *signals.queues, *(tally.queue for tally in tallies)}
    queues: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        settings = signals.queues.get(name, {})
        queues[name] = {
            "name": name,
            "paused": bool(settings.get("paused")),
            **{limit: settings.get(limit) for limit in _LIMITS},
            "set": [limit for limit in _LIMITS if limit in settings],
            **dict.fromkeys(_NUMBERS, 0),
        }
    for tally in tallies:
        match tally.status:
            case TaskStatus.PENDING | TaskStatus.RUNNING | TaskStatus.REJECTED:
                column = tally.status.value.lower()
            case _:
                column = "finished"
        queues[tally.queue][column] += tally.rows
    return list(queues.values())


def _limit(queue: dict[str, Any], name: str) -> str:
    if name not in queue["set"]:
        return "as in code"
    return _NO_LIMIT if queue[name] is None else str(queue[name])
