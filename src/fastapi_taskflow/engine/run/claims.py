"""Taking tasks from the store: as many as there are free slots, when something hints at some."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from fastapi_taskflow.backends.base import Claimed, ClaimRequest
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.run.dispatcher import Dispatcher
from fastapi_taskflow.engine.run.handing import Befores, befores
from fastapi_taskflow.engine.run.hints import POLL_SECONDS, Hints
from fastapi_taskflow.rules.retry import QUARANTINE_FROM
from fastapi_taskflow.words.ids import new_id

__all__ = ["Claims"]

logger = logging.getLogger(__name__)

# How soon to look again where what is due could not be claimed and a key's rate may be why.
_HELD_SECONDS = 0.05


class Claims:
    """Rounds of claiming, until the drain.

    Args:
        adopt: Makes a claimed task live here; None if it is already, or cannot be run.
        has_room: More may start here: it can end, and requests do not suffer.
    """

    def __init__(
        self,
        core: Core,
        hints: Hints,
        dispatcher: Dispatcher,
        *,
        adopt: Callable[[Claimed, Befores], LiveTask | None],
        has_room: Callable[[], bool],
    ) -> None:
        self._core = core
        self._queues = core.queues
        self._hints = hints
        self._dispatcher = dispatcher
        self._adopt = adopt
        self._has_room = has_room
        # A claim is on its way: what it takes belongs to this instance, and must not be left so.
        self.asking = False

    def start(self) -> None:
        self._core.supervisor.loop("claims", self._round)

    async def _round(self) -> None:
        self._dispatcher.fill()
        timeout = POLL_SECONDS
        if not self._core.draining and self._has_room():
            told, self._hints.told = self._hints.told, False
            hinted = bool(self._hints.queues)
            if hinted and await self._claim():
                return
            pause = self._core.limiting.pause
            # Queues without a free slot stay hinted: they must not hide the others. What a rate
            # has held back is due, and nobody will hint at it. Nor at what is due soon elsewhere.
            rated = bool(self._core.limiting.keys())
            if not hinted or told or self._hints.queues or pause is not None or rated:
                due = await self._next_due()
                if due <= 0:
                    if await self._claim():
                        return
                    # What found no token for its key is due when there is one.
                    due = max(await self._next_due(), _HELD_SECONDS) if rated else POLL_SECONDS
                    due = due if pause is None else min(due, pause)
                timeout = min(timeout, due)
        await self._hints.wait(timeout)

    async def _next_due(self) -> float:
        """Seconds until the store has a task for a queue that is not hinted; hints if now."""
        names = [
            q.name
            for q in self._queues
            if not q.paused and q.name not in self._hints.queues and self._hints.claims_from(q.name)
        ]
        due = await self._core.backend.next_due(names) if names else None
        if due is None:
            return POLL_SECONDS
        if due <= 0:
            self._hints.queues.update(names)
        return due

    async def _claim(self) -> bool:
        """Claim for every pool; True if another round may find more at once."""
        asked, self._hints.queues = self._hints.queues, set()
        more: set[str] = set()
        found = 0
        for pool in self._queues.pools.values():
            functions = self._core.registry.functions(pool.name)
            if not functions or self._core.draining:
                continue
            # What is started ahead is claimed ahead as well, or each claim would be waited for.
            spare = max(0, pool.ahead - self._queues.waiting_for(pool.name))
            limit = min(
                pool.free() + spare, self._core.settings.claim_window - self._queues.running
            )
            slots = self._slots(asked, pool, limit)
            more |= asked - slots.keys()
            if not slots:
                continue
            request = ClaimRequest(
                self._core.instance_id,
                new_id(),
                slots,
                limit,
                functions,
                0 if self._dispatcher.suspects else 1,
                self._core.limiting.of(slots, functions),
                self._ageing(slots),
            )
            try:
                claims = await self._ask(request)
            except BaseException:
                self._hints.queues |= asked
                raise
            found += len(claims)
            taken = Counter(claim.task.record.queue for claim in claims)
            full = len(claims) >= limit
            more |= {name for name in slots if full or taken[name] >= slots[name]}
            self._dispatcher.fill()
        # Queues without a free slot stay hinted: the next release looks again.
        self._hints.queues |= more
        return found > 0 and bool(self._hints.queues)

    async def _ask(self, request: ClaimRequest) -> list[Claimed]:
        """Claim, and take on what was claimed."""
        self.asking = True
        try:
            claims = await self._core.backend.claim(request)
            before = await befores(self._core, claims)
            for claim in claims:
                try:
                    self._take_on(claim, before)
                # Of no concern to the others: it is found again as one of ours that is not held.
                except Exception as exc:
                    text = "Task %s was claimed and cannot be taken on"
                    notify(logger, logging.ERROR, text, claim.lease.task_id, error=exc)
        finally:
            self.asking = False
            self._core.progress.set()
        return claims

    def _slots(self, asked: set[str], pool: Pool, limit: int) -> dict[str, int]:
        slots: dict[str, int] = {}
        for state in map(self._queues.get, asked):
            waiting = len(state.lines.get(pool.name, ()))
            if waiting <= pool.ahead and limit > 0 and state.free > waiting:
                slots[state.name] = min(state.free - waiting, limit)
        return slots

    def _ageing(self, names: Iterable[str]) -> dict[str, timedelta]:
        steps = {name: self._queues.get(name).ageing for name in names}
        return {name: timedelta(seconds=step) for name, step in steps.items() if step is not None}

    def _take_on(self, claim: Claimed, before: Befores) -> None:
        task = self._adopt(claim, before)
        if task is None:
            return
        if task.interruptions >= QUARANTINE_FROM:
            self._dispatcher.suspects.add(task.record.task_id)
        self._dispatcher.submit(task)
