"""Schedules of the code, brought to the store at the start; and those that left the code.

One is retired when nobody who is alive declares it: at the start of the only instance, or when
it has been due for a while and nobody has run it. So an older release that runs beside a newer
one keeps its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from fastapi_taskflow.backends.base import ScheduleChange, Schedules, StoredSchedule
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.payloads import encode
from fastapi_taskflow.engine.core.schedules import Schedule, errand_of, newer, port_of
from fastapi_taskflow.rules.schedules.definition import (
    CODE,
    Declared,
    State,
    key_of,
    name_of,
)
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Declaring"]

logger = logging.getLogger(__name__)

# In one read or transaction.
_CHUNK = 500
# Of a schedule that others change at the same time.
_MOST_TRIES = 10
# All instances that declare a schedule look every second.
_NEGLECTED_SECONDS = 30.0


class Declaring:
    """What this process's code says of schedules."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._declared = core.registry.schedules

    async def declare(self) -> None:
        """Bring the store up to date with the code.

        Raises:
            ConfigurationError: a schedule's queue is none, or the store keeps no schedules.
        """
        if not self._declared:
            return
        self._check()
        port = port_of(self._core)
        names = list(self._declared)
        for _ in range(_MOST_TRIES):
            lost: list[str] = []
            now = (await port.due(limit=0)).now
            for begin in range(0, len(names), _CHUNK):
                lost += await self._declare(port, names[begin : begin + _CHUNK], now)
            if not lost:
                return
            names = lost

    async def retire(self) -> None:
        """Retire what is stored and nowhere in the code, if no other instance may have it."""
        core = self._core
        signals = await core.backend.signals(core.instance_id)
        others = [one for one in signals.peers if one.info.instance_id != core.instance_id]
        if core.backend.schedules is None or any(not one.gone for one in others):
            return
        port, after = core.backend.schedules, key_of("")
        now = (await port.due(limit=0)).now
        while page := await port.page(limit=_CHUNK, after=after):
            found = [one for row in page if (one := self._left(row, now)) is not None]
            if found:
                await port.change(found)
            after = page[-1].name

    def is_neglected(self, schedule: Schedule, now: datetime) -> bool:
        """It is due, and whoever can run it should have done so."""
        due = schedule.stored.next_at
        return due is not None and (now - due).total_seconds() >= _NEGLECTED_SECONDS

    def retired(self, schedule: Schedule, now: datetime) -> ScheduleChange:
        """Without those slots that nobody ran."""
        logger.warning("Schedule %r is in no instance's code any more: retired", schedule.name)
        return schedule.change(now, retired=True)

    def is_foreign(self, schedule: Schedule) -> bool:
        """It is of another code than this process's: declared in it, or with its function."""
        if schedule.state.origin == CODE:
            return self._is_gone(schedule)
        return self._core.registry.by_name(schedule.definition.errand.func_name) is None

    def _is_gone(self, schedule: Schedule) -> bool:
        """It was declared in a code, and is not in this process's."""
        return schedule.state.origin == CODE and schedule.name not in self._declared

    async def _declare(self, port: Schedules, names: list[str], now: datetime) -> list[str]:
        """Those that somebody changed at the same time."""
        stored = await port.find([key_of(name) for name in names])
        found = list(self._changes(dict(zip(names, stored, strict=True)), now))
        answers = await port.change(found) if found else []
        lost = zip(found, answers, strict=True)
        return [name_of(one.name) or "" for one, answer in lost if answer is None]

    def _changes(
        self, stored: dict[str, StoredSchedule | None], now: datetime
    ) -> Iterator[ScheduleChange]:
        for name, row in stored.items():
            change = self._change(name, self._declared[name], row, now)
            if change is not None:
                yield change

    def _change(
        self, name: str, one: Declared, stored: StoredSchedule | None, now: datetime
    ) -> ScheduleChange | None:
        core = self._core
        registered = core.registry.by_name(one.definition.errand.func_name)
        if registered is None:
            return None
        definition = one.definition
        definition = definition._replace(errand=errand_of(registered, definition.errand))
        payload = encode(core, registered, one.args, one.kwargs, durable=True)
        known = None if stored is None else _known(stored)
        state = State(CODE, now) if known is None else known.state
        if known is not None:
            if state.origin != CODE:
                logger.warning("Schedule %r was made while the app ran; its code has it now", name)
            if state.retired or known.definition.times != definition.times:
                state = state._replace(anchor=max(state.anchor, now), retired=False)
            state = state._replace(origin=CODE)
            if (state, definition, payload) == (
                known.state,
                known.definition,
                known.stored.payload,
            ):
                return None
        version = 0 if stored is None else stored.version
        new = StoredSchedule(
            key_of(name), newer(version, now), definition.text(), state.text(), payload, None
        )
        then = Schedule(name, new, definition, state).next_at()
        return ScheduleChange(new.name, version, new._replace(next_at=then))

    def _left(self, stored: StoredSchedule, now: datetime) -> ScheduleChange | None:
        known = _known(stored) if name_of(stored.name) is not None else None
        if known is None or known.state.retired or not self._is_gone(known):
            return None
        logger.info("Schedule %r is gone from the code: retired", known.name)
        return known.change(now, retired=True)

    def _check(self) -> None:
        queues = self._core.queues
        for name, one in self._declared.items():
            queue = one.definition.errand.queue
            if queue not in queues:
                raise ConfigurationError(
                    f"Schedule {name!r} has queue={queue!r}, and no queue has this name."
                    f"{limits.near(queue, queues.names())}"
                )


def _known(stored: StoredSchedule) -> Schedule | None:
    try:
        return Schedule.read(stored)
    except (ValueError, KeyError, TypeError):  # damaged: the code has it anew
        return None
