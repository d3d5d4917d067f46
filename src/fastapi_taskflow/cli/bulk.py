"""``bulk``: retry or cancel all tasks that match; an instance of the app does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import typer
from pydantic_core import PydanticCustomError
from rich.console import RenderableType

from fastapi_taskflow.admin.api.bulkactions import BulkDetail, BulkPreviewInfo
from fastapi_taskflow.admin.api.filters import parse_moment
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.cli.failures import GroupArgument
from fastapi_taskflow.cli.failures import app as failures
from fastapi_taskflow.cli.output import Answer, age, plain, table
from fastapi_taskflow.cli.stores import actor, acts, checked, looks
from fastapi_taskflow.cli.taskfilters import filters
from fastapi_taskflow.operations import BulkInfo
from fastapi_taskflow.operations.inspecting import Inspector

__all__ = ["app"]

app = typer.Typer(help="Retry or cancel all tasks that match.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The action's id.")]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATE", help="Only this state; may be repeated."),
]
FuncName = Annotated[str | None, typer.Option(help="Only this function.")]
Queue = Annotated[str | None, typer.Option(help="Only this queue.")]
Tag = Annotated[str | None, typer.Option(metavar="KEY:VALUE", help="Only this tag.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Made at or after: ISO 8601, or 6h ago.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Made before.")]
Failed = Annotated[str | None, typer.Option("--failure", help="Only of this group of failures.")]
Before = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only what was made, for a retry had ended too, before: as --dry-run says.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many, and do nothing.")]


def _chosen(*, status: list[str] | None = None, before: str | None = None, **given: Any) -> Query:
    _bound(before=before)
    given.pop("dry_run", None)
    return filters(status=[one.lower() for one in status or []], **given).query()


def _bound(*, before: str | None, **_: object) -> datetime | None:
    try:
        return None if before is None else parse_moment(before)
    except PydanticCustomError as exc:
        raise typer.BadParameter(exc.message(), param_hint="--before") from exc


@app.command("retry")
@checked(_chosen)
@acts
async def retry_all(  # noqa: PLR0913  (each filter is an option)
    inspector: Inspector,
    *,
    status: Statuses = None,
    func_name: FuncName = None,
    queue: Queue = None,
    tag: Tag = None,
    since: Since = None,
    until: Until = None,
    failure: Failed = None,
    before: Before = None,
    dry_run: DryRun = False,
) -> Answer:
    """Retry all tasks that failed or were interrupted and match, in a running instance."""
    query = _chosen(
        status=status,
        func_name=func_name,
        queue=queue,
        tag=tag,
        since=since,
        until=until,
        failure=failure,
    )
    return await _begun(inspector, "retry", query, before, dry_run=dry_run)


@app.command("cancel")
@checked(_chosen)
@acts
async def cancel_all(  # noqa: PLR0913  (each filter is an option)
    inspector: Inspector,
    *,
    status: Statuses = None,
    func_name: FuncName = None,
    queue: Queue = None,
    tag: Tag = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    dry_run: DryRun = False,
) -> Answer:
    """Cancel all tasks that wait or run and match, in a running instance."""
    query = _chosen(
        status=status, func_name=func_name, queue=queue, tag=tag, since=since, until=until
    )
    return await _begun(inspector, "cancel", query, before, dry_run=dry_run)


@failures.command("retry")
@checked(_bound)
@acts
async def retry_failure(
    inspector: Inspector, group: GroupArgument, *, before: Before = None, dry_run: DryRun = False
) -> Answer:
    """Retry all tasks that ended in one group's failure, in a running instance."""
    await inspector.failure(group)
    return await _begun(inspector, "retry", Query(failure=group), before, dry_run=dry_run)


async def _begun(
    inspector: Inspector,
    action: Literal["retry", "cancel"],
    query: Query,
    before: str | None,
    *,
    dry_run: bool,
) -> Answer:
    if dry_run:
        found = await inspector.preview_bulk(action, query)
        number = f"{found.count.number}{'+' if found.count.more else ''}"
        told = plain(
            f"{action} would be done to {number} tasks; nothing was done. To do it to no others: "
            f"--before {found.at.isoformat()}"
        )
        return Answer(document=BulkPreviewInfo.of(found).model_dump(mode="json"), shown=[told])
    info = await inspector.start_bulk(action, query, before=_bound(before=before), actor=actor())
    told = plain(f"Begun as {info.bulk_id}; see: fastapi-taskflow bulk show {info.bulk_id}")
    return Answer(document=_document(info), shown=[told])


@app.command("list")
@looks
async def list_bulk(
    inspector: Inspector,
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Actions to show.")] = 20,
) -> Answer:
    """List actions on many tasks, the newest first."""
    found = await inspector.list_bulk(limit=limit)
    shown: RenderableType = _table(found) if found else "No bulk actions."
    return Answer(document=[_document(one) for one in found], shown=[shown])


@app.command("show")
@looks
async def show_bulk(inspector: Inspector, bulk_id: IdArgument) -> Answer:
    """Show how far one is."""
    info = await inspector.get_bulk(bulk_id)
    reasons = [plain(f"{one.task_id}  {one.reason}") for one in info.refusals]
    return Answer(document=_document(info), shown=[_table([info]), *reasons])


@app.command("stop")
@acts
async def stop_bulk(inspector: Inspector, bulk_id: IdArgument) -> Answer:
    """Do it to no more tasks. What was done stays."""
    info = await inspector.cancel_bulk(bulk_id, actor=actor())
    return Answer(document=_document(info), shown=[_table([info])])


def _table(found: list[BulkInfo]) -> RenderableType:
    rows = [
        [
            plain(one.bulk_id),
            plain(one.action),
            plain(one.status, "yellow" if one.status == "running" else "green"),
            plain(one.found),
            plain(one.done),
            plain(one.refused),
            plain(age(one.created_at)),
            plain(one.actor),
            plain(_filter(one.filters)),
        ]
        for one in found
    ]
    titles = ["ID", "ACTION", "STATUS", "FOUND", "DONE", "REFUSED", "AGE", "BY", "TASKS"]
    return table(titles, rows, right="FOUND DONE REFUSED AGE")


def _filter(given: Mapping[str, Any]) -> str:
    texts = ((k, ",".join(v) if isinstance(v, list) else v) for k, v in given.items() if v)
    return " ".join(f"{name}={text}" for name, text in texts)


def _document(info: BulkInfo) -> dict[str, Any]:
    return BulkDetail.of(info).model_dump(mode="json")
