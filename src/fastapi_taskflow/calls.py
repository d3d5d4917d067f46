"""A call to be made later: a function with its arguments, apart from all options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi_taskflow.errors import TaskArgumentError

__all__ = ["Enqueued", "TaskCall", "bound"]


class TaskCall(NamedTuple):
    """A function with its arguments bound; made by ``task_manager.call``.

    Give it to ``add_task`` or ``enqueue``, which then read keyword arguments as options
    only. That is how to call a function whose own parameter is named like an option.
    """

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Enqueued(NamedTuple):
    """Answer of ``enqueue``: the id of the task that does the work.

    ``duplicate`` is True if a task with the same idempotency key existed; then nothing was
    created and ``task_id`` is that task's.
    """

    task_id: str
    duplicate: bool


def bound(
    func: Callable[..., Any] | TaskCall, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TaskCall:
    """The call that ``add_task(func, *args, **kwargs)`` means.

    Raises:
        TaskArgumentError: arguments beside a `TaskCall`, or something that cannot be called.
    """
    if isinstance(func, TaskCall):
        if args or kwargs:
            named = ", ".join([*(repr(a) for a in args), *(f"{k}=" for k in kwargs)])
            raise TaskArgumentError(
                f"A TaskCall brings its arguments along; got {named} beside it. "
                "Give them to task_manager.call(...)."
            )
        return func
    if not callable(func):
        raise TaskArgumentError(f"A task is a function, got {func!r}.")
    return TaskCall(func, args, kwargs)
