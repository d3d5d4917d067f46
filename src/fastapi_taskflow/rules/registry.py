"""Functions by name and by themselves, with their settings.

Stored tasks name their function. The name is looked up here and nowhere else, so nothing
that a store says can run code that was not registered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, NamedTuple, TypeVar

from fastapi_taskflow.rules import codec, placing
from fastapi_taskflow.rules.codec import TypeTable
from fastapi_taskflow.rules.disguises import Owners, layers, printable_name
from fastapi_taskflow.rules.orderkeys import Ordering, ordered, ordering_of
from fastapi_taskflow.rules.origins import Origin, origin_of, refuse_renamed, refuse_taken
from fastapi_taskflow.rules.schedules.definition import Declared
from fastapi_taskflow.rules.shapes import Shape, own_options, shape_of
from fastapi_taskflow.rules.taskconfig import checked_config
from fastapi_taskflow.words.limits import NAME_LIMIT, printable
from fastapi_taskflow.words.models import TaskConfig

__all__ = ["Hidden", "Registered", "TaskRegistry"]

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=type)
Func = Callable[..., Any]

# More functions than a program has that are used as tasks without being registered. Past
# it the cache starts anew, in case somebody makes functions without end.
_ADOPTED_LIMIT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """A callable as the engine needs it.

    Attributes:
        executor: The name of the one that runs it.
        shape: What arguments it takes; None where that is not checked.
        declared: See `own_options`; None where nobody has looked yet.
        hides: Of a callable that was not registered: what was, inside of it.
        ordering: How its tasks get their order keys.
    """

    name: str
    func: Func
    config: TaskConfig
    executor: str
    is_async: bool
    shape: Shape | None = None
    declared: frozenset[str] | None = None
    hides: Hidden | None = None
    ordering: Ordering | None = None

    @property
    def own_options(self) -> frozenset[str]:
        """Its parameters with names of options: as keywords these are the function's."""
        return own_options(self.func) if self.declared is None else self.declared


class Hidden(NamedTuple):
    """A registered function, and whose it is."""

    entry: Registered
    registry: TaskRegistry


_owners: Owners[TaskRegistry] = Owners()


class TaskRegistry:
    """The functions that can run as tasks.

    Args:
        executors: By name, what they say of a function that is to run there.

    Attributes:
        types: The classes that their arguments may have.
        schedules: What the code says of schedules, by name.
        durable_by_default: Whoever stores their tasks stores all of them.
    """

    def __init__(self, executors: Mapping[str, placing.Check] = placing.BUILT_IN) -> None:
        self._executors = executors
        self.durable_by_default, self.schedules = False, dict[str, Declared]()
        self.types = TypeTable()
        # Invariant: every value of _by_name is a value of _by_func. The other way round
        # not: functions that were replaced by a reload stay, for who still holds them.
        self._by_func: dict[Func, Registered] = {}
        self._by_name: dict[str, Registered] = {}
        # By task name, where its function came from when it was registered.
        self._origins: dict[str, Origin] = {}
        # Only functions that live as long as their module, so that no object is kept.
        self._adopted: dict[Func, Registered] = {}
        # Tasks of which it was said that they have parameters with names of options.
        self._warned: set[str] = set()
        # Task names by executor; None is all of them.
        self._names: dict[str | None, frozenset[str]] = {}

    def register(self, func: Func, config: TaskConfig) -> None:
        """Make a function a task, under ``config.name`` or else its own name.

        Registering it again, as a module reload does, replaces it.

        Raises:
            ConfigurationError: settings that cannot work, a name that is taken, or a function
                that has another name.
        """
        config = checked_config(func, config, self._executors)
        name = printable("name", config.name or func.__name__)
        if (other := self._by_name.get(name)) is not None:
            refuse_taken(name, other.func, self._origins[name], func)
        if (known := self._by_func.get(func)) is not None:
            refuse_renamed(known.name, name, func)
        ordering = ordering_of(func, name, config.key)
        entry = Registered(
            name,
            func,
            ordered(replace(config, name=name), ordering),
            config.executor or placing.default_for(func),
            placing.is_coroutine_callable(func),
            shape_of(func),
            own_options(func),
            ordering=ordering,
        )
        self._warn_of_options(entry)
        self._by_func[func] = self._by_name[name] = entry
        _owners.add(func, self)
        self._origins[name] = origin_of(func)
        self._adopted.clear()
        # A new one: who is filling the old one must not spoil it.
        self._names = {}
        self.types.note(func, name)

    def _warn_of_options(self, entry: Registered) -> None:
        own = sorted(entry.own_options)
        if own and entry.name not in self._warned:
            self._warned.add(entry.name)
            logger.warning(
                "Task %r has parameters with names of options (%s): as keywords of add_task and "
                "enqueue they are the function's. For the options write "
                "add_task(task_manager.call(func, ...), %s=...)",
                entry.name,
                ", ".join(own),
                own[0],
            )

    def find(self, func: Func) -> Registered | None:
        """The entry of a registered function; None for any other callable."""
        try:
            return self._by_func.get(func)
        # It has no hash, for which its class may raise anything: it was never registered.
        except Exception:
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

    def wants_durable(self, entry: Registered) -> bool:
        """The function's tasks are to be stored."""
        config = entry.config
        return config.is_stored or self.durable_by_default

    def is_registered(self, func: Func) -> bool:
        """True if the function was registered."""
        return self.find(func) is not None

    def names(self) -> frozenset[str]:
        """All task names. The same object until the next registration."""
        return self._selected(None)

    def functions(self, executor: str) -> frozenset[str]:
        """The names of the tasks that run on one executor; the same object as `names` does."""
        return self._selected(executor)

    def _selected(self, executor: str | None) -> frozenset[str]:
        names = self._names
        found = names.get(executor)
        if found is None:
            entries = self._by_name.copy().items()
            found = names[executor] = frozenset(
                name for name, entry in entries if executor in (None, entry.executor)
            )
        return found

    def register_type(self, cls: T) -> T:
        """Let arguments of this class be stored, also where no annotation names it.

        Gives the class back, so it can be used as a decorator.

        Raises:
            ConfigurationError: not an Enum, dataclass or pydantic model.
        """
        return self.types.add(cls)

    def encode(
        self,
        entry: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        max_bytes: int,
        sealed: bool = False,
    ) -> bytes:
        """A task's arguments as they are stored; ``sealed`` if they will be encrypted.

        Raises:
            TaskArgumentError: they cannot be; the message names the task and the argument.
        """
        types, callee = self.types.of(entry.name), codec.Callee(entry.name, entry.func)
        return codec.encode(args, kwargs, types, max_bytes=max_bytes, callee=callee, sealed=sealed)

    def decode(self, name: str, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The stored arguments of a task, by its function's name.

        Raises:
            PayloadUnreadable: they are damaged, or this code does not know them.
        """
        return codec.decode(payload, self.types.of(name))

    def as_stored(
        self, entry: Registered, payload: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A call's arguments as every attempt gets them: made from their ``payload``.

        Raises:
            TaskArgumentError: they do not come back from it.
        """
        return codec.as_stored(payload, args, kwargs, self.types.of(entry.name), entry.name)

    def adopt(self, func: Func) -> Registered:
        """An entry for any callable, so that it can run and be seen, once and not durable.

        It is not stored under its name. What hides a registered function of this registry (a
        decorator above it, a method, a partial) keeps that function's settings.

        Raises:
            TypeError: it cannot be called.
        """
        try:
            known = self._by_func.get(func) or self._adopted.get(func)
        except Exception:  # as in `find`
            known = None
        if known is not None:
            return known
        if not callable(func):
            raise TypeError(f"Expected a function or another callable as a task, got {func!r}.")
        hidden = self._hidden(func)
        own = hidden is not None and hidden.registry is self
        config = replace(hidden.entry.config, name=None) if hidden and own else TaskConfig()
        entry = Registered(
            self._display_name(func),
            func,
            config,
            placing.place_of(func, config.executor, self._executors),
            placing.is_coroutine_callable(func),
            hides=hidden,
        )
        # Nothing else is cached: a lambda or a bound method is a new object each time.
        if isinstance(func, FunctionType) and "<locals>" not in func.__qualname__:
            if len(self._adopted) >= _ADOPTED_LIMIT:
                self._adopted.clear()
            self._adopted[func] = entry
        return entry

    def _hidden(self, func: Func) -> Hidden | None:
        """The registered function inside a callable; this registry's own before others'."""
        inwards = list(layers(func))
        looked_in = [(self, layer) for layer in inwards]
        looked_in += [(other, layer) for layer in inwards for other in _owners.of(layer)]
        found = ((registry.find(layer), registry) for registry, layer in looked_in)
        return next((Hidden(entry, whose) for entry, whose in found if entry is not None), None)

    def _display_name(self, func: Func) -> str:
        module, name = printable_name(func)
        if name in self._by_name:
            # Not to be taken for the registered task, which a retry by name would run.
            name = f"{module}.{name}"
        return name[:NAME_LIMIT]
