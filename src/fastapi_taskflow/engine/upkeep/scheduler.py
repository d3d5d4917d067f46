"""Rounds of running what is due: any instance, without a leader. Actions on many tasks too.

Each looks at what is due, decides, and sends a change; of several that do, the store hears one.
It sleeps until the next date and at most a second, so a change by another instance is seen, and
a clock that was set.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from fastapi_taskflow.backends.base import (
    Admission,
    DueSchedules,
    KeyConflict,
    QueueIsFull,
    ScheduleChange,
    Schedules,
    StoredSchedule,
    StoredTask,
)
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.groupcommit import in_parts
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.schedules import Schedule, new_task
from fastapi_taskflow.engine.core.supervisor import Wakeup
from fastapi_taskflow.engine.upkeep.bulkruns import BulkRuns
from fastapi_taskflow.engine.upkeep.declaring import Declaring
from fastapi_taskflow.engine.upkeep.succession import Succession
from fastapi_taskflow.rules.bulk import bulk_id_of
from fastapi_taskflow.rules.schedules.catchup import Chosen, Previous, choose, leave_out
from fastapi_taskflow.rules.schedules.definition import CODE, Once, Slot, key_of, name_of
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import AuditEntry
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Scheduler"]

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
# In one transaction, and in one read.
_BATCH, _READ = 500, 2_000
# Deciding about hundreds takes longer than a request should wait.
_SLICE_SECONDS = 0.01
_DECLARE_SECONDS = 300.0
# Of several processes that start together one makes the run of the start.
_STARTUP_SECONDS = 60.0


class Scheduler:
    """Runs schedules and single dates.

    Args:
        hint: Told of a queue in which the store has something to claim.
    """

    def __init__(self, core: Core, *, hint: Callable[[str], None]) -> None:
        self._core = core
        self._hint = hint
        self._declaring = Declaring(core)
        self._bulk = BulkRuns(core, hint=hint)
        self._wake = Wakeup()
        self._succession = Succession(core, self._wake, _POLL_SECONDS)
        self._limit = _READ
        self._declare_at = 0.0
        self._starting = False
        # Schedules of which this process has said that it cannot run them, by their version.
        self._broken: dict[str, int] = {}

    async def start(self) -> None:
        """Bring the code's schedules to the store, before anything is run.

        Raises:
            ConfigurationError: as `Declaring.declare`.
        """
        if self._core.settings.roles:
            await self._declaring.declare()
            # What is not retired now is when it is due.
            with suppress(StoreUnavailable):
                await self._declaring.retire()
            self._declare_at = self._core.clock.monotonic() + _DECLARE_SECONDS

    def begin(self) -> None:
        """Run what is due from now on, where that is a role."""
        core = self._core
        if core.backend.schedules is not None and (core.executes or core.maintains):
            self._starting = any(one.run_on_startup for one in core.registry.schedules.values())
            core.supervisor.loop("schedules", self._round)

    def wake(self) -> None:
        """A schedule was changed here."""
        self._wake.set()

    async def _round(self) -> None:
        core, port = self._core, self._core.backend.schedules
        if port is None or core.draining:
            await self._wake.wait(_POLL_SECONDS)
            return
        if self._starting:
            await self._run_on_startup(port)
            self._starting = False
        if core.clock.monotonic() >= self._declare_at:
            self._declare_at = core.clock.monotonic() + _DECLARE_SECONDS
            await self._declaring.declare()
        due = await port.due(limit=self._limit)
        if await self._run(port, due):
            return
        # What others have to run must not hide what is behind it.
        self._limit = _READ + len(due.schedules)
        if due.wait is None or due.wait > 0 or not due.schedules:
            await self._wake.wait(min(_POLL_SECONDS, max(0.0, due.wait or _POLL_SECONDS)))

    async def _run(self, port: Schedules, due: DueSchedules) -> bool:
        """False if there was nothing for this process to do."""
        changed, changes = False, list[ScheduleChange]()
        # While the store takes some, the next are decided.
        for begin in range(0, len(due.schedules), _BATCH):
            part = due._replace(schedules=due.schedules[begin : begin + _BATCH])
            _, changes = await asyncio.gather(self._send(port, changes), self._decided(part))
            changed = changed or bool(changes)
        await self._send(port, changes)
        return changed

    async def _decided(self, due: DueSchedules) -> list[ScheduleChange]:
        found: list[ScheduleChange] = []
        read = self._read(due.schedules)
        last = await self._last_runs(one for one in read if isinstance(one, Schedule))
        until = time.monotonic() + _SLICE_SECONDS
        for one in read:
            try:
                change = (
                    self._decide(one, due.now, last)
                    if isinstance(one, Schedule)
                    else self._once(*one)
                )
            except Exception as exc:  # of no concern to the others
                row = one.stored if isinstance(one, Schedule) else one[0]
                self._cannot(row.name, row.version, exc)
                continue
            if change is not None:
                found.append(change)
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + _SLICE_SECONDS
        return found

    def _read(self, rows: Sequence[StoredSchedule]) -> list[Schedule | tuple[StoredSchedule, Once]]:
        found: list[Schedule | tuple[StoredSchedule, Once]] = []
        for row in rows:
            if self._broken.get(row.name) == row.version or row.unopened:
                continue
            if bulk_id_of(row.name) is not None:
                self._bulk.offer(row)
                continue
            try:
                is_schedule = name_of(row.name) is not None
                found.append(
                    Schedule.read(row) if is_schedule else (row, Once.read(row.definition))
                )
            except Exception as exc:  # damaged, or of a newer version
                self._cannot(row.name, row.version, exc)
        return found

    def _decide(
        self, schedule: Schedule, now: datetime, last: Mapping[str, StoredTask]
    ) -> ScheduleChange | None:
        table, state = schedule.table, schedule.state
        if self._declaring.is_foreign(schedule):
            if not self._declaring.is_neglected(schedule, now):
                return None
            if state.origin == CODE:
                return self._declaring.retired(schedule, now)
            # It waits for a release that has its function.
            chosen: Chosen | None = leave_out(table, state.anchor, now)
        else:
            previous = _previous(last.get(_last_id(schedule) or ""))
            chosen = choose(table, state.anchor, now, schedule.definition.policy, previous)
        if chosen is None:
            self._succession.after(_last_id(schedule) or "")
            return None
        tasks = [schedule.task(self._core, slot) for slot in chosen.run]
        slots = [
            Slot(slot, "slot", task.task_id) for slot, task in zip(chosen.run, tasks, strict=True)
        ]
        if chosen.left is not None:
            at, why = chosen.left
            slots = sorted([*slots, Slot(at, why.value)])
            logger.warning("Schedule %r leaves out %s: %s", schedule.name, at, why.value)
        noted = state.noting(*slots)._replace(anchor=chosen.anchor)
        return schedule._replace(state=noted).put(now, chosen.next_at, *tasks)

    def _once(self, row: StoredSchedule, once: Once) -> ScheduleChange:
        task = new_task(self._core, once.errand, row.payload)
        # Its date as its caller's clock has it.
        return ScheduleChange(row.name, row.version, None, (task._replace(due_at=once.fire_at),))

    async def _last_runs(self, schedules: Iterable[Schedule]) -> dict[str, StoredTask]:
        """Of schedules whose runs must not overlap."""
        ids = [
            task_id
            for one in schedules
            if one.definition.policy.overlap != "allow" and (task_id := _last_id(one))
        ]
        found = await self._core.backend.get(ids)
        return {one.record.task_id: one for one in found if one is not None}

    async def _send(self, port: Schedules, changes: Sequence[ScheduleChange]) -> None:
        core, begin = self._core, 0

        async def write(part: list[ScheduleChange]) -> list[tuple[Admission, ...] | None]:
            key_ttl = core.settings.idempotency_ttl
            return await port.change(part, core.queues.limits(), key_ttl=key_ttl)

        async for size, answers, error in in_parts(changes, write):
            part, begin = changes[begin : begin + size], begin + size
            if isinstance(error, StoreUnavailable):
                raise error
            if error is not None:
                self._cannot(part[0].name, part[0].version, error)
            for change, answer in zip(part, answers or (), strict=answers is not None):
                self._sent(change, answer)
            await self._note_dropped(part, answers or ())

    def _sent(self, change: ScheduleChange, answer: tuple[Admission, ...] | None) -> None:
        """None: another instance was quicker."""
        for task, admission in zip(change.tasks, answer or (), strict=answer is not None):
            match admission:
                case QueueIsFull(queue, max_size):
                    text = "A run of %r was rejected: queue %r holds %d tasks already"
                    logger.warning(text, change.name[2:], queue, max_size)
                case KeyConflict(key, holder):
                    text = "A run of %r was dropped: its key %r is held by task %s"
                    logger.error(text, change.name[2:], key, holder)
                case _:
                    self._hint(task.queue)

    async def _note_dropped(
        self,
        changes: Sequence[ScheduleChange],
        answers: Sequence[tuple[Admission, ...] | None],
    ) -> None:
        """Who gave a date a key is not there any more when it comes: the audit tells."""
        core = self._core
        entries = [
            AuditEntry(
                new_id(),
                "drop_scheduled",
                one.task_id,
                "scheduler",
                core.clock.now(),
                core.settings.redactor.details({"run_key": change.name[2:], "key": one.key}),
            )
            for change, answer in zip(changes, answers, strict=False)
            for one in answer or ()
            if isinstance(one, KeyConflict)
        ]
        if entries:
            await core.backend.append_audit(entries)

    def _cannot(self, key: str, version: int, exc: Exception) -> None:
        if self._broken.get(key) != version:
            self._broken[key] = version
            notify(logger, logging.ERROR, "Schedule %r cannot be run", key[2:], error=exc)

    async def _run_on_startup(self, port: Schedules) -> None:
        core = self._core
        signals = await core.backend.signals(core.instance_id)
        alone = all(one.gone or one.info.instance_id == core.instance_id for one in signals.peers)
        wanted = [name for name, one in core.registry.schedules.items() if one.run_on_startup]
        for row in await port.find([key_of(name) for name in wanted]):
            if row is None or row.unopened:
                continue
            schedule, now = Schedule.read(row), (await port.due(limit=0)).now
            runs = [slot.at for slot in schedule.state.slots if slot.task_id is not None]
            recent = bool(runs) and (now - runs[-1]).total_seconds() < _STARTUP_SECONDS
            if not schedule.state.rests and (alone or not recent):
                # Who is not heard was not the first.
                await self._send(port, [schedule.run(core, now, now, "startup")])


def _last_id(schedule: Schedule) -> str | None:
    slots = schedule.state.slots
    return next((slot.task_id for slot in reversed(slots) if slot.task_id is not None), None)


def _previous(task: StoredTask | None) -> Previous:
    if task is None:
        return Previous()
    record = task.record
    return Previous(record.status not in TERMINAL, record.end_time)
