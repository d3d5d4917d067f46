"""``batches``: how far batches and chains have come; cancel or retry one as a whole."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from fastapi_taskflow.admin.api.bulk import BulkRetryInfo
from fastapi_taskflow.cli.output import Answer, give, plain, table
from fastapi_taskflow.cli.sources import AppOption, runtime_of
from fastapi_taskflow.cli.stores import JsonOption, actor, acts, looks
from fastapi_taskflow.operations.inspecting import Inspector, inspecting
from fastapi_taskflow.operations.retrying import BulkRetry
from fastapi_taskflow.words.batches import BatchStatus

__all__ = ["app"]

app = typer.Typer(help="Look at batches and chains, cancel and retry them.", no_args_is_help=True)

_NUMBERS = ("total", "pending", "running", "success", "failed", "cancelled")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The batch's id.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]


@app.command("list")
@looks
async def list_batches(inspector: Inspector, *, limit: LimitOption = 20) -> Answer:
    """List batches and chains, the newest first."""
    found, _ = await inspector.list_batches(limit=limit)
    return _answer(found)


@app.command("show")
@looks
async def show_batch(inspector: Inspector, batch_id: IdArgument) -> Answer:
    """Show how far a batch has come."""
    status = await inspector.get_batch(batch_id)
    return Answer(document=status.to_dict(), shown=_answer([status]).shown)


@app.command("cancel")
@acts
async def cancel_batch(inspector: Inspector, batch_id: IdArgument) -> Answer:
    """Cancel what has not started of a batch, and ask what runs to end."""
    status = await inspector.cancel_batch(batch_id, actor=actor())
    return Answer(document=status.to_dict(), shown=_answer([status]).shown)


@app.command("retry")
def retry_batch(
    batch_id: IdArgument, *, target: AppOption = None, json: JsonOption = False
) -> None:
    """Run what did not succeed of a batch once more, each task in its place.

    It needs the app, for its functions, which run in the app's processes and workers. Of a
    chain: from the first step that did not succeed. Exit code 1 if a task was refused.
    """

    async def retried() -> BulkRetry:
        runtime = runtime_of(target, "Retry over HTTP, where the path says which.")
        async with inspecting(runtime) as inspector:
            return await inspector.retry_batch(batch_id, actor=actor())

    done = asyncio.run(retried())
    lines = [f"{old}  retried as {new}" for old, new in done.retried]
    lines += [f"{one.task_id}  refused: {one.reason}" for one in done.refusals]
    give(
        Answer(
            document=BulkRetryInfo.of(done).model_dump(mode="json"),
            shown=[plain(line) for line in lines] or ["Nothing to retry."],
            failed=bool(done.skipped),
        ),
        as_json=json,
    )


def _answer(found: list[BatchStatus]) -> Answer:
    rows = [
        [
            plain(one.id),
            plain("chain" if one.chain else "batch"),
            plain(
                "done" if one.done else "open", "green" if one.success == one.total else "yellow"
            ),
            *(plain(str(getattr(one, name))) for name in _NUMBERS),
        ]
        for one in found
    ]
    titles = ["BATCH", "KIND", "STATE", *(name.upper() for name in _NUMBERS)]
    shown = table(titles, rows, right=" ".join(titles[3:])) if rows else "No batches."
    return Answer(document=[one.to_dict() for one in found], shown=[shown])
