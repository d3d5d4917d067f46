"""This instance among the others: enlisted, alive, attentive, and standing in for the dead."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time

from fastapi_taskflow._version import __version__
from fastapi_taskflow.backends.base import InstanceInfo
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.supervisor import Wakeup
from fastapi_taskflow.engine.end.interventions import Interventions
from fastapi_taskflow.engine.fleet.presence import Presence
from fastapi_taskflow.engine.fleet.recovery import Recovery
from fastapi_taskflow.engine.run.hints import Hints
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Fleet"]

logger = logging.getLogger(__name__)

# Other instances may change the store hundreds of times a second.
_SHORTEST_ROUND_SECONDS = 0.05
# So long after a hint: what can be claimed for it goes first.
_BEHIND_SECONDS = 0.02
# A store that is down must not keep the process from ending.
_GOODBYE_SECONDS = 0.5
_ENLIST_PAUSE_SECONDS = 0.5


class Fleet:
    """Heartbeat, signals from others, and recovery from dead instances."""

    def __init__(
        self, core: Core, changes: Changes, interventions: Interventions, hints: Hints
    ) -> None:
        self._core = core
        self._backend = core.backend
        self._settings = core.settings
        self._changes = changes
        self._interventions = interventions
        self._hints = hints
        self._wake = Wakeup()
        self._presence: Presence | None = None
        self._recovery = Recovery(
            core.backend,
            core.clock,
            interval=core.settings.heartbeat_interval,
            instance=lambda: core.instance_id,
            recovered=interventions.recovered,
        )
        self._strays_due = 0.0

    async def start(self) -> None:
        """Enlist and recover what dead instances left, before anything is claimed."""
        await self._enlist()
        await self._listen()
        self._core.supervisor.loop("watch", self._round)

    def abort(self) -> None:
        """The start has failed: this instance must not beat on, nor come to life again."""
        presence, self._presence = self._presence, None
        if presence is not None:
            presence.stop()

    async def stop(self) -> None:
        """Say goodbye; the store must not hold anything for this instance any more."""
        if self._presence is not None:
            await self._presence.stopped(_GOODBYE_SECONDS)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._backend.retire(self._core.instance_id)
        except Exception as exc:  # without a goodbye the others will find it dead
            silent = f"the store did not answer within {_GOODBYE_SECONDS:g} s"
            # A timeout has no text.
            reason = silent if isinstance(exc, TimeoutError) else exc
            logger.warning("Instance %s could not say goodbye: %s", self._core.instance_id, reason)

    def hint(self) -> None:
        """Another instance may have changed something."""
        self._wake.set()
        self._hints.tell()

    def refresh(self, task: LiveTask) -> None:
        """Learn from the store how a task goes on that is not ours any more."""
        self._core.supervisor.spawn(self._refresh(task), "refresh")

    def info(self) -> InstanceInfo:
        """What this instance says of itself."""
        return InstanceInfo(
            instance_id=self._core.instance_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._core.clock.now(),
            roles=self._settings.roles,
            ttl=self._settings.instance_ttl,
            functions=self._core.registry.names(),
            version=__version__,
            executors={name: pool.limit for name, pool in self._core.queues.pools.items()},
        )

    async def _enlist(self) -> None:
        await self._backend.enlist(self.info())
        self._presence = Presence(
            self._beat, self._core.instance_id, self._settings.heartbeat_interval, self._beaten
        )
        self._presence.start()

    async def _beat(self, instance: str, lag: float) -> bool:
        # In the thread of the heartbeat: it only looks.
        core = self._core
        running = sum(pool.called for pool in tuple(core.queues.pools.values()))
        return await self._backend.beat(instance, lag, running=running, draining=core.draining)

    async def _round(self) -> None:
        begun = time.monotonic()
        await self._wake.wait(self._settings.watch_interval)
        await asyncio.sleep(_BEHIND_SECONDS)
        await self._listen()
        if time.monotonic() >= self._strays_due:
            interventions = self._interventions
            self._strays_due = time.monotonic() + self._settings.heartbeat_interval
            for claim in await self._recovery.strays(interventions.holds):
                try:
                    interventions.stray(claim)
                except Exception as exc:  # whatever is wrong with it, others wait behind it
                    text = "Task %s is ours and could not be ended"
                    notify(logger, logging.ERROR, text, claim.lease.task_id, error=exc)
            interventions.forget_settled()
        rest = _SHORTEST_ROUND_SECONDS - (time.monotonic() - begun)
        if rest > 0:
            await self._wake.wait(rest)

    async def _listen(self) -> None:
        queues = self._core.queues
        edition, asked = queues.edition, self._recovery.now()
        signals = await self._backend.signals(self._core.instance_id)
        # What was read beside an own change could undo it here; the next look is newer.
        if edition is not None and edition == queues.edition and queues.apply(signals.queues):
            self._hints.hint()
        for task_id in signals.cancel:
            self._interventions.cancel_signalled(task_id)
        if self._core.maintains:
            await self._recovery.look(signals.peers, asked)

    def _beaten(self, instance: str, alive: bool | None) -> None:
        if instance != self._core.instance_id or self._presence is None or self._core.draining:
            return
        self._recovery.beaten(stored=bool(alive))
        if alive is False:
            self._core.supervisor.spawn(self._take_new_id(), "rebirth")

    async def _take_new_id(self) -> None:
        old = self._core.instance_id
        if self._presence is not None:
            self._presence.stop()
        self._core.instance_id = new_id()
        logger.error(
            "Instance %s was declared dead while it lived (paused, or cut off from the "
            "store); it goes on as %s",
            old,
            self._core.instance_id,
        )
        self._interventions.declared_dead()
        while True:
            try:
                await self._enlist()
                break
            except StoreUnavailable as exc:
                # Without a row we are dead to the store, which gives us nothing to run.
                logger.warning("Instance %s could not enlist: %s", self._core.instance_id, exc)
                await asyncio.sleep(_ENLIST_PAUSE_SECONDS)
        self._interventions.reclaim_plain()

    async def _refresh(self, task: LiveTask) -> None:
        (stored,) = await self._backend.get([task.record.task_id])
        if stored is None or task.held:
            return
        record, status = task.record, stored.record.status
        if status is not TaskStatus.RUNNING:
            record.end_time = stored.record.end_time
            record.error = stored.record.error
            record.stacktrace = stored.record.stacktrace
        self._changes.become(task, status, heard=False)
