"""Functions by name and by themselves, with their settings.

Stored tasks name their function; the name is looked up here and nowhere else, so nothing
that a store says can run code that was not registered.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType, MethodType
from typing import Any, TypeVar

from fastapi_taskflow.errors import ConfigurationError, TaskArgumentError
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.settings import checked
from fastapi_taskflow.typetable import TypeTable

__all__ = ["Registered", "TaskRegistry"]

_log = logging.getLogger(__name__)

T = TypeVar("T", bound=type)
Func = Callable[..., Any]

# Functions that were never registered but are used as tasks. More than any program has;
# past it the cache starts anew.
_ADOPTED_LIMIT = 4096
_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """A callable as the engine needs it. ``executor`` is ``"async"`` or ``"thread"``."""

    name: str
    func: Func
    config: TaskConfig
    executor: str
    is_async: bool


class TaskRegistry:
    """The functions that can run as tasks.

    Attributes:
        types: The classes that their arguments may have.
    """

    def __init__(self) -> None:
        self.types = TypeTable()
        # Every registered function object, also those that a reload replaced.
        self._by_func: dict[Func, Registered] = {}
        self._by_name: dict[str, Registered] = {}
        self._adopted: dict[Func, Registered] = {}
        self._names: dict[str | None, frozenset[str]] = {}

    def register(self, func: Func, config: TaskConfig) -> None:
        """Make a function a task under ``config.name`` or its own name.

        Registering it again, as a module reload does, replaces it.

        Raises:
            ConfigurationError: settings that cannot work, or a name that is taken.
        """
        config = checked(func, config)
        name = config.name or func.__name__
        self._refuse_taken(name, func)
        is_async = is_coroutine_callable(func)
        entry = Registered(name, func, config, _executor(config, is_async), is_async)
        self._by_func[func] = self._by_name[name] = entry
        self._adopted.clear()
        self._names.clear()
        self.types.note(func)

    def _refuse_taken(self, name: str, func: Func) -> None:
        other = self._by_name.get(name)
        if other is None or other.func is func or _place(other.func) == _place(func):
            return
        raise ConfigurationError(
            f"Two functions with one task name: {name!r} is {'.'.join(_place(other.func))} already, "
            f"and {'.'.join(_place(func))} wants it too. Give one of them another name=."
        )

    def find(self, func: Func) -> Registered | None:
        """The entry of a registered function; None for any other callable."""
        try:
            return self._by_func.get(func)
        except TypeError:  # cannot be hashed, so it was never registered
            return None

    def by_name(self, name: str) -> Registered | None:
        """The entry of a task name; None if nothing has it."""
        return self._by_name.get(name)

    def get_config(self, func: Func) -> TaskConfig | None:
        """The settings of a registered function; None for any other callable."""
        entry = self.find(func)
        return None if entry is None else entry.config

    def get_by_name(self, name: str) -> tuple[Func, TaskConfig] | None:
        """Function and settings of a task name; None if nothing has it."""
        entry = self._by_name.get(name)
        return None if entry is None else (entry.func, entry.config)

    def is_registered(self, func: Func) -> bool:
        """True if the function was registered."""
        return self.find(func) is not None

    def names(self) -> frozenset[str]:
        """All task names. The same object until the next registration."""
        return self._cached(None)

    def functions(self, executor: str) -> frozenset[str]:
        """The task names that run on one executor. Cached like `names`."""
        return self._cached(executor)

    def _cached(self, executor: str | None) -> frozenset[str]:
        found = self._names.get(executor)
        if found is None:
            found = self._names[executor] = frozenset(
                name
                for name, entry in self._by_name.items()
                if executor is None or entry.executor == executor
            )
        return found

    def register_type(self, cls: T) -> T:
        """Let arguments of this class be stored, also where no annotation names it.

        Works as a decorator.

        Raises:
            ConfigurationError: not an Enum, dataclass or pydantic model.
        """
        return self.types.add(cls)

    def adopt(self, func: Func) -> Registered:
        """An entry for any callable, with default settings and not stored under a name."""
        try:
            known = self._by_func.get(func) or self._adopted.get(func)
        except TypeError:
            known = None
        return known or self._describe(func)

    def _describe(self, func: Func) -> Registered:
        is_async = is_coroutine_callable(func)
        entry = Registered(self._display_name(func), func, TaskConfig(), "async" if is_async else "thread", is_async)
        return entry

    def _display_name(self, func: Func) -> str:
        while isinstance(func, functools.partial):
            func = func.func
        name = getattr(func, "__name__", None) or type(func).__name__
        return str(name)[:_NAME_LIMIT]


def is_coroutine_callable(func: Any) -> bool:
    """True if calling it gives a coroutine: through partials, methods and ``__call__``."""
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or (
        not inspect.isroutine(func) and not inspect.isclass(func)
        and inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004
    )


def _executor(config: TaskConfig, is_async: bool) -> str:
    return config.executor or ("async" if is_async else "thread")


def _place(func: Func) -> tuple[str, str]:
    return func.__module__, func.__qualname__
