"""What a function finds on its worker besides its arguments, and what it leaves there."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

from distributed import Future

from fastapi_taskflow.executors.base import Call
from fastapi_taskflow.executors.sending.ends import Unmade
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.said import Line

__all__ = ["future_gone", "is_on_cluster", "left_behind", "not_found", "surrounded"]


def surrounded(call: Call) -> Call:
    """The call, with the variables of the Dask task that it has no values of its own for.

    By them Dask knows in which worker it is: `get_client`, `get_worker`, `secede`.
    """
    for variable, value in copy_context().items():
        if variable not in call.context:
            call.context.run(variable.set, value)
    return call


def is_on_cluster(value: object) -> bool:
    """Whether a value is a Dask future or collection. They can be awaited, but need not be."""
    return isinstance(value, Future) or hasattr(type(value), "__dask_graph__")


def left_behind(value: Any) -> Unmade:
    """In place of such a value as a result: outside of its task nobody would hold it."""
    text = (
        f"What it returned ({name_of(type(value))}) is on the cluster only: publish it there "
        "(get_client().publish_dataset(...)) and return its name, or return its value"
    )
    return Unmade(Line(text, "warning", {}))


def not_found(exc: ModuleNotFoundError, where: str) -> ModuleNotFoundError:
    """The same error, which says where, and what to do."""
    return ModuleNotFoundError(
        f"{exc} on {where}. Workers need this package, the app's modules and the libraries "
        "these import: start them in the same environment, with the app's folder in PYTHONPATH.",
        name=exc.name,
        path=exc.path,
    )


def future_gone() -> TaskArgumentError:
    """The error of a call whose arguments are not where they should be."""
    return TaskArgumentError(
        "A Dask future among the arguments is not on the cluster: it was cancelled, its value was "
        "lost with a worker or the scheduler, or it belongs to another cluster. Make it again."
    )
