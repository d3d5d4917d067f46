"""Operations from a process that takes no part: it enlists nothing, runs nothing, and leaves.

Its runtime has the roles of nobody. What it opens is the store alone.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fastapi_taskflow.backends.base import Backend, Query, Tally
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.reading import arguments, existing
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.shortids import whole

__all__ = ["Inspector", "inspecting"]

_PAGE = 1_000


class Inspector(Operations):
    """What people ask of a store beside what they ask of an app."""

    async def arguments(self, task_id: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A task's arguments, the secret ones among them masked as far as names tell.

        The names of parameters are the app's to know.

        Raises:
            TaskNotFound: no such task.
            TaskArgumentError: they were not stored.
            SealUnopened, PayloadUnreadable: they cannot be read here.
        """
        engine = self.engine
        (stored,) = await engine.backend.get([await whole(engine, task_id)])
        read = arguments(engine, existing(stored, task_id))
        return engine.settings.redactor.shown(None, *read)

    async def tally(self) -> list[Tally]:
        """How many tasks there are, by queue, function and state."""
        return await self.engine.backend.tally()

    async def learn_queues(self) -> None:
        """Of queues that are set up in an app's code, know those that have a past."""
        for tally in await self.tally():
            self.engine.queues.get(tally.queue)

    def ends_with_us(self, func_name: str) -> bool:
        """Tasks of this function are not durable: they would end with this process."""
        registered = self.engine.registry.by_name(func_name)
        return registered is not None and not self.runtime.durability.of(registered)

    async def queue_settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What operators have set, by queue and name; what is absent is as in the app's code."""
        engine = self.engine
        return (await engine.backend.signals(engine.instance_id)).queues

    async def damaged(self) -> AsyncIterator[tuple[str, str]]:
        """Reads every task; the ids of damaged ones, and what is wrong with them."""
        cursor: str | None = None
        while True:
            page = await self.engine.backend.search(Query(), limit=_PAGE, cursor=cursor)
            for task in page.tasks:
                if task.damage is not None:
                    yield task.record.task_id, task.damage
            if (cursor := page.cursor) is None:
                return

    async def purge_all(
        self,
        older_than: timedelta,
        before: datetime,
        *,
        progress: Callable[[int], None],
        actor: str,
    ) -> int:
        """As `purge_history`, however many there are; how many were deleted.

        Args:
            older_than: For the audit, which is also told of a purge that is cut off.
            before: What ended earlier goes.
            progress: Told after each batch how many are gone.
        """
        deleted = 0

        def told(count: int) -> None:
            nonlocal deleted
            deleted = count
            progress(count)

        try:
            await self.engine.housekeeping.sweep(before, most=sys.maxsize, progress=told)
        finally:
            detail = {"older_than_seconds": older_than.total_seconds(), "deleted": deleted}
            await self.note("purge", "history", actor, detail)
        return deleted


class _Nobody(Runtime):
    """Another's runtime without its roles. Its engine is never started."""

    def __init__(self, other: Runtime, backend: Backend) -> None:
        settings = replace(other.settings, roles=frozenset())
        super().__init__(backend, settings, None, other.keyring, other.executors)
        self.registry, self.durability = other.registry, other.durability

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Engine]:
        self._engine = engine = self._made()
        await engine.backend.open(lambda: None)
        try:
            yield engine
        finally:
            await engine.backend.close()
            self._engine = None


@asynccontextmanager
async def inspecting(runtime: Runtime, *, looks: bool = False) -> AsyncIterator[Inspector]:
    """Operations on the store of a runtime that is not started, during the block.

    Args:
        looks: Nothing in the store is changed, nor made; a store that is not there is an error.

    Raises:
        StoreUnavailable, ConfigurationError: the store cannot be used.
    """
    backend = runtime.backend.onlooker() if looks else runtime.backend
    nobody = _Nobody(runtime, backend)
    async with nobody.attached() as engine:
        signals = await engine.backend.signals(engine.instance_id)
        engine.queues.apply(signals.queues)
        yield Inspector(nobody)
