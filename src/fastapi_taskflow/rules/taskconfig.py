"""The checks of a task's settings, made where they are written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import CoroutineType
from typing import Any, cast

from fastapi_taskflow.rules.placing import (
    BUILT_IN,
    PROCESS,
    Check,
    default_for,
    known_executor,
    place,
)
from fastapi_taskflow.rules.titles import checked_title
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.conflicts import ON_CONFLICT, OnConflict
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskConfig
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.rates import rate
from fastapi_taskflow.words.sizes import memory

__all__ = ["checked_config"]

_PLAIN = frozenset({str, int, float, bool, tuple, type(None)})


def checked_config(
    func: Callable[..., Any], config: TaskConfig, executors: Mapping[str, Check] = BUILT_IN
) -> TaskConfig:
    """The settings, if they can work for this function, as plain values.

    Args:
        executors: By name, what they say of a function.

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
        executor=known_executor(config.executor, executors),
        queue=limits.optional(limits.printable, "queue", config.queue),
        max_delay=limits.optional(limits.number, "max_delay", config.max_delay),
        jitter=_jitter(config.jitter),
        retry_on=_error_types("retry_on", config.retry_on),
        no_retry_on=_error_types("no_retry_on", config.no_retry_on),
        timeout=limits.optional(limits.span, "timeout", config.timeout, above=True),
        memory_limit=limits.optional(memory, "memory_limit", config.memory_limit),
        result_ttl=limits.optional(limits.span, "result_ttl", config.result_ttl),
        global_concurrency=limits.optional(
            limits.whole, "global_concurrency", config.global_concurrency, least=1
        ),
        rate_limit=limits.optional(rate, "rate_limit", config.rate_limit),
        title=checked_title(func, config.title),
        on_conflict=_on_conflict(config.on_conflict),
        key_rate_limit=limits.optional(rate, "key_rate_limit", config.key_rate_limit),
    )
    if checked.executor is not None:
        place(func, checked.executor, executors[checked.executor])
    _check_memory(func, checked)
    return config if checked == config and _is_plain(config) else checked


def _on_conflict(value: object) -> OnConflict:
    found = limits.one_of("on_conflict", value, ON_CONFLICT)
    return cast("OnConflict", found)


def _jitter(value: object) -> float:
    fraction = limits.number("jitter", value)
    if fraction > 1:
        raise limits.wrong("jitter", "a fraction from 0 to 1", value)
    return fraction


def _is_plain(config: TaskConfig) -> bool:
    """No value is of a subclass, whose code would run wherever it is used."""
    names = [field.name for field in fields(config) if field.name not in ("title", "key")]
    return all(type(getattr(config, name)) in _PLAIN for name in names)


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


def _check_memory(func: Callable[..., Any], config: TaskConfig) -> None:
    """An executor of the user's own finds the limit in its calls."""
    executor = config.executor or default_for(func)
    if config.memory_limit is not None and executor in BUILT_IN and executor != PROCESS:
        raise ConfigurationError(
            f"memory_limit needs executor={PROCESS!r}: where executor={executor!r} runs functions, "
            "they share the server's memory."
        )


def _error_types(setting: str, value: object) -> tuple[type[BaseException], ...]:
    """One exception type or several, as a tuple."""
    errors = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise limits.wrong(setting, "exception types", error)
    return errors
