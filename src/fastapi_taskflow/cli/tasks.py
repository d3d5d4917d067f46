"""``tasks``: list, show, cancel, retry; see `purging` for purge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from fastapi_taskflow.admin.api.filters import TaskFilters
from fastapi_taskflow.admin.api.schemas import TaskDetail, TaskInfo
from fastapi_taskflow.cli import listing, retrying
from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.output import plain, plural, show, write_json
from fastapi_taskflow.cli.purging import purge
from fastapi_taskflow.cli.stores import (
    JsonOption,
    PrefixOption,
    StoreOption,
    acting,
    actor,
    backend_of,
)
from fastapi_taskflow.words.errors import TaskflowError, TaskNotFound
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["app"]

app = typer.Typer(help="Look at tasks, cancel, retry and purge them.", no_args_is_help=True)
app.command("purge")(purge)

_COUNT_LIMIT = 10_000

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of tasks, one or more.")]


@app.command("list")
def list_tasks(  # noqa: PLR0913  (each filter is an option)
    store: StoreOption,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Only this state, failed say; may be repeated."),
    ] = None,
    func_name: Annotated[str | None, typer.Option(help="Only this function.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="KEY:VALUE", help="Only this tag.")] = None,
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
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """List tasks, newest first.

    Filters narrow the list together; those of `GET /tasks` have the same names. A page ends
    with the cursor of the next one.
    """
    filters = _filters(
        status=[each.lower() for each in status or []],
        func_name=func_name,
        queue=queue,
        tag=tag,
        q=q,
        source=source,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    query = filters.query()
    with backend_of(store, table_prefix).look() as look:
        try:
            page = look.search(query, limit=filters.limit, cursor=filters.cursor)
        except ValueError as exc:
            raise typer.BadParameter(str(exc), param_hint="--cursor") from exc
        found = look.count(query, cap=_COUNT_LIMIT + 1)
    listed = listing.Listed(page, min(found, _COUNT_LIMIT), found > _COUNT_LIMIT)
    if json:
        write_json(listed.as_json())
    else:
        listing.show_page(listed)


@app.command("show")
def show_task(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task's id.")],
    store: StoreOption,
    *,
    args: Annotated[
        bool, typer.Option("--args", help="Show its arguments, as far as they can be read.")
    ] = False,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Show one task with its attempts, log and traceback.

    Exit code 1 if there is no such task.
    """
    with backend_of(store, table_prefix).look() as look:
        found = listing.inspect(look, task_id)
    if found is None:
        raise TaskNotFound(f"Task {task_id} not found")
    readable = args and listing.read_arguments(found)
    if json:
        detail = TaskDetail.inspected(found.inspection, show_arguments=readable)
        write_json(detail.model_dump(mode="json"))
    else:
        listing.show_task(found, show_arguments=args)


@app.command("cancel")
def cancel_tasks(
    task_ids: IdsArgument,
    store: StoreOption,
    *,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Cancel tasks; one that runs is asked to stop.

    A task that is refused stops no other; exit code 1 if there was one.
    """

    async def cancel() -> list[dict[str, Any]]:
        async with acting(store, table_prefix) as operations:

            async def one(task_id: str) -> dict[str, Any]:
                record, asked = await operations.cancel(task_id, actor=actor())
                return {
                    "result": "asked" if asked else "cancelled",
                    "task": _info(TaskInfo.of(record)),
                }

            return await _each(task_ids, one)

    _report(asyncio.run(cancel()), as_json=json)


@app.command("retry")
def retry_tasks(
    task_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Ids of tasks, one or more.", show_default=False),
    ] = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="Retry all that failed, instead of tasks by id.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --failed: made at or after, as in tasks list."),
    ] = None,
    func_name: Annotated[
        str | None, typer.Option(help="With --failed: only this function.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:APP",
            help="The app with the functions; without it, the one that `fastapi` would find.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run tasks that ended without success once more, as new tasks.

    It needs the app, for its functions, which run in the app's processes and workers. A task
    that is refused stops no other; exit code 1 if there was one.

    With --failed every task that failed and was not retried yet, the newest first, narrowed
    by --since and --func-name. Cut off, it is begun again: what was retried is left out.
    """
    narrowed = since is not None or func_name is not None
    if failed == bool(task_ids) or (narrowed and not failed):
        raise typer.BadParameter(
            "Give ids of tasks, or --failed, which --since and --func-name go with.",
            param_hint="ID",
        )
    query = _filters(status=[TaskStatus.FAILED], since=since, func_name=func_name).query()

    async def retry() -> list[dict[str, Any]]:
        async with retrying.retrying(target) as retrier:

            async def one(task_id: str) -> dict[str, Any]:
                record = await retrier.retry(task_id, actor())
                return {
                    "result": "retried",
                    "new_task_id": record.task_id,
                    "task": _info(TaskInfo.of(record)),
                }

            return await _each(task_ids or await retrier.failed(query), one)

    _report(asyncio.run(retry()), as_json=json)


def _filters(**given: Any) -> TaskFilters:
    try:
        return TaskFilters(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        fault = exc.errors()[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        option = {"q": "--search"}.get(name, "--" + name.replace("_", "-"))
        message = fault["msg"]
        if name == "status":
            message = "Expected one of " + ", ".join(each.value for each in TaskStatus)
        raise typer.BadParameter(message, param_hint=option) from exc


def _info(info: TaskInfo) -> dict[str, Any]:
    return info.model_dump(mode="json")


async def _each(
    task_ids: Sequence[str], act: Callable[[str], Awaitable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """What became of each task; one that is refused stops no other."""
    results: list[dict[str, Any]] = []
    with bar("Tasks", len(task_ids)) as advance:
        for task_id in task_ids:
            try:
                results.append({"task_id": task_id, **await act(task_id)})
            except TaskflowError as exc:
                results.append({"task_id": task_id, "result": "refused", "error": str(exc)})
            advance(f"{len(results)} of {plural(len(task_ids), 'task')}", len(results))
    return results


_MEANINGS = {"asked": "runs, and was asked to stop", "cancelled": "cancelled"}


def _report(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        write_json(results)
    else:
        if not results:
            show("No tasks.")
        for each in results:
            if "error" in each:
                show(Text.assemble(("refused  ", "red"), plain(each["error"])))
                continue
            meaning = _MEANINGS.get(each["result"]) or f"retried as {each['new_task_id']}"
            show(Text.assemble(plain(each["task_id"]), "  ", (meaning, "green")))
    if any("error" in each for each in results):
        raise typer.Exit(1)
