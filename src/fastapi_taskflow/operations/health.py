"""Whether this instance can take and run tasks now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from fastapi_taskflow.backends.base import Finding, Grade, Level, Peer
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.executors import ExecutorState, local_executors
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Health", "health"]

logger = logging.getLogger(__name__)

# Probes give up after one to five seconds; they shall get an answer before that.
_PATIENCE_SECONDS = 2.0
# Of the tasks that something is wrong with.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How this instance is.

    Attributes:
        instance: Its id.
        grade: What an accepted durable task survives.
        draining: It stops, and takes nothing on.
        store_answers: Within two seconds.
        store_trouble: What it said instead, if anything.
        lag: Seconds by which the event loop answered late; None where the store does not say.
        unsettled: Ends of tasks that wait to be stored.
        overfull: So many of them that nothing new is started.
        strained: The event loop is later than ``max_loop_lag``: nothing new is started.
        late: Ends that came after another instance had taken the task over.
        events_dropped: Events that observers were too slow for.
        states_dropped: States of ``persist=False`` tasks that were never stored.
        unreadable: By function, why its stored tasks could not be read here lately.
        states_cut: Such states that were stored without a value that cannot be.
        failing: What does not get on here now, in words, by name.
        stuck: Tasks whose end the store does not take, and why.
        damaged: Tasks that somebody damaged in the store, and what of them; the latest met.
        store_findings: What the store says of its own state; up to a minute old.
        executors: Of this process, by name.
    """

    instance: str
    grade: Grade
    draining: bool
    store_answers: bool
    store_trouble: str | None = None
    lag: float | None
    unsettled: int
    overfull: bool
    strained: bool
    late: int
    events_dropped: int
    states_dropped: int
    unreadable: Mapping[str, str]
    states_cut: int
    failing: Mapping[str, str]
    stuck: Mapping[str, str]
    damaged: Mapping[str, str]
    store_findings: Sequence[Finding]
    executors: list[ExecutorState]

    @property
    def ready(self) -> bool:
        """Tasks may be sent here."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why no task should be sent here."""
        found = []
        if self.draining:
            found.append("draining")
        if not self.store_answers:
            why = f": {self.store_trouble}" if self.store_trouble else ""
            found.append(f"the store does not answer{why}")
        if self.overfull:
            found.append("too many ends of tasks wait for the store")
        return tuple(found)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What somebody should see to, although tasks may be sent here."""
        problems = [one for one in self.store_findings if one.level is Level.PROBLEM]
        strained = "the event loop is later than max_loop_lag: no task starts"
        return (
            *([strained] if self.strained else []),
            *(f"{name} fails: {reason}" for name, reason in self.failing.items()),
            *(f"the end of task {one} cannot be stored: {why}" for one, why in self.stuck.items()),
            *(f"task {one} is damaged in the store: {why}" for one, why in self.damaged.items()),
            *(f"the store: {one.detail}. {one.mend or ''}".rstrip() for one in problems),
        )


async def health(desk: Desk) -> Health:
    """Whether this instance can take and run tasks now; never `StoreUnavailable`.

    The store has some seconds to answer.
    """
    engine = desk.engine
    peers, trouble = await _peers(engine)
    damaged = {} if peers is None else await _damaged(engine)
    own = [peer.lag for peer in peers or () if peer.info.instance_id == engine.instance_id]
    return Health(
        instance=engine.instance_id,
        grade=engine.backend.grade,
        draining=engine.draining,
        store_answers=peers is not None,
        store_trouble=trouble,
        lag=own[0] if own else None,
        unsettled=engine.settling.unsettled,
        overfull=not engine.settling.has_room(),
        strained=engine.lateness.is_late,
        late=engine.settling.late,
        events_dropped=engine.feed.dropped,
        states_dropped=engine.mirror.dropped,
        unreadable=engine.unreadable.functions(),
        states_cut=engine.mirror.misfits,
        failing={name: one.reason for name, one in engine.core.supervisor.failing.items()},
        stuck=dict(islice(engine.settling.stuck.items(), _NAMED)),
        damaged=damaged,
        store_findings=() if peers is None else await engine.core.vitals.now(_PATIENCE_SECONDS),
        executors=local_executors(engine),
    )


async def _damaged(engine: Engine) -> dict[str, str]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await engine.core.damaged.now(_NAMED)
    except (StoreUnavailable, TimeoutError) as error:
        logger.debug("Nobody knows what is damaged: %r", error)
        return {}


async def _peers(engine: Engine) -> tuple[tuple[Peer, ...] | None, str | None]:
    """Who is enlisted; None if the store does not say so in time, and what it says instead."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return (await engine.backend.signals(engine.instance_id)).peers, None
    except (StoreUnavailable, TimeoutError) as error:
        # Probes ask every few seconds, and services have told of the outage.
        logger.debug("Not ready, the store does not answer: %r", error)
        return None, str(error) or None
