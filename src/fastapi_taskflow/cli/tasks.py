"""``tasks``: list, show and logs; see `taskacts` for cancel and retry, `purging` for purge."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fastapi_taskflow.admin.api.filters import TaskFilters
from fastapi_taskflow.admin.api.logs import LogEntryInfo
from fastapi_taskflow.admin.api.schemas import LogLevel, TaskDetail, TaskInfo
from fastapi_taskflow.cli import taskacts
from fastapi_taskflow.cli.output import Answer
from fastapi_taskflow.cli.purging import purge
from fastapi_taskflow.cli.stores import checked, looks
from fastapi_taskflow.cli.taskfilters import filters
from fastapi_taskflow.cli.taskviews import log_view, page_view, task_view, written_arguments
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.operations.reading import existing
from fastapi_taskflow.words.errors import (
    PayloadUnreadable,
    SealUnopened,
    TaskArgumentError,
)

__all__ = ["app"]

app = typer.Typer(help="Look at tasks, cancel, retry and purge them.", no_args_is_help=True)


def _chosen(*, status: list[str] | None, **given: Any) -> TaskFilters:
    return filters(status=[each.lower() for each in status or []], **given)


@app.command("list")
@checked(_chosen)
@looks
async def list_tasks(  # noqa: PLR0913  (each filter is an option)
    inspector: Inspector,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Only this state, failed say; may be repeated."),
    ] = None,
    func_name: Annotated[str | None, typer.Option(help="Only this function.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="KEY:VALUE", help="Only this tag.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Only this order key, as tasks show tells it.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only this batch or chain.")] = None,
    q: Annotated[
        str | None,
        typer.Option(
            "--search",
            "-q",
            help="Start of the id or function name, a tag's value, or part of a recent error.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only of this origin: manual or scheduled.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Made at or after: ISO 8601, or 15m, 6h, 7d ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Made before.")] = None,
    limit: Annotated[int, typer.Option(help="Tasks to show, 1 to 1000.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on after an earlier page.")] = None,
) -> Answer:
    """List tasks, newest first.

    Filters narrow the list together; those of `GET /tasks` have the same names. A page ends
    with the cursor of the next one.
    """
    chosen = _chosen(
        status=status,
        func_name=func_name,
        queue=queue,
        tag=tag,
        key=key,
        batch=batch,
        q=q,
        source=source,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    query = chosen.query()
    try:
        records, next_cursor = await inspector.search(
            query, limit=chosen.limit, cursor=chosen.cursor
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--cursor") from exc
    count = await inspector.count(query)
    document = {
        "tasks": [TaskInfo.brief(record).model_dump(mode="json") for record in records],
        "total": count.number,
        "total_is_capped": count.more,
        "next_cursor": next_cursor,
    }
    return Answer(document=document, shown=page_view(records, count, next_cursor))


@app.command("show")
@looks
async def show_task(
    inspector: Inspector,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task's id.")],
    *,
    args: Annotated[
        bool, typer.Option("--args", help="Show its arguments, as far as they can be read.")
    ] = False,
) -> Answer:
    """Show one task with its attempts, log and traceback.

    Exit code 1 if there is no such task.
    """
    found = existing(await inspector.inspect(task_id, arguments=False), task_id)
    arguments: str | None = None
    if args:
        record = found.record
        try:
            record.args, record.kwargs = await inspector.arguments(record.task_id)
        except (SealUnopened, PayloadUnreadable):
            arguments = "not readable without the app"
        except TaskArgumentError:
            arguments = "not stored"
    shown = TaskDetail.inspected(found, show_arguments=args and arguments is None)
    if args and arguments is None:
        arguments = written_arguments(shown)
    return Answer(document=shown.model_dump(mode="json"), shown=task_view(found, arguments))


@app.command("logs")
@looks
async def show_log(
    inspector: Inspector,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task's id.")],
    *,
    level: Annotated[
        LogLevel, typer.Option(help="Leave out what is less grave.", case_sensitive=False)
    ] = "debug",
) -> Answer:
    """Show what one task has said, each line with its level.

    Exit code 1 if there is no such task.
    """
    found = existing(await inspector.log(task_id, min_level=level), task_id)
    document = [LogEntryInfo.of(entry).model_dump(mode="json") for entry in found]
    return Answer(document=document, shown=log_view(found))


app.command("cancel")(taskacts.cancel)
app.command("retry")(taskacts.retry)
app.command("purge")(purge)
