"""``failures``: those that are alike, as one."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import RenderableType
from rich.text import Text

from fastapi_taskflow.admin.api.failures import FailureDetail
from fastapi_taskflow.admin.api.filters import FailureFilters
from fastapi_taskflow.cli.output import Answer, age, facts, plain, table
from fastapi_taskflow.cli.stores import looks
from fastapi_taskflow.operations import FailureInfo
from fastapi_taskflow.operations.inspecting import Inspector

__all__ = ["GroupArgument", "app"]

app = typer.Typer(help="Look at failures by group.", no_args_is_help=True)

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="As the list shows it.")]

_BARS = " ▁▂▃▄▅▆▇█"


@app.command("list")
@looks
async def list_failures(
    inspector: Inspector,
    *,
    func_name: Annotated[str | None, typer.Option(help="Only of this function.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="That have failed at or after: ISO 8601, or 6h ago."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Groups to show, 1 to 200.")] = 20,
) -> Answer:
    """List failures by function, exception and place, those that failed last first."""
    wanted = _filters(func_name, since, limit)
    found = await inspector.failures(
        since=wanted.since, func_name=wanted.func_name, limit=wanted.limit
    )
    rows = [
        [
            plain(one.group),
            plain(one.func_name),
            plain(one.kind, "red"),
            plain(one.count),
            plain(_trend(one)),
            plain(age(one.last_at)),
            plain(one.error or "", "dim"),
        ]
        for one in found
    ]
    titles = ["GROUP", "FUNCTION", "EXCEPTION", "COUNT", "LAST 24 H", "LAST", "EXAMPLE"]
    shown: RenderableType = table(titles, rows, right="COUNT LAST") if rows else "No failures."
    return Answer(
        document=[FailureDetail.of(one).model_dump(mode="json") for one in found], shown=[shown]
    )


@app.command("show")
@looks
async def show_failure(inspector: Inspector, group: GroupArgument) -> Answer:
    """Show one group, and how many of its tasks could be retried."""
    found = await inspector.failure(group)
    document = FailureDetail.of(found)
    example = found.example
    told: list[tuple[str, Text | str]] = [
        ("Group", found.group),
        ("Function", plain(found.func_name)),
        ("Exception", plain(found.kind, "red")),
        ("Count", f"{found.count}, {found.recent} of them within 24 h"),
        ("Last 24 h", _trend(found)),
        ("First", found.first_at.isoformat(timespec="seconds")),
        ("Last", found.last_at.isoformat(timespec="seconds")),
        ("To retry", document.to_retry or "0"),
        ("Example", "deleted" if example is None else example.task_id),
        ("Its error", plain(found.error or "")),
    ]
    return Answer(document=document.model_dump(mode="json"), shown=[facts(told)])


def _filters(func_name: str | None, since: str | None, limit: int) -> FailureFilters:
    given = {"func_name": func_name, "since": since, "limit": limit}
    try:
        return FailureFilters.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as exc:
        fault = exc.errors()[0]
        option = f"--{fault['loc'][0]}".replace("_", "-")
        raise typer.BadParameter(fault["msg"], param_hint=option) from exc


def _trend(info: FailureInfo) -> str:
    most = max((number for _, number in info.trend), default=0)
    if not most:
        return "none"
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-number * steps // most)] for _, number in info.trend)
