"""Which tasks are durable, and what is refused rather than run as something less."""

from __future__ import annotations

import logging

from fastapi_taskflow.rules.disguises import form_of
from fastapi_taskflow.rules.registry import Hidden, Registered, TaskRegistry
from fastapi_taskflow.words.errors import ConfigurationError, TaskArgumentError

__all__ = ["Durability"]

logger = logging.getLogger(__name__)


class Durability:
    """The promise that one manager makes for each of its tasks.

    Args:
        persistent: Its backend outlives the process.
        by_default: Every registered function is durable.
    """

    def __init__(self, registry: TaskRegistry, *, persistent: bool, by_default: bool) -> None:
        self._registry = registry
        self._persistent = persistent
        self._by_default = registry.durable_by_default = by_default
        self._told: set[str] = set()

    def of(self, registered: Registered) -> bool:
        """The task must be stored before it counts as accepted.

        Raises:
            ConfigurationError: nothing stores it.
            TaskArgumentError: a durable function in a form that would not be durable.
        """
        if registered.hides is not None:
            self._refuse_downgrade(registered, registered.hides)
            return False
        config = registered.config
        if config.is_limited and not config.persist:
            # Who holds a limit takes tasks from a store, if only from one in memory.
            return True
        if config.persist:
            if not self._persistent:
                raise ConfigurationError(_NO_BACKEND.format(registered.name))
            return True
        if not self._persistent:
            if config.requeue_on_interrupt:
                self._tell(registered.name, _NO_REQUEUE)
            return False
        if config.requeue_on_interrupt:
            return True
        if self._by_default:
            if self._registry.by_name(registered.name) is registered:
                return True
            self._tell(
                registered.name,
                "Task %r is not registered, so requeue_pending does not make it durable",
            )
        return False

    def names(self) -> list[str]:
        """The tasks that are durable, by name."""
        found = map(self._registry.by_name, sorted(self._registry.names()))
        wanted = self._registry.wants_durable
        return [
            one.name
            for one in found
            if one is not None and (wanted(one) if self._persistent else one.config.is_limited)
        ]

    def check(self) -> None:
        """Look at all registered functions, before the start.

        Raises:
            ConfigurationError: one is durable, and no backend outlives the process.
        """
        if self._persistent:
            return
        if self._by_default:
            raise ConfigurationError(_NO_BACKEND.format("every task (requeue_pending=True)"))
        for name in sorted(self._registry.names()):
            entry = self._registry.by_name(name)
            if entry is None:
                continue
            self.of(entry)

    def _refuse_downgrade(self, added: Registered, hidden: Hidden) -> None:
        name = hidden.entry.name
        if hidden.registry is self._registry:
            if self.of(hidden.entry):
                form = form_of(added.func)
                raise TaskArgumentError(_HIDDEN.format(name, form, _MEND.get(form, _ELSE)))
        elif hidden.registry.wants_durable(hidden.entry):
            raise TaskArgumentError(_FOREIGN.format(name))
        else:
            self._tell(
                name,
                "Task %r is registered with another TaskManager: added to this one it runs without "
                "the settings that it has there",
            )

    def _tell(self, name: str, message: str) -> None:
        if name not in self._told:
            self._told.add(name)
            logger.warning(message, name)


_NO_BACKEND = (
    "{!r} is durable, but the TaskManager has no backend that outlives the process. "
    "Give it one: TaskManager(snapshot_db='tasks.db')."
)
_NO_REQUEUE = (
    "Task %r has requeue_on_interrupt=True, which means nothing without a backend: give the "
    "TaskManager snapshot_db=..."
)
_HIDDEN = (
    "Task {!r} is durable, and what was added is {} of it, which is not: after a restart the "
    "task's name leads to the registered function alone. {}"
)
_ELSE = "Pass the function itself, and what it was bound to as arguments."
_MEND = {
    "a decorated form": (
        "Put @task_manager.task(...) above the other decorators, so that what they make is the "
        "task."
    )
}
_FOREIGN = (
    "Task {!r} is durable with the TaskManager that it is registered with, and this one is "
    "another: it would run here as a plain task. Add it with its own manager, for example "
    "Depends(its_manager.get_tasks), or register it with this one too."
)
