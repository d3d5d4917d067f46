"""The checks of a task's settings, made where they are written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from types import CoroutineType
from typing import Any

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskConfig
from fastapi_taskflow.words.quoting import quoted

__all__ = ["checked_config", "is_coroutine_callable"]

EXECUTORS = ("async", "thread")

_PLAIN = frozenset({str, int, float, bool, tuple, type(None)})


def checked_config(func: Callable[..., Any], config: TaskConfig) -> TaskConfig:
    """The settings, if they can work for this function, as plain values.

    Raises:
        ConfigurationError: they cannot; the message names the setting.
    """
    _check_function(func, config)
    checked = replace(
        config,
        retries=limits.whole("retries", config.retries, least=0),
        delay=limits.number("delay", config.delay),
        backoff=limits.number("backoff", config.backoff),
        persist=limits.switch("persist", config.persist),
        name=limits.optional(limits.printable, "name", config.name),
        requeue_on_interrupt=limits.switch("requeue_on_interrupt", config.requeue_on_interrupt),
        eager=limits.switch("eager", config.eager),
        priority=limits.optional(limits.whole, "priority", config.priority),
        executor=_executor(config.executor),
        queue=limits.optional(limits.printable, "queue", config.queue),
        max_delay=limits.optional(limits.number, "max_delay", config.max_delay),
        jitter=_jitter(config.jitter),
        retry_on=_error_types("retry_on", config.retry_on),
        no_retry_on=_error_types("no_retry_on", config.no_retry_on),
        timeout=limits.optional(limits.span, "timeout", config.timeout, above=True),
    )
    _check_executor(func, checked.executor)
    return config if checked == config and _is_plain(config) else checked


def _jitter(value: object) -> float:
    fraction = limits.number("jitter", value)
    if fraction > 1:
        raise limits.wrong("jitter", "a fraction from 0 to 1", value)
    return fraction


def _is_plain(config: TaskConfig) -> bool:
    """No value is of a subclass, whose code would run wherever it is used."""
    return all(type(getattr(config, field.name)) in _PLAIN for field in fields(config))


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


def _check_function(func: object, config: TaskConfig) -> None:
    if isinstance(func, (staticmethod, classmethod)):
        raise ConfigurationError(
            f"Put @task(...) below @{type(func).__name__}: the decorated function is not what "
            "the class gives for its name."
        )
    if isinstance(func, CoroutineType):
        # It was never to run, so Python need not warn that it did not.
        func.close()
        raise ConfigurationError(
            f"Expected a function to register as a task, got {quoted(func)}: it was called already."
        )
    if not callable(func):
        raise ConfigurationError(
            f"Expected a function to register as a task, got {quoted(func)}. Options have names: "
            "@task(name='...')."
        )
    if inspect.isclass(func):
        raise ConfigurationError(
            f"{quoted(func)} cannot be a task: a call would only make an object. Register a "
            "function that makes it and uses it."
        )
    try:
        hash(func)
    except TypeError as exc:
        raise ConfigurationError(
            f"{quoted(func)} has no hash, so it could not be found again. Register a function."
        ) from exc
    if not isinstance(getattr(func, "__name__", None), str) and config.name is None:
        raise ConfigurationError(f"{quoted(func)} has no name of its own; give the task a name=.")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise ConfigurationError(
            f"{quoted(func)} is a generator: calling it would run nothing of it. Use a function "
            "without yield."
        )


def _executor(value: object) -> str | None:
    if value is None:
        return None
    if value == "process":
        raise ConfigurationError(
            "executor='process' is not available yet. Use 'thread' for a plain function."
        )
    if not isinstance(value, str) or value not in EXECUTORS:
        raise ConfigurationError(
            f"Unknown executor {quoted(value)}; use one of "
            f"{', '.join(map(repr, EXECUTORS))}.{limits.near(value, EXECUTORS)}"
        )
    return str.__str__(value)


def _check_executor(func: Callable[..., Any], executor: str | None) -> None:
    if executor is None:
        return
    is_async = is_coroutine_callable(func)
    if executor == "async" and not is_async:
        raise ConfigurationError(
            f"executor='async' on the plain function {quoted(func)}, which would block the event "
            "loop. Make it `async def`, or use 'thread'."
        )
    if executor == "thread" and is_async:
        raise ConfigurationError(
            f"executor='thread' on the coroutine function {quoted(func)}. Make it a plain `def`, "
            "or use 'async'."
        )


def _error_types(setting: str, value: object) -> tuple[type[BaseException], ...]:
    """One exception type or several, as a tuple."""
    errors = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise limits.wrong(setting, "exception types", error)
    return errors
