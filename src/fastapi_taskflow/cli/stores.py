"""The store that a command is about, found without the app, and who acts on it."""

from __future__ import annotations

import asyncio
import getpass
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.cli.output import Answer, give
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations.assembly import choose_backend
from fastapi_taskflow.operations.inspecting import Inspector, inspecting
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = [
    "JsonOption",
    "OptionalStoreOption",
    "PrefixOption",
    "StoreOption",
    "actor",
    "acts",
    "backend_of",
    "checked",
    "looks",
    "opened",
]

P = ParamSpec("P")

_STORE = typer.Option(
    "--store",
    "-s",
    envvar="TASKFLOW_STORE",
    help="The task store: its file, or its address, such as sqlite:///tasks.db "
    "or postgresql://user@host/database.",
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
_PREFIX = "taskflow_"
# Options of every command on a store.
_EVERYWHERE = ("store", "json", "table_prefix")
_DAMAGE = logging.getLogger("fastapi_taskflow.engine.core.damage")


def backend_of(store: str, prefix: str) -> Backend:
    """The store's backend, not opened.

    Raises:
        BadParameter: an address of no known kind, or of one whose extra is not installed.
    """
    try:
        is_address = "://" in store
        backend = choose_backend(
            None if is_address else store, store if is_address else None, prefix
        )
    except ConfigurationError as exc:
        # It may hold a password, which the error does not repeat either.
        raise typer.BadParameter(
            "Expected the path of a file, or an address such as sqlite:///tasks.db (relative), "
            "sqlite:////srv/tasks.db (absolute), postgresql://user@host/database, "
            "mysql://user@host/database or redis://host:6379/0, and a plain table prefix. "
            f"{exc}",
            param_hint="--store",
        ) from exc
    except ImportError as exc:
        raise typer.BadParameter(str(exc), param_hint="--store") from exc
    assert backend is not None  # noqa: S101  (one of the two was given)
    return backend


@asynccontextmanager
async def opened(found: Backend | Runtime, *, for_acts: bool = False) -> AsyncIterator[Inspector]:
    """Operations on a store that exists.

    Raises:
        StoreUnavailable, ConfigurationError: it is not there, or cannot be used.
    """
    if not isinstance(found, Runtime):
        found = TaskManager(snapshot_backend=found, roles=()).runtime
    with _untold():
        async with inspecting(found, looks=True) as inspector:
            if not for_acts:
                await inspector.learn_queues()
                yield inspector
        if for_acts:
            async with inspecting(found) as inspector:
                await inspector.learn_queues()
                yield inspector


@contextmanager
def _untold() -> Iterator[None]:
    """What is damaged is the doctor's to say, and no line of a log beside what was asked for."""
    former = _DAMAGE.level
    _DAMAGE.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        _DAMAGE.setLevel(former)


def looks(
    function: Callable[Concatenate[Inspector, P], Awaitable[Answer]],
) -> Callable[..., None]:
    """A command that reads a store: its first argument is the store, its answer is shown."""
    return _on_store(function, for_acts=False)


def acts(
    function: Callable[Concatenate[Inspector, P], Awaitable[Answer]],
) -> Callable[..., None]:
    """As `looks`, for a command that changes something."""
    return _on_store(function, for_acts=True)


def checked(check: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Above `looks` or `acts`: ``check`` gets the options first, before a store is opened."""

    def with_check(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            check(**{name: each for name, each in given.items() if name not in _EVERYWHERE})
            command(**given)

        return run

    return with_check


def _on_store(
    function: Callable[Concatenate[Inspector, P], Awaitable[Answer]], *, for_acts: bool
) -> Callable[..., None]:
    call: Callable[..., Awaitable[Answer]] = function

    def run(*, store: str, json: bool, table_prefix: str, **given: Any) -> None:
        async def answered() -> Answer:
            backend = backend_of(store, table_prefix)
            async with opened(backend, for_acts=for_acts) as inspector:
                return await call(inspector, **given)

        give(asyncio.run(answered()), as_json=json)

    command: Any = wraps(function)(run)
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    options = [each for each in own if each.kind is Parameter.KEYWORD_ONLY]
    parameters = [
        *own[: len(own) - len(options)],
        Parameter("store", Parameter.POSITIONAL_OR_KEYWORD, annotation=StoreOption),
        *options,
        Parameter("json", Parameter.KEYWORD_ONLY, annotation=JsonOption, default=False),
        Parameter("table_prefix", Parameter.KEYWORD_ONLY, annotation=PrefixOption, default=_PREFIX),
    ]
    # Typer reads which options there are.
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    made: Callable[..., None] = command
    return made


def actor() -> str:
    """Who acts, for the audit: the user of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):  # a user without a name, in a container say
        return "cli"
