"""From what a user writes of a schedule to what is stored of it, checked where it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.rules.schedules.definition import (
    Declared,
    Definition,
    Errand,
    checked_policy,
)
from fastapi_taskflow.rules.schedules.timetable import Times
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskConfig

__all__ = ["checked_call", "declare", "defined", "schedule_name"]

_SETTINGS = ("retries", "delay", "backoff", "executor")


def declare(
    registry: TaskRegistry,
    func: Callable[..., Any],
    settings: TaskConfig,
    given: Mapping[str, Any],
    *,
    most_bytes: int,
) -> Declared:
    """Make a function a task, if it is none yet, and give it a schedule.

    Args:
        settings: Of the function, as far as a schedule says them.
        given: What is said of the schedule, by the names of the decorator.

    Raises:
        ConfigurationError: something cannot be, or the schedule's name is taken.
        TaskArgumentError: the arguments do not fit the function, or cannot be stored.
    """
    registered = registry.find(func)
    if registered is None:
        registry.register(func, settings)
        registered = registry.find(func)
    if registered is None:
        raise limits.wrong("schedule", "a function", func)
    _refuse_other_settings(registered, settings)
    name = schedule_name(registered.name if given["name"] is None else given["name"])
    call = checked_call(registered, given["args"], given["kwargs"])
    registry.encode(registered, call.args, call.kwargs, max_bytes=most_bytes)
    definition = defined(name, registered, given)
    declared = Declared(
        func,
        definition,
        call.args,
        call.kwargs,
        limits.switch("run_on_startup", given["run_on_startup"]),
    )
    known = registry.schedules.get(name)
    if known is not None:
        owner = known.definition.errand.func_name
        # A module that is imported again makes its functions again.
        if owner != registered.name or (known.func is func and known != declared):
            raise _taken(name, owner)
    registry.schedules[name] = declared
    return declared


def _taken(name: str, func_name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Two schedules with one name: {name!r} runs {func_name!r} already. Give each a name=: "
        "it is what is stored, shown and paused."
    )


def _refuse_other_settings(registered: Registered, settings: TaskConfig) -> None:
    default = TaskConfig()
    for name in _SETTINGS:
        wanted, has = getattr(settings, name), getattr(registered.config, name)
        if wanted not in (getattr(default, name), has):
            raise ConfigurationError(
                f"Task {registered.name!r} has {name}={has!r} already, and its schedule asks for "
                f"{name}={wanted!r}. They are the task's: say them once, at its @task(...) or its "
                "first @schedule(...)."
            )


def schedule_name(name: object) -> str:
    """A schedule's name.

    Raises:
        ConfigurationError: it is none.
    """
    return limits.printable("name", name)


def checked_call(registered: Registered, args: Any, kwargs: Any) -> TaskCall:
    """The call of each run.

    Raises:
        ConfigurationError: they are no list and mapping.
        TaskArgumentError: they do not fit the function.
    """
    if isinstance(args, str | bytes | Mapping) or not isinstance(args, Iterable):
        raise limits.wrong("args", "a tuple of arguments, such as args=(1,)", args)
    if not isinstance(kwargs, Mapping):
        raise limits.wrong("kwargs", "a mapping of names to arguments", kwargs)
    call = TaskCall(registered.func, tuple(args), dict(kwargs))
    if registered.shape is not None:
        registered.shape.check(registered.name, call.args, call.kwargs)
    return call


def defined(name: str, registered: Registered, given: Mapping[str, Any]) -> Definition:
    """A definition from its parts, by the names of the decorator.

    Raises:
        ConfigurationError: a part cannot be.
    """
    every = given["every"]
    times = Times(
        None if every is None else limits.span("every", every, above=True),
        limits.optional(limits.printable, "cron", given["cron"]),
        limits.printable("timezone", given["timezone"]),
        limits.optional(limits.moment, "start", given["start"]),
        limits.optional(limits.moment, "end", given["end"]),
        limits.span("jitter", given["jitter"]),
    )
    queue = registered.config.queue or DEFAULT_QUEUE if given["queue"] is None else given["queue"]
    priority = limits.optional(limits.whole, "priority", given["priority"])
    errand = Errand(registered.name, limits.printable("queue", queue), priority)
    policy = checked_policy(given["misfire"], given["grace"], given["overlap"])
    definition = Definition(errand, times, policy)
    definition.table(name)
    return definition
