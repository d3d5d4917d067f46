"""Functions for executors to run, importable wherever they run.

`plain` has them as plain functions, `coroutines` as coroutine functions.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from fastapi_taskflow.rules.context import get_task_context, task_log

__all__ = ["LEAVING", "VARIABLE", "coroutines", "plain"]

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")
LEAVING = {error.__name__: error for error in (SystemExit, KeyboardInterrupt, GeneratorExit)}

_STEP_SECONDS = 0.002


class Hostile(Exception):
    """Cannot be shown, pickled, compared or hashed."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("cannot be shown")

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("cannot be pickled")

    __repr__ = __eq__ = __hash__ = __str__  # type: ignore[assignment]


def double(number: int) -> int:
    return number * 2


def fail(text: str) -> None:
    _deeper(text)


def _deeper(text: str) -> None:
    raise LookupError(text)


def fail_hostile() -> None:
    raise Hostile


def leave(name: str) -> None:
    raise LEAVING[name]


def give_unpicklable() -> Callable[[], None]:
    return lambda: None


def say(lines: int) -> None:
    for number in range(lines):
        task_log(f"line {number}", level="warning" if number % 2 else "info", number=number)


def advance(steps: int) -> None:
    """Say how far it is, quickly."""
    context = get_task_context()
    for number in range(1, steps + 1):
        if context is not None:
            context.progress(number, steps, f"step {number}")


def say_unpicklable() -> None:
    task_log("with a value", value=lambda: None)


def seen() -> tuple[Any, ...]:
    """What it sees of itself; it also spoils its tags."""
    context = get_task_context()
    if context is None:
        return ()
    told = context.task_id, context.func_name, context.attempt, dict(context.tags), context.fence
    context.tags.clear()
    return told


def variable() -> str:
    """The variable's value; it also spoils it."""
    value = VARIABLE.get()
    VARIABLE.set("spoilt")
    return value


def die() -> None:
    os._exit(7)


def wait(place: str, name: str) -> str:
    """Say that it has arrived, and wait until it may go on."""
    _arrive(place, name)
    while not _may_pass(place):
        time.sleep(_STEP_SECONDS)
    return name


async def _wait(place: str, name: str) -> str:
    _arrive(place, name)
    while not _may_pass(place):  # noqa: ASYNC110  (it may be in another process)
        await asyncio.sleep(_STEP_SECONDS)
    return name


def advance_and_wait(place: str, name: str) -> str:
    """As `wait`, after two steps that it says at once."""
    _advance_twice()
    return wait(place, name)


async def _advance_and_wait(place: str, name: str) -> str:
    _advance_twice()
    return await _wait(place, name)


def _advance_twice() -> None:
    context = get_task_context()
    if context is not None:
        context.progress(1)
        context.progress(2)


def look(place: str, name: str) -> str:
    """As `wait`, but it ends as well when it is asked to."""
    context = get_task_context()
    _arrive(place, name)
    while not (_may_pass(place) or (context is not None and context.cancelled)):
        time.sleep(_STEP_SECONDS)
    return "asked" if context is not None and context.cancelled else name


def _arrive(place: str, name: str) -> None:
    (Path(place) / f"{name} arrived").touch()


def _may_pass(place: str) -> bool:
    return (Path(place) / "open").exists()


def _awaited(func: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(func)
    async def call(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return func(*args, **kwargs)

    return call


_SHORT = (
    double,
    fail,
    fail_hostile,
    leave,
    give_unpicklable,
    say,
    advance,
    say_unpicklable,
    seen,
    variable,
    die,
)

plain = SimpleNamespace(**{each.__name__: each for each in (*_SHORT, wait, advance_and_wait, look)})
coroutines = SimpleNamespace(
    **{each.__name__: _awaited(each) for each in _SHORT},
    wait=_wait,
    advance_and_wait=_advance_and_wait,
    look=_wait,
)
