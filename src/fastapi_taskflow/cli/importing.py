"""``import``: what the older package left in a SQLite file, taken over."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import typer

from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.older import OlderFile
from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.cli.output import plain, plural, show, table, write_json
from fastapi_taskflow.cli.sources import (
    KeyFileOption,
    TargetOption,
    check_source,
    given_keys,
    of_app,
)
from fastapi_taskflow.cli.stores import (
    JsonOption,
    OptionalStoreOption,
    PrefixOption,
    actor,
    backend_of,
)
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations.importing import Imported, import_older, preview_older
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
    check_source(context, target, key_file)
    # What it would tell is told here.
    logging.getLogger("fastapi_taskflow.backends.sqlite.older").setLevel(logging.ERROR)
    if target is None:
        manager = TaskManager(
            snapshot_backend=backend_of(store or "", table_prefix),
            roles=(),
            encrypt_args_key=given_keys(key_file) or None,
        )
        running: AbstractAsyncContextManager[TaskManager] = manager
    else:
        manager = _manager_of(target)
        running = of_app(target)
    with OlderFile(older or _file_of(manager)) as file:
        file.counts()
        if dry_run:
            done = preview_older(manager.runtime, file)
        else:
            done = asyncio.run(_import(running, file))
    if json:
        write_json(_as_json(done))
    else:
        _report(done, file.path, dry_run=dry_run)
    if done.refused:
        raise typer.Exit(1)


def _manager_of(target: str) -> TaskManager:
    name, app = load_app(target)
    return managers_of(app, name)[0]


def _file_of(manager: TaskManager) -> str:
    backend = manager.runtime.backend
    if not isinstance(backend, SqliteBackend):
        raise ConfigurationError("The app's store is no file. Name the older one with --from.")
    return backend.look().path


async def _import(running: AbstractAsyncContextManager[TaskManager], file: OlderFile) -> Imported:
    async with running as task_manager:
        return await import_older(task_manager.runtime, file, actor=actor())


def _as_json(done: Imported) -> dict[str, Any]:
    names = ("ended", "waiting", "held_keys", "known", "refused", "earlier")
    return {
        "found": done.found._asdict(),
        **{name: getattr(done, name) for name in names},
        "refusals": [one._asdict() for one in done.refusals],
    }


def _report(done: Imported, path: str, *, dry_run: bool) -> None:
    show(plain(f"{path} holds {done.found}"))
    if done.earlier:
        show(plain("All of it was taken over before: nothing to do", "green"))
        return
    taken = (
        f"{plural(done.ended, 'record')} of ended tasks, {plural(done.waiting, 'waiting task')}, "
        f"{plural(done.held_keys, 'idempotency key')}"
    )
    show(plain(f"{'Would take' if dry_run else 'Taken'} over: {taken}", "green"))
    if done.known:
        show(plain(f"There already: {plural(done.known, 'task')}"))
    if done.found.schedules:
        left = plural(done.found.schedules, "one-off schedule")
        show(plain(f"Not taken over: {left}; schedule them anew", "yellow"))
    if done.refused:
        show(plain(f"Not taken over: {plural(done.refused, 'task')}", "red"))
        rows = [[plain(cell) for cell in one] for one in done.refusals]
        show(table(["ID", "FUNCTION", "REASON"], rows))
