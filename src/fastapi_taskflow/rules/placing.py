"""Which executor runs a function, by names that a manager knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi_taskflow.rules.importable import check_importable
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "BUILT_IN",
    "DASK",
    "LOOP",
    "PROCESS",
    "THREAD",
    "Check",
    "check_coroutine",
    "check_plain",
    "check_process",
    "default_for",
    "is_coroutine_callable",
    "known_executor",
    "place",
    "place_of",
]

Check = Callable[[Callable[..., Any]], None]

LOOP = "async"
THREAD = "thread"
PROCESS = "process"
DASK = "dask"
"""Where a manager was told of a cluster."""


def check_coroutine(func: Callable[..., Any]) -> None:
    """Refuse what would not give a coroutine.

    Raises:
        ConfigurationError: it is a plain function.
    """
    if not is_coroutine_callable(func):
        raise ConfigurationError(
            f"it would block the event loop. Make it `async def`, or use {THREAD!r}."
        )


def check_plain(func: Callable[..., Any]) -> None:
    """Refuse what gives a coroutine.

    Raises:
        ConfigurationError: it is a coroutine function.
    """
    if is_coroutine_callable(func):
        raise ConfigurationError(f"make it a plain `def`, or use {LOOP!r}.")


def check_process(func: Callable[..., Any]) -> None:
    """Refuse what no child process can run.

    Raises:
        ConfigurationError: a coroutine function, or none that can be imported.
    """
    check_plain(func)
    check_importable(func)


BUILT_IN: Mapping[str, Check] = {
    LOOP: check_coroutine,
    THREAD: check_plain,
    PROCESS: check_process,
}


def default_for(func: Callable[..., Any]) -> str:
    """Where a function runs of which nothing is said."""
    return LOOP if is_coroutine_callable(func) else THREAD


def known_executor(value: object, known: Mapping[str, Check]) -> str | None:
    """A name that the manager knows, or None.

    Raises:
        ConfigurationError: another name; the message has those that are known.
    """
    if value is None:
        return None
    if isinstance(value, str) and value in known:
        return str.__str__(value)
    if isinstance(value, str) and value == DASK:
        raise ConfigurationError(
            "executor='dask' needs TaskManager(dask=...): the address of a Dask scheduler, or a "
            "distributed.Client."
        )
    raise ConfigurationError(
        f"Unknown executor {quoted(value)}; use one of {', '.join(map(repr, known))}."
        f"{limits.near(value, known)}"
    )


def place(func: Callable[..., Any], executor: str, check: Check) -> None:
    """Ask an executor whether it can run a function.

    Raises:
        ConfigurationError: it cannot, for the reason that it gives.
    """
    try:
        check(func)
    # An executor may be the user's own, and so is what it raises.
    except Exception as exc:
        kind = "coroutine" if is_coroutine_callable(func) else "plain"
        name = quoted(func).removeprefix("function ")
        raise ConfigurationError(
            f"executor={executor!r} on the {kind} function {name}: {exc}"
        ) from exc


def place_of(func: Callable[..., Any], wanted: str | None, executors: Mapping[str, Check]) -> str:
    """Where a callable runs: as ``wanted`` for what is inside of it, if that can run it as well."""
    if wanted is not None:
        with suppress(ConfigurationError):
            place(func, wanted, executors[wanted])
            return wanted
    return default_for(func)


def is_coroutine_callable(func: Any) -> bool:
    """True if calling it gives a coroutine: seen through partials, methods and ``__call__``."""
    while isinstance(func, partial):
        func = func.func
    # A class is called to make an instance, whatever calling the instance does.
    call = None if inspect.isclass(func) else type(func).__call__
    return _is_coroutine_function(func) or _is_coroutine_function(call)


def _is_coroutine_function(func: Any) -> bool:
    try:
        return inspect.iscoroutinefunction(func)
    # It asks objects for attributes, and they may answer anything.
    except Exception:
        return False
