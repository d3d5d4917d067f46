"""The checks of a task's settings, made where they are written."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from fastapi_taskflow.errors import ConfigurationError
from fastapi_taskflow.models import TaskConfig

__all__ = ["NAME_LIMIT", "checked_config", "is_coroutine_callable"]

EXECUTORS = ("async", "thread")

NAME_LIMIT = 200
"""Characters of a task's name; it is part of indexes in every backend."""


def checked_config(func: Callable[..., Any], config: TaskConfig) -> TaskConfig:
    """The settings, if they can work for this function, with lists of errors as tuples.

    Raises:
        ConfigurationError: they cannot; the message names the setting.
    """
    _check_function(func, config)
    _check_name(config)
    _check_executor(func, config)
    _check_numbers(config)
    for setting in ("persist", "requeue_on_interrupt", "eager"):
        value = getattr(config, setting)
        if not isinstance(value, bool):
            raise _wrong(setting, "True or False", value)
    if config.queue is not None and not (isinstance(config.queue, str) and config.queue):
        raise _wrong("queue", "a queue's name", config.queue)
    retry_on = _error_types("retry_on", config.retry_on)
    no_retry_on = _error_types("no_retry_on", config.no_retry_on)
    if (retry_on, no_retry_on) == (config.retry_on, config.no_retry_on):
        return config
    return replace(config, retry_on=retry_on, no_retry_on=no_retry_on)


def is_coroutine_callable(func: Any) -> bool:
    """True if calling it gives a coroutine: seen through partials, methods and ``__call__``."""
    while isinstance(func, partial):
        func = func.func
    if inspect.iscoroutinefunction(func):
        return True
    # A class is called to make an instance, whatever calling the instance does.
    call = None if inspect.isclass(func) else getattr(func, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def _wrong(setting: str, expected: str, value: object) -> ConfigurationError:
    return ConfigurationError(f"{setting} takes {expected}, got {value!r}.")


def _check_function(func: Callable[..., Any], config: TaskConfig) -> None:
    if isinstance(func, (staticmethod, classmethod)):
        raise ConfigurationError(
            f"Put @task(...) below @{type(func).__name__}: the decorated {func!r} is not what "
            "the class gives for its name."
        )
    if not callable(func):
        raise ConfigurationError(f"Expected a function to register as a task, got {func!r}.")
    try:
        hash(func)
    except TypeError as exc:
        raise ConfigurationError(
            f"{func!r} has no hash, so it could not be found again. Register a function."
        ) from exc
    if not isinstance(getattr(func, "__name__", None), str) and config.name is None:
        raise ConfigurationError(f"{func!r} has no name of its own; give the task a name=.")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise ConfigurationError(
            f"{func!r} is a generator: calling it would run nothing of it. Use a function "
            "without yield."
        )


def _check_name(config: TaskConfig) -> None:
    name = config.name
    if name is None:
        return
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        raise _wrong("name", f"1 to {NAME_LIMIT} printable characters", name)


def _check_executor(func: Callable[..., Any], config: TaskConfig) -> None:
    executor = config.executor
    if executor is None:
        return
    if executor == "process":
        raise ConfigurationError(
            "executor='process' is not available yet. Use 'thread' for a plain function."
        )
    if executor not in EXECUTORS:
        close = get_close_matches(str(executor), EXECUTORS, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(
            f"Unknown executor {executor!r}; use one of {', '.join(map(repr, EXECUTORS))}.{hint}"
        )
    is_async = is_coroutine_callable(func)
    if executor == "async" and not is_async:
        raise ConfigurationError(
            f"executor='async' on the plain function {func!r}, which would block the event "
            "loop. Make it `async def`, or use 'thread'."
        )
    if executor == "thread" and is_async:
        raise ConfigurationError(
            f"executor='thread' on the coroutine function {func!r}. Make it a plain `def`, or "
            "use 'async'."
        )


def _check_numbers(config: TaskConfig) -> None:
    if type(config.retries) is not int or config.retries < 0:
        raise _wrong("retries", "a whole number from 0 up", config.retries)
    if config.priority is not None and type(config.priority) is not int:
        raise _wrong("priority", "a whole number or None", config.priority)
    for setting in ("delay", "backoff", "max_delay", "jitter", "timeout"):
        value = getattr(config, setting)
        if value is None and setting in ("max_delay", "timeout"):
            continue
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise _wrong(setting, "a number from 0 up", value)
    if config.jitter > 1:
        raise _wrong("jitter", "a fraction from 0 to 1", config.jitter)
    if config.timeout == 0:
        raise _wrong("timeout", "seconds above 0, or None for no limit", config.timeout)


def _error_types(setting: str, value: object) -> tuple[type[BaseException], ...]:
    """One exception type or several, as a tuple."""
    errors = tuple(value) if isinstance(value, Iterable) else (value,)
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise _wrong(setting, "exception types", error)
    return errors
