"""The limits over all instances of queues and functions, as this instance knows them.

The store holds them, see `backends.rules.allowing`: a task that has one is stored, free, and
taken by a claim, whoever accepted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi_taskflow.backends.base import Limits
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.queues import Queues
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.rates import Limit, Rate

__all__ = ["Limiting"]

# A rate need not be asked for more often than a loop can start tasks one by one.
_SHORTEST_PAUSE_SECONDS = 0.02


class Limiting:
    """What is limited, and by how much."""

    def __init__(self, registry: TaskRegistry, queues: Queues) -> None:
        self._registry = registry
        self._queues = queues
        self._names: frozenset[str] | None = None
        self._functions: dict[str, Limit] = {}
        self._keys: dict[str, Rate] = {}

    def functions(self) -> Mapping[str, Limit]:
        """Of all functions that have one."""
        self._look()
        return self._functions

    def keys(self) -> Mapping[str, Rate]:
        """The rates of order keys, by function."""
        self._look()
        return self._keys

    def _look(self) -> None:
        names = self._registry.names()
        if names is self._names:
            return
        found = [one for name in names if (one := self._registry.by_name(name)) is not None]
        limits = {one.name: one.config.limit for one in found}
        rates = {one.name: one.config.key_rate for one in found}
        self._functions = {name: limit for name, limit in limits.items() if limit is not None}
        self._keys = {name: rate for name, rate in rates.items() if rate is not None}
        self._names = names

    def queues(self) -> dict[str, Limit]:
        """Of all queues that have one."""
        return {one.name: one.limit for one in self._queues if one.limit is not None}

    def of(self, queues: Iterable[str], functions: Iterable[str]) -> Limits | None:
        """What one claim has to name; None: nothing that it may take is limited."""
        of_functions, of_queues, of_keys = self.functions(), self.queues(), self.keys()
        if not of_functions and not of_queues and not of_keys:
            return None
        found = Limits(
            {name: of_queues[name] for name in queues if name in of_queues},
            {name: of_functions[name] for name in functions if name in of_functions},
            {name: of_keys[name] for name in functions if name in of_keys},
        )
        return found if any(found) else None

    def is_limited(self, registered: Registered, queue: str) -> bool:
        """A task of the function in this queue starts only after a claim."""
        return registered.config.is_limited or self._queues.get(queue).limit is not None

    def wants_stored(self, registered: Registered, queue: str, *, paced: bool) -> bool:
        """As `is_limited`, of a task that is being added.

        Args:
            paced: It is debounced or throttled.

        Raises:
            TaskArgumentError: it has a limit, and cannot be stored by its name.
        """
        if not (paced or self.is_limited(registered, queue)):
            return False
        if self._registry.by_name(registered.name) is not registered:
            if registered.config.is_limited:
                raise TaskArgumentError(
                    f"{registered.name!r} hides a task with a limit or a key, whose tasks are "
                    "stored by its name. Add the registered function itself."
                )
            if paced:
                raise TaskArgumentError(
                    f"debounce= and throttle= store the task, and {registered.name!r} is not "
                    "registered. Register it with @task_manager.task()."
                )
            raise TaskArgumentError(
                f"Queue {queue!r} has a limit over all instances, so its tasks are stored, and "
                f"{registered.name!r} is not registered. Register it with @task_manager.task(), or "
                "give it another queue."
            )
        return True

    def freed(self, task: LiveTask) -> Iterable[str | None]:
        """Queues in which something may start after the task has ended; None: in any."""
        if task.registered.config.is_limited:
            return (None,)
        queue = task.record.queue
        return (queue,) if self._queues.get(queue).limit is not None else ()

    @property
    def pause(self) -> float | None:
        """Seconds after which a rate may let one more start; None: nothing has a rate."""
        limits = [*self.functions().values(), *self.queues().values()]
        spans = [one.rate.refill_micros / 1_000_000 for one in limits if one.rate is not None]
        return max(_SHORTEST_PAUSE_SECONDS, min(spans)) if spans else None
