"""Stored tasks that somebody damaged: which ones were met here.

A backend reads such a row as far as it can be, and says what is wrong with it. It is never
run as it is: a task without its tags or its limits is another one.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from fastapi_taskflow.backends.base import Backend, StoredTask
from fastapi_taskflow.engine.core.notices import notify

__all__ = ["DamagedTasks"]

logger = logging.getLogger(__name__)

_KEPT = 1_000


class DamagedTasks:
    """What is wrong with which stored task, by id; the latest that were met."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._found: OrderedDict[str, str] = OrderedDict()

    def look(self, stored: StoredTask) -> None:
        """A stored task was read, perhaps without its arguments: only `now` knows it is well."""
        if stored.damage is None:
            return
        task_id = stored.record.task_id
        if task_id not in self._found:
            text = "Task %s is damaged in the store: %s"
            notify(logger, logging.ERROR, text, task_id, stored.damage)
            while len(self._found) >= _KEPT:
                self._found.popitem(last=False)
        self._found[task_id] = stored.damage

    async def now(self, most: int) -> dict[str, str]:
        """The newest ``most`` that still are damaged, and what is wrong with them.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        asked = list(self._found)[-most:]
        if not asked:
            return {}
        for task_id, stored in zip(asked, await self._backend.get(asked), strict=True):
            if stored is None or stored.damage is None:
                self._found.pop(task_id, None)
            else:
                self.look(stored)
        return {task_id: self._found[task_id] for task_id in asked if task_id in self._found}

    def __len__(self) -> int:
        return len(self._found)
