"""A store with its keys: given to the command, or those of an app.

Keys never come in the arguments of a command, which every user of the machine can read.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["KeyFileOption", "TargetOption", "check_source", "given_keys", "of_app"]

_KEYS = "TASKFLOW_KEYS"

TargetOption = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:APP", help="Take store and keys from this app."),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the keys, one to a line, the newest first."),
]


def check_source(context: typer.Context, target: str | None, key_file: Path | None) -> None:
    """Refuse two sources, and none.

    Raises:
        BadParameter: an app is given and a store or keys beside it, or neither app nor store.
    """
    if target is None:
        if not context.params.get("store"):
            raise typer.BadParameter("Give it, or TASKFLOW_STORE, or --app.", param_hint="--store")
        return
    # In the environment they may be there for the app itself.
    source = context.get_parameter_source("store")
    if key_file is not None or (source is not None and source.name == "COMMANDLINE"):
        raise typer.BadParameter(
            "The app has a store and keys of its own: leave out --store and --key-file.",
            param_hint="--app",
        )


def given_keys(path: Path | None) -> list[str]:
    """The keys of a file, or else of the environment, known to be usable; there may be none.

    Raises:
        BadParameter: one that cannot be a key. Says nothing of its text.
    """
    if path is not None:
        hint = "--key-file"
        try:
            given = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            raise typer.BadParameter(f"Cannot read {str(path)!r}: {why}.", param_hint=hint) from exc
    else:
        hint, given = _KEYS, os.environ.get(_KEYS, "").split(",")
    keys = [key.strip() for key in given if key.strip()]
    if not keys:
        if path is None:
            return []
        raise typer.BadParameter(f"There is no key in {str(path)!r}.", param_hint=hint)
    try:
        Keyring(keys)
    except ConfigurationError as exc:
        raise typer.BadParameter(str(exc), param_hint=hint) from exc
    except ImportError as exc:
        raise ConfigurationError(str(exc)) from exc
    return keys


@asynccontextmanager
async def of_app(target: str) -> AsyncIterator[TaskManager]:
    """An app's only manager with a store, as an instance that takes part in nothing."""
    name, app = load_app(target)
    found = managers_of(app, name)
    if len(found) > 1:
        raise ConfigurationError(
            f"{name} has {len(found)} TaskManagers with a store. Name one store with --store, "
            f"and its keys with {_KEYS} or --key-file."
        )
    (task_manager,) = found
    runtime = task_manager.runtime
    # This process ends at once: it takes part in nothing.
    runtime.settings = replace(runtime.settings, roles=frozenset())
    async with task_manager:
        yield task_manager
