"""A store with its keys: given to the command, or those of an app.

Keys never come in the arguments of a command, which every user of the machine can read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.cli.stores import backend_of
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["AppOption", "KeyFileOption", "TargetOption", "chosen_runtime", "runtime_of"]

_KEYS = "TASKFLOW_KEYS"

TargetOption = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:APP", help="Take store and keys from this app."),
]
AppOption = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="MODULE:APP",
        help="The app with the functions; without it, the one that `fastapi` would find.",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the keys, one to a line, the newest first."),
]


def runtime_of(target: str | None, mend: str) -> Runtime:
    """An app's only runtime with a store.

    Args:
        mend: What to do where an app has several.

    Raises:
        ConfigurationError: no app, or none with one lasting store.
    """
    name, app = load_app(target)
    found = managers_of(app, name)
    if len(found) > 1:
        raise ConfigurationError(f"{name} has {len(found)} TaskManagers with a store. {mend}")
    return found[0].runtime


def chosen_runtime(
    context: typer.Context,
    store: str | None,
    prefix: str,
    key_file: Path | None,
    target: str | None,
) -> Runtime:
    """The runtime of an app, or of a store with the keys that are given for it, if any.

    Raises:
        BadParameter: an app is given and a store or keys beside it, or neither app nor store;
            a key that cannot be one. Says nothing of its text.
        ConfigurationError: see `runtime_of`.
    """
    if target is None:
        if not store:
            raise typer.BadParameter("Give it, or TASKFLOW_STORE, or --app.", param_hint="--store")
        keys = _given_keys(key_file) or None
        backend = backend_of(store, prefix)
        return TaskManager(snapshot_backend=backend, roles=(), encrypt_args_key=keys).runtime
    # In the environment they may be there for the app itself.
    source = context.get_parameter_source("store")
    if key_file is not None or (source is not None and source.name == "COMMANDLINE"):
        raise typer.BadParameter(
            "The app has a store and keys of its own: leave out --store and --key-file.",
            param_hint="--app",
        )
    return runtime_of(
        target, f"Name one store with --store, and its keys with {_KEYS} or --key-file."
    )


def _given_keys(path: Path | None) -> list[str]:
    """The keys of a file, or else of the environment, known to be usable; there may be none."""
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
