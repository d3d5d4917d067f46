"""A call to be made later: a function with its arguments, apart from all options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from types import CoroutineType
from typing import Any, NamedTuple
from uuid import UUID

from fastapi_taskflow.words.conflicts import Disposition
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.quoting import quoted

__all__ = ["UNSET", "Enqueued", "Tags", "TaskCall", "bound", "parted", "said"]


#: The default of options, since None may be an argument of the function's own.
UNSET: Any = type("Unset", (), {"__repr__": lambda _: "None"})()

Scalar = str | float | date | time | UUID | Decimal | Enum
Tags = Mapping[str, Scalar]


class TaskCall(NamedTuple):
    """A function with its arguments bound; made by ``task_manager.call``.

    Give it to ``add_task`` or ``enqueue``, which then read keyword arguments as options
    only. That is how to call a function whose own parameter is named like an option.
    """

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Enqueued(NamedTuple):
    """Answer of ``enqueue``: the id of the task that does the work, and what happened.

    ``duplicate`` is True if nothing was created because another task does the work, whose id
    is ``task_id``. ``disposition`` says why in a word: ``"existing"`` (it has the same idempotency
    key) or ``"dropped"`` (it has the same order key). Else it is ``"replaced"`` if others of
    its order key were cancelled for it or asked to end, or ``"created"``.
    """

    task_id: str
    duplicate: bool
    disposition: Disposition = "created"


def bound(
    func: Callable[..., Any] | TaskCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    task_names: Callable[[], Collection[str]] = tuple,
) -> TaskCall:
    """The call that ``add_task(func, *args, **kwargs)`` means.

    Raises:
        TaskArgumentError: arguments beside a `TaskCall`, or something that cannot be called.
    """
    if isinstance(func, TaskCall):
        if args or kwargs:
            named = ", ".join([*map(quoted, args), *(f"{k}=" for k in kwargs)])
            raise TaskArgumentError(
                f"A TaskCall brings its arguments along; got {named} beside it. "
                "Give them to task_manager.call(...)."
            )
        if type(func.args) is tuple and type(func.kwargs) is dict and callable(func.func):
            return func
        raise TaskArgumentError(
            "A TaskCall is made by task_manager.call(func, ...); this one has no function, tuple "
            f"and dict, but {quoted(func.func)}, {quoted(func.args)} and {quoted(func.kwargs)}."
        )
    if not callable(func):
        raise TaskArgumentError(_no_function(func, task_names))
    return TaskCall(func, args, kwargs)


def said(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not UNSET}


def parted(
    own: frozenset[str], call: TaskCall, given: Mapping[str, Any]
) -> tuple[TaskCall, Mapping[str, Any]]:
    """The call with those of its keywords that have names of options, and the options left.

    Args:
        own: Which of these names are parameters of the function.
    """
    if own.isdisjoint(given):
        return call, given
    kwargs = call.kwargs | {name: value for name, value in given.items() if name in own}
    options = {name: value for name, value in given.items() if name not in own}
    return TaskCall(call.func, call.args, kwargs), options


def _no_function(found: object, task_names: Callable[[], Collection[str]]) -> str:
    if isinstance(found, CoroutineType):
        # It was never to run, so Python need not warn that it did not.
        found.close()
        return (
            f"A task is a function, got {quoted(found)}: it was called already. Write "
            f"add_task({found.__name__}, ...) with its arguments after it, without calling it."
        )
    if isinstance(found, str):
        names = task_names()
        known = f"There is a task {quoted(found)}: import" if found in names else "Import"
        hint = "" if found in names else near(found, names)
        return f"A task is a function, got the text {quoted(found)}. {known} its function.{hint}"
    if found is None:
        return (
            "A task is a function, got None. What was called as f(...) gives its result; a "
            "decorator that returns nothing gives None."
        )
    return f"A task is a function, got {quoted(found)}."
