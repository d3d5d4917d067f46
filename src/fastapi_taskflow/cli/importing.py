"""``import``: what the older package left in a SQLite file, taken over."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.older import OlderFile
from fastapi_taskflow.cli.output import Answer, give, plain, table
from fastapi_taskflow.cli.sources import KeyFileOption, TargetOption, chosen_runtime
from fastapi_taskflow.cli.stores import JsonOption, OptionalStoreOption, PrefixOption, actor
from fastapi_taskflow.operations.importing import Imported, import_older, preview_older
from fastapi_taskflow.operations.inspecting import inspecting
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.counting import plural
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["import_store"]


def import_store(  # noqa: PLR0913  (options)
    context: typer.Context,
    *,
    store: OptionalStoreOption = None,
    older: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="SQLite file of the older package; left out: the store's own file.",
        ),
    ] = None,
    target: TargetOption = None,
    key_file: KeyFileOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken over; write nothing.")
    ] = False,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Take over what the older fastapi-taskflow left in a SQLite file.

    Ended tasks with their logs, idempotency keys, and waiting tasks whose arguments are JSON.
    Pickled arguments are never opened: such waiting tasks are listed, and left. Stop the older
    app first. Its tables stay as they are, and a second run changes nothing.

    Where the app encrypts, name it with --app, or give its keys in TASKFLOW_KEYS or with
    --key-file. Exit code 1 if a task was not taken over.
    """
    runtime = chosen_runtime(context, store, table_prefix, key_file, target)
    # What it would tell is told here.
    logging.getLogger("fastapi_taskflow.backends.sqlite.older").setLevel(logging.ERROR)
    with OlderFile(older or _file_of(runtime)) as file:
        file.counts()
        done = preview_older(runtime, file) if dry_run else asyncio.run(_import(runtime, file))
    shown = _shown(done, file.path, dry_run=dry_run)
    give(Answer(document=_document(done), shown=shown, failed=done.refused > 0), as_json=json)


def _file_of(runtime: Runtime) -> str:
    if not isinstance(runtime.backend, SqliteBackend):
        raise ConfigurationError("The app's store is no file. Name the older one with --from.")
    return runtime.backend.place


async def _import(runtime: Runtime, file: OlderFile) -> Imported:
    async with inspecting(runtime) as inspector:
        return await import_older(inspector.runtime, file, actor=actor())


def _document(done: Imported) -> dict[str, Any]:
    names = ("ended", "waiting", "held_keys", "known", "refused", "earlier")
    return {
        "found": done.found._asdict(),
        **{name: getattr(done, name) for name in names},
        "refusals": [one._asdict() for one in done.refusals],
    }


def _shown(done: Imported, path: str, *, dry_run: bool) -> list[RenderableType]:
    shown: list[RenderableType] = [plain(f"{path} holds {done.found}")]
    if done.earlier:
        return [*shown, plain("All of it was taken over before: nothing to do", "green")]
    taken = (
        f"{plural(done.ended, 'record')} of ended tasks, {plural(done.waiting, 'waiting task')}, "
        f"{plural(done.held_keys, 'idempotency key')}"
    )
    shown.append(plain(f"{'Would take' if dry_run else 'Taken'} over: {taken}", "green"))
    if done.known:
        shown.append(plain(f"There already: {plural(done.known, 'task')}"))
    if done.found.schedules:
        left = plural(done.found.schedules, "one-off schedule")
        shown.append(plain(f"Not taken over: {left}; schedule them anew", "yellow"))
    if done.refused:
        shown.append(plain(f"Not taken over: {plural(done.refused, 'task')}", "red"))
        rows = [[plain(cell) for cell in one] for one in done.refusals]
        shown.append(table(["ID", "FUNCTION", "REASON"], rows))
    return shown
