"""``pauses``: hold a function, an order key or a tag, such as one customer's."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from fastapi_taskflow.cli.output import Answer, plain, table
from fastapi_taskflow.cli.stores import actor, acts, looks
from fastapi_taskflow.operations.inspecting import Inspector

__all__ = ["app"]

app = typer.Typer(help="Pause a function, a key or a tag.", no_args_is_help=True)

FuncName = Annotated[str | None, typer.Option(help="A function, by its task name.")]
Key = Annotated[str | None, typer.Option(help="An order key, as tasks show it.")]
Tag = Annotated[str | None, typer.Option(metavar="NAME:VALUE", help="A tag.")]


@app.command("list")
@looks
async def list_pauses(inspector: Inspector) -> Answer:
    """List all that is paused, queues too."""
    return await _all(inspector)


@app.command("add")
@acts
async def add_pause(
    inspector: Inspector, *, func_name: FuncName = None, key: Key = None, tag: Tag = None
) -> Answer:
    """Start nothing more of it, on any instance, until it is removed."""
    await inspector.pause(func_name=func_name, key=key, tag=tag, actor=actor())
    return await _all(inspector)


@app.command("remove")
@acts
async def remove_pause(
    inspector: Inspector, *, func_name: FuncName = None, key: Key = None, tag: Tag = None
) -> Answer:
    """Let it go on."""
    await inspector.resume(func_name=func_name, key=key, tag=tag, actor=actor())
    return await _all(inspector)


async def _all(inspector: Inspector) -> Answer:
    found = await inspector.pauses()
    document: list[dict[str, Any]] = [one._asdict() for one in found]
    rows = [[plain(one.kind), plain(one.value)] for one in found]
    shown: list[RenderableType] = [
        table(["KIND", "PAUSED"], rows) if rows else "Nothing is paused."
    ]
    for name in await _unknown(inspector, [one.value for one in found if one.kind == "function"]):
        text = f"No instance has a function {name!r}, and no task of it is known."
        shown.append(plain(text, "yellow"))
    return Answer(document=document, shown=shown)


async def _unknown(inspector: Inspector, paused: list[str]) -> list[str]:
    """Of paused functions those that nobody knows."""
    if not paused:
        # To say which there are takes the numbers of all tasks.
        return []
    known = {each.name for each in await inspector.functions()}
    return [name for name in paused if name not in known]
