"""The store that a command is about, found without the app."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.operations.assembly import choose_backend
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import QueueConfig

__all__ = [
    "JsonOption",
    "OptionalStoreOption",
    "PrefixOption",
    "StoreOption",
    "acting",
    "actor",
    "backend_of",
    "opened",
]

_STORE = typer.Option(
    "--store",
    "-s",
    envvar="TASKFLOW_STORE",
    help="The task store: its file, or its address, such as sqlite:///tasks.db.",
    metavar="STORE",
)
StoreOption = Annotated[str, _STORE]
OptionalStoreOption = Annotated[str | None, _STORE]
PrefixOption = Annotated[
    str,
    typer.Option(
        "--table-prefix",
        envvar="TASKFLOW_TABLE_PREFIX",
        help="As the app's TaskManager has it.",
        metavar="TEXT",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


def backend_of(store: str, prefix: str) -> SqliteBackend:
    """The store's backend, not opened.

    Raises:
        BadParameter: an address of no known kind.
    """
    try:
        is_address = "://" in store
        backend = choose_backend(
            None if is_address else store, store if is_address else None, prefix
        )
    except ConfigurationError as exc:
        # An address may hold a password: it is not repeated.
        raise typer.BadParameter(
            "Expected the path of a file, or an address such as sqlite:///tasks.db (relative) or "
            "sqlite:////srv/tasks.db (absolute), and a plain table prefix.",
            param_hint="--store",
        ) from exc
    if not isinstance(backend, SqliteBackend):
        raise typer.BadParameter("Only SQLite stores can be looked at.", param_hint="--store")
    return backend


@asynccontextmanager
async def opened(
    store: str, prefix: str, keys: Sequence[str] | None = None
) -> AsyncIterator[TaskManager]:
    """A manager of a store that exists, as an instance that takes part in nothing.

    Args:
        keys: As ``encrypt_args_key``.

    Raises:
        StoreUnavailable, ConfigurationError: it is not there, or cannot be used.
    """
    backend = backend_of(store, prefix)
    with backend.look() as look:
        # Of queues that are set up in the app's code, those are known that have a past.
        names = {tally.queue for tally in look.tally()} | set(look.signals().queues)
    queues = {name: QueueConfig() for name in names}
    async with TaskManager(
        snapshot_backend=backend, queues=queues, roles=(), encrypt_args_key=keys
    ) as task_manager:
        yield task_manager


@asynccontextmanager
async def acting(store: str, prefix: str) -> AsyncIterator[Operations]:
    """Operations on a store that exists; raises as `opened`."""
    async with opened(store, prefix) as task_manager:
        yield task_manager.operations


def actor() -> str:
    """Who acts, for the audit: the user of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):  # a user without a name, in a container say
        return "cli"
