"""Which task runs next on this instance, and taking tasks from the store.

Tasks that this instance holds go to a slot or stand in line for one. Tasks that wait in
the store are claimed, as many as there are free slots, when something hints that there
are some: an own insert, a freed slot, a due time, another instance. A slow poll covers
hints that got lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from fastapi_taskflow.backends.base import Claimed, ClaimRequest
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.core.supervisor import Supervisor, Wakeup
from fastapi_taskflow.engine.run.adoption import adopt
from fastapi_taskflow.engine.run.starts import Starts
from fastapi_taskflow.rules.retry import QUARANTINE_FROM
from fastapi_taskflow.words.ids import new_id

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Dispatcher"]

logger = logging.getLogger(__name__)

# A hint may get lost; a due task is found after this long all the same.
_POLL_SECONDS = 1.0


class Dispatcher:
    """Starts what may start."""

    def __init__(self, engine: Engine, supervisor: Supervisor) -> None:
        self._engine = engine
        self._backend = engine.backend
        self._queues = engine.queues
        self._window = engine.settings.claim_window
        self._supervisor = supervisor
        self._wake = Wakeup()
        self._starts = Starts(engine, supervisor)
        self._pump_scheduled = False
        # Ids of quarantined tasks that hold a slot here; at most one at a time.
        self._suspects: set[str] = set()
        # Queues in which the store may have due tasks for us.
        self._hinted: set[str] = set(filter(self._claims_from, engine.queues.names()))
        self.claiming = False
        # A claim is on its way: what it takes belongs to this instance, and must not be left so.
        self.asking = False
        # Lines move. Before and after, accepted tasks only stand in them.
        self.begun = False

    # Tasks held here

    def submit(self, task: LiveTask, *, at_once: bool = False) -> None:
        """Let a held task stand in line, which moves at the end of this loop iteration.

        So tasks that were accepted together start in their order.

        Args:
            at_once: Start it now if it can start; as for `Attempts.run`.
        """
        may_run = self._queues.may_run(task) and self._may_start
        if may_run and at_once:
            self._queues.take(task)
            self._starts.begin(task, at_once=True)
            return
        self._queues.push(task)
        if may_run:
            self.pump()

    @property
    def starting(self) -> set[LiveTask]:
        """Tasks that have their slots, and whose function was not called yet."""
        return self._starts.tasks

    def released(self, task: LiveTask) -> None:
        """A task whose function was called left its slots."""
        self._starts.ended(task)
        self.let_go(task)

    def let_go(self, task: LiveTask) -> None:
        """A task left its slots."""
        self._queues.release(task)
        if self._suspects:
            self._suspects.discard(task.record.task_id)
        if self._hinted or self._queues.standing:
            self.pump()

    def pump(self) -> None:
        """Fill free slots at the end of this loop iteration."""
        if not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def may_hold(self, task: LiveTask) -> bool:
        """A new task should be born claimed: it could start now, and none waits before it.

        Then a slot is reserved for it: what comes beside it is left to whoever has another.
        """
        return (
            self.claiming
            and self._claims_from(task.record.queue)
            and task.record.queue not in self._hinted
            and not self._engine.settling.full
            and self._in_hand() < self._window
            and self._queues.reserve(task)
        )

    @property
    def _may_start(self) -> bool:
        return self.begun and not self._engine.settling.full

    def _pump(self) -> None:
        self._pump_scheduled = False
        self._fill()
        if self._hinted:
            self._wake.set()

    def _fill(self) -> None:
        while self._may_start and (task := self._queues.next_ready()) is not None:
            self._starts.begin(task)

    # Tasks in the store

    def begin(self, *, claims: bool) -> None:
        """Let the lines move; ``claims``: and fill them from the store. Idempotent."""
        if self.begun:
            return
        self.begun = True
        self.pump()
        if claims:
            self.claiming = True
            self._supervisor.loop("claims", self._round)

    def drain(self) -> None:
        """Claim nothing more; what was started and not called goes back."""
        self.claiming = False
        self._starts.give_back()

    def halt(self) -> None:
        """Nothing starts here any more."""
        self.begun = False

    def hint(self, queue: str | None = None) -> None:
        """The store may have something to claim now, in this queue or in any."""
        names = self._queues.names() if queue is None else [queue]
        self._hinted.update(filter(self._claims_from, names))
        self._wake.set()

    def nudge(self) -> None:
        """Another instance changed something: see whether there is something due."""
        self._wake.set()

    def hint_after(self, queue: str, seconds: float) -> None:
        """The store will have something to claim in a while."""
        if seconds <= 0:
            self.hint(queue)
        elif seconds < _POLL_SECONDS:
            asyncio.get_running_loop().call_later(seconds, self.hint, queue)

    async def _round(self) -> None:
        self._fill()
        timeout = _POLL_SECONDS
        if self.claiming and not self._engine.settling.full:
            hinted = bool(self._hinted)
            if hinted and await self._claim():
                return
            # Queues without a free slot stay hinted: they must not hide the others.
            if not hinted or self._hinted:
                due = await self._next_due()
                if due > 0:
                    timeout = min(timeout, due)
                elif await self._claim():
                    return
        await self._wake.wait(timeout)

    async def _next_due(self) -> float:
        """Seconds until the store has a task for a queue that is not hinted; hints if now."""
        names = [
            q.name
            for q in self._queues
            if not q.paused and q.name not in self._hinted and self._claims_from(q.name)
        ]
        due = await self._backend.next_due(names) if names else None
        if due is None:
            return _POLL_SECONDS
        if due <= 0:
            self._hinted.update(names)
        return due

    async def _claim(self) -> bool:
        """Claim for every pool; True if another round may find more at once."""
        asked, self._hinted = self._hinted, set()
        more: set[str] = set()
        found = 0
        for pool in self._queues.pools.values():
            functions = self._engine.registry.functions(pool.name)
            if not functions or not self.claiming:
                continue
            # What is started ahead is claimed ahead as well, or each claim would be waited for.
            spare = max(0, pool.ahead - self._queues.waiting_for(pool.name))
            limit = min(pool.free() + spare, self._window - self._in_hand())
            slots = self._slots(asked, pool, limit)
            more |= asked - slots.keys()
            if not slots:
                continue
            request = ClaimRequest(
                self._engine.instance_id,
                new_id(),
                slots,
                limit,
                functions,
                0 if self._suspects else 1,
            )
            try:
                claims = await self._ask(request)
            except BaseException:
                self._hinted |= asked
                raise
            found += len(claims)
            taken = Counter(claim.task.record.queue for claim in claims)
            full = len(claims) >= limit
            more |= {name for name in slots if full or taken[name] >= slots[name]}
            self._fill()
        # Queues without a free slot stay hinted: the next release looks again.
        self._hinted |= more
        return found > 0 and bool(self._hinted)

    async def _ask(self, request: ClaimRequest) -> list[Claimed]:
        """Claim, and take on what was claimed."""
        self.asking = True
        try:
            claims = await self._backend.claim(request)
            for claim in claims:
                try:
                    self._take_on(claim)
                # Of no concern to the others: it is found again as one of ours that is not held.
                except Exception as exc:
                    text = "Task %s was claimed and cannot be taken on"
                    notify(logger, logging.ERROR, text, claim.lease.task_id, error=exc)
        finally:
            self.asking = False
            self._engine.flow.on_progress()
        return claims

    def _slots(self, asked: set[str], pool: Pool, limit: int) -> dict[str, int]:
        slots: dict[str, int] = {}
        for state in map(self._queues.get, asked):
            waiting = len(state.lines.get(pool.name, ()))
            if waiting <= pool.ahead and limit > 0 and state.free > waiting:
                slots[state.name] = min(state.free - waiting, limit)
        return slots

    def _take_on(self, claim: Claimed) -> None:
        task = adopt(self._engine, claim)
        if task is None:
            return
        if not self.claiming:
            # The drain began meanwhile.
            self._engine.interventions.give_back(task)
            return
        if task.interruptions >= QUARANTINE_FROM:
            self._suspects.add(task.record.task_id)
        self.submit(task)

    def _claims_from(self, queue: str) -> bool:
        claims = self._engine.settings.claims
        return claims is None or queue in claims

    def _in_hand(self) -> int:
        return sum(q.running for q in self._queues)
