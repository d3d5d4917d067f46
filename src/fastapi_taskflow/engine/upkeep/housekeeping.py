"""What is done now and then: old records go, rollups are folded, and queues without a
configuration are served.

Any instance may do it, several at once: each batch is one transaction of the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Housekeeping", "Swept"]

logger = logging.getLogger(__name__)

# A batch with its logs takes milliseconds, which is what others wait for the write lock.
_BATCH = 200
# Between two batches at least; longer where a batch took longer, so that others get half
# of the store's time or more.
_REST_SECONDS = 0.01
_LONGEST_REST_SECONDS = 1.0
# Starting has more urgent things to do.
_FIRST_ROUND_SECONDS = 1.0


class Swept(NamedTuple):
    """What a purge deleted, by id: of this process's own store, and of the backend.

    ``more``: the bound was reached before everything was deleted; the process's own store
    is left for the last part.
    """

    store: tuple[str, ...]
    backend: tuple[str, ...]
    more: bool


class Housekeeping:
    """Rounds of tidying on this instance, and the purge that operators ask for.

    Args:
        hint: Told of a queue in which the store has something to claim.
    """

    def __init__(self, core: Core, *, hint: Callable[[str], None]) -> None:
        self._core = core
        self._hint = hint
        self._pause = min(_FIRST_ROUND_SECONDS, core.settings.housekeeping_interval)
        self._began, self._began_at = core.clock.now(), core.clock.monotonic()

    def start(self) -> None:
        """Begin the rounds that the instance's roles ask for."""
        if self._core.executes or self._core.maintains:
            self._core.supervisor.loop("housekeeping", self._round)

    async def sweep(
        self,
        before: datetime | None,
        *,
        most: int,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Swept:
        """Delete what ended before an instant, in batches with rests between them.

        Args:
            before: None: no records, only what `Backend.purge` tidies in any case.
            most: About so many records at most; the last batch may go beyond it.
            progress: Told after each batch how many records are gone.

        Raises:
            StoreUnavailable: the store does not answer; earlier batches stay deleted.
        """
        core = self._core
        gone: list[str] = []
        keys = 0
        while True:
            begun = time.monotonic()
            batch = await core.backend.purge(before, limit=_BATCH)
            gone += batch.task_ids
            progress(len(gone))
            keys += batch.keys
            if not batch.left_some(_BATCH):
                own = () if before is None else core.store.purge(before)
                return Swept(own, tuple(gone), more=False)
            if max(len(gone), keys) >= most or core.draining:
                return Swept((), tuple(gone), more=True)
            await _rest(begun)

    async def _round(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = self._core.settings.housekeeping_interval
        if self._core.draining:
            return
        steps: list[Callable[[], Awaitable[None]]] = []
        if self._core.executes:
            steps.append(self._adopt_queues)
        if self._core.maintains:
            steps.append(self._retain)
        failure: Exception | None = None
        for step in steps:
            try:
                await step()
            except Exception as exc:  # of no concern to the others; told after them
                failure = exc
        if failure is not None:
            raise failure

    async def _retain(self) -> None:
        settings = self._core.settings
        before = None
        if settings.retention_days is not None:
            before = self._trusted_now() - timedelta(days=settings.retention_days)
        swept = await self.sweep(before, most=settings.purge_limit)
        if swept.backend:
            logger.info(
                "Deleted %d task records older than %g days",
                len(swept.backend),
                settings.retention_days,
            )
        if swept.more:
            self._pause = _REST_SECONDS

    def _trusted_now(self) -> datetime:
        """Now, as far as this process has lived through it.

        What is deleted stays so. A clock that jumps forward may be wrong, and only a later
        start takes it at its word.
        """
        clock = self._core.clock
        lived = timedelta(seconds=clock.monotonic() - self._began_at)
        return min(clock.now(), self._began + lived)

    async def _adopt_queues(self) -> None:
        """Serve due tasks of ours in queues that nobody configured here.

        A queue that was taken out of the configuration must not strand its tasks.
        """
        core = self._core
        functions = core.registry.names()
        found = {
            tally.queue
            for tally in await core.backend.tally()
            if tally.status is TaskStatus.PENDING
            and tally.rows > 0
            and tally.queue not in core.queues
            and tally.func_name in functions
        }
        for name in sorted(found):
            due = await core.backend.next_due([name])
            if due is None or due > 0:
                continue
            logger.warning(
                "Queue %r is not configured, but the store has tasks in it: they run without "
                "limits. Add it to queues=, or leave it out when it is empty",
                name,
            )
            core.queues.get(name)
            self._hint(name)


async def _rest(begun: float) -> None:
    """Leave the store to others for as long as it was busy with us."""
    took = time.monotonic() - begun
    await asyncio.sleep(min(max(took, _REST_SECONDS), _LONGEST_REST_SECONDS))
