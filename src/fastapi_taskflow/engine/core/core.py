"""The state that the services of one engine share. It knows none of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from fastapi_taskflow.backends.base import Backend, Batches, StoredBatch, Transactions
from fastapi_taskflow.engine.core.damage import DamagedTasks
from fastapi_taskflow.engine.core.ends import Ends
from fastapi_taskflow.engine.core.limiting import Limiting
from fastapi_taskflow.engine.core.looks import Looks
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.core.queues import Queues
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE, Settings
from fastapi_taskflow.engine.core.supervisor import Supervisor
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.engine.core.vitals import Vitals
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.forks import generation
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["Core"]


class Core:
    """What each service of an engine may look at; made on the engine's event loop.

    Attributes:
        store: Where the tasks of this process can be looked up.
        queues: Slots and waiting lines.
        limiting: What is limited over all instances.
        damaged: Stored tasks that cannot be run as they are.
        vitals: The state of the store.
        ends: Who waits for which task to end.
        looks: Reads of single tasks for who follows them.
        batch_looks: The same of batches.
    """

    def __init__(
        self,
        backend: Backend,
        registry: TaskRegistry,
        store: TaskStore,
        settings: Settings,
        *,
        clock: Clock,
        pools: Iterable[Pool],
    ) -> None:
        self.backend = backend
        self.registry = registry
        self.store = store
        self.settings = settings
        self.clock = clock
        self.supervisor = Supervisor()
        self.queues = Queues({DEFAULT_QUEUE: QueueConfig(), **settings.queues}, pools)
        self.limiting = Limiting(registry, self.queues)
        self.damaged = DamagedTasks(backend)
        self.vitals = Vitals(backend)
        self.ends = Ends()
        self.looks = Looks("looks", backend.get, self.supervisor)
        self.batch_looks = Looks("batch looks", self._batches, self.supervisor)
        self.executes = "execute" in settings.roles
        self.maintains = "maintain" in settings.roles
        # Never reused: an instance that learns that it was declared dead takes a new one.
        self.instance_id = new_id()
        # True from the first sign of a stop; never False again.
        self.draining = False
        # While draining, set whenever something has ended that the drain may wait for.
        self.progress = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.thread_id = threading.get_ident()
        self._born = generation()

    @property
    def alive(self) -> bool:
        """It can run: its event loop is open, and this is its process, not a forked copy."""
        return self._born == generation() and not self.loop.is_closed()

    def is_here(self) -> bool:
        """This is the thread of the engine's event loop."""
        return threading.get_ident() == self.thread_id

    def batches(self) -> Batches:
        """Where batches are stored.

        Raises:
            ConfigurationError: this store keeps none.
        """
        found = self.backend.batches
        if found is None:
            raise ConfigurationError(
                f"{self.backend.place} keeps no batches: its backend implements no Backend.batches."
            )
        return found

    async def _batches(self, batch_ids: Sequence[str]) -> list[StoredBatch | None]:
        return await self.batches().find(batch_ids)

    def transactions(self) -> Transactions:
        """The store's way into transactions of callers.

        Raises:
            ConfigurationError: it has none.
        """
        found = self.backend.transactions
        if found is None:
            raise ConfigurationError(
                "A session= needs the task store in its own SQL database (SQLite, PostgreSQL or "
                f"MariaDB); this one is in {self.backend.place}."
            )
        return found

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Call something on the engine's loop, from any thread, if the loop is still there."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args)
