"""The model of a store: its verbs, without batches and without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fastapi_taskflow.backends.base import (
    Attempt,
    CancelAnswer,
    CancelResult,
    ClaimRequest,
    Lease,
    LogChunk,
    MirrorAnswer,
    Outcome,
    Settled,
    Snapshot,
    StoredSchedule,
)
from fastapi_taskflow.rules.retry import QUARANTINE_FROM
from fastapi_taskflow.testing.model.failures import ModelFailures
from fastapi_taskflow.testing.model.limits import ModelLimits
from fastapi_taskflow.testing.model.pauses import brakes
from fastapi_taskflow.testing.model.tasks import ModelKey, ModelTask, order, throttle
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.durations import bin_of
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, Move

__all__ = ["Model"]

UNKNOWN_ENDS = {TaskStatus.INTERRUPTED, TaskStatus.CANCELLED}
NO_ATTEMPT = {Move.UNSTART, Move.GIVE_BACK}


class Model:
    """All state of the model; `admission.insert` stores new tasks.

    Args:
        clock: The clock of the driver that is compared.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # In order of arrival.
        self.tasks: dict[str, ModelTask] = {}
        self.aliases: dict[str, str] = {}
        self.keys: dict[str, ModelKey] = {}
        # Known instances: True while alive.
        self.instances: dict[str, bool] = {}
        self.beats: Counter[str] = Counter()
        self.settings: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, StoredSchedule] = {}
        self.claims: dict[str, list[str]] = {}
        self.ended: Counter[tuple[str, str, TaskStatus]] = Counter()
        self.seconds: dict[tuple[str, str, TaskStatus], float] = {}
        # By minute, function, state and bin of the length.
        self.ends: Counter[tuple[datetime, str, TaskStatus, int]] = Counter()
        # The same of waits, by the minute of the start.
        self.waits: Counter[tuple[datetime, str, TaskStatus, int]] = Counter()
        self.failures = ModelFailures()
        self.arrivals, self.limits = 0, ModelLimits()

    def canonical(self, task_id: str) -> ModelTask | None:
        """The task of an id or an alias."""
        return self.tasks.get(self.aliases.get(task_id, task_id))

    def alive(self, instance: str | None) -> bool:
        return instance is not None and self.instances.get(instance, False)

    def held_by(self, instance: str) -> list[ModelTask]:
        return [task for task in self.tasks.values() if task.owner == instance]

    def paused(self, queue: str) -> bool:
        return bool(self.settings.get(queue, {}).get("paused"))

    # Claims

    def claim(self, request: ClaimRequest) -> list[Lease]:
        if not self.alive(request.instance):
            return []
        known = [self.tasks.get(one) for one in self.claims.get(request.claim_id, [])]
        again = [task for task in known if task and task.claim_id == request.claim_id]
        if again:
            return [Lease(task.new.task_id, task.fence) for task in again]
        taken = self._choose(request)
        self.claims[request.claim_id] = [task.new.task_id for task in taken]
        for task in taken:
            task.owner = request.instance
            task.fence += 1
            task.claim_id = request.claim_id
        return [Lease(task.new.task_id, task.fence) for task in taken]

    def _choose(self, request: ClaimRequest) -> list[ModelTask]:
        slots, suspects = dict(request.queues), request.suspects
        room = self.limits.room(request, self.tasks.values(), self.clock.micros())
        taken: list[ModelTask] = []
        ready = filter(self._is_ready, self.tasks.values())
        for task in sorted(ready, key=partial(order, request, self.clock.now())):
            queue, suspect = task.new.queue, task.interruptions >= QUARANTINE_FROM
            fits = slots.get(queue, 0) > 0 and len(taken) < request.limit and room.fits(task)
            fits = fits and task.new.func_name in request.functions and suspects >= suspect
            if fits and not task.put_off(room.wait(task), self.clock.now()):
                slots[queue] -= 1
                suspects -= suspect
                taken.append(task)
                room.take(task)
        return taken

    def _is_ready(self, task: ModelTask) -> bool:
        due = task.due_at is not None and task.due_at <= self.clock.now()
        return task.free and due and not any(map(self.paused, brakes(task.new)))

    def start(self, lease: Lease) -> datetime | None:
        task = self.tasks.get(lease.task_id)
        if task is None or task.fence != lease.fence or task.owner is None:
            return None
        if task.status is TaskStatus.PENDING:
            throttle(self.keys, task, self.clock.now())
            task.status = TaskStatus.RUNNING
            task.start_time = self.clock.now()
            task.retries_used = task.failures
            task.instance = task.owner
            task.claim_id = task.elapsed = None
        return task.start_time

    def finish(self, outcome: Outcome) -> Settled | None:
        task = self.tasks.get(outcome.lease.task_id)
        if task is None:
            return None
        if outcome.lease.fence != task.fence:
            return self._finish_late(task, outcome)
        rule = MOVES[outcome.move]
        if task.owner is not None and task.status is rule.source:
            yields = task.cancel_asked and rule.yields_to_cancel
            self._apply(task, outcome, TaskStatus.CANCELLED if yields else rule.target)
        return Settled(task.status)

    def _finish_late(self, task: ModelTask, outcome: Outcome) -> Settled:
        fence = outcome.lease.fence
        kept = [one for one in task.attempts if one.fence == fence]
        if not kept:
            attempt = self._attempt(task, outcome)
            kept = [attempt._replace(instance=None, started_at=None, late=True)]
            task.attempts += kept
        return Settled(task.status, late=kept[0].late)

    def _apply(self, task: ModelTask, outcome: Outcome, target: TaskStatus) -> None:
        rule = MOVES[outcome.move]
        task.logs += outcome.logs
        task.hear(outcome, target)
        if target is TaskStatus.PENDING and outcome.move not in NO_ATTEMPT:
            task.attempts.append(self._attempt(task, outcome))
        else:
            task.quiet.add(task.fence)
        task.failures += rule.failures
        task.interruptions += rule.interruptions
        task.error, task.stacktrace = outcome.error, outcome.stacktrace
        task.failure = self.failures.note(outcome.failure, self.clock.now())
        if outcome.elapsed is not None:
            task.elapsed = outcome.elapsed
        task.owner = task.claim_id = None
        if target is TaskStatus.PENDING:
            task.status = target
            task.due_at = self.clock.now() + timedelta(seconds=outcome.delay)
        else:
            self.end(task, target)

    def _attempt(self, task: ModelTask, outcome: Outcome) -> Attempt:
        return Attempt(
            number=task.failures,
            fence=outcome.lease.fence,
            instance=task.instance,
            started_at=task.start_time,
            ended_at=self.clock.now(),
            elapsed=outcome.elapsed,
            move=outcome.move,
            error=outcome.error,
            stacktrace=outcome.stacktrace,
            late=False,
            failure=outcome.failure.group if outcome.failure else None,
        )

    def end(self, task: ModelTask, status: TaskStatus, at: datetime | None = None) -> None:
        """Terminal, and the key held on or freed."""
        now = self.clock.now()
        task.status, task.behind = status, False
        task.owner = task.claim_id = None
        task.end_time = at or now
        counted = task.new.queue, task.new.func_name, status
        self.ended[counted] += 1
        self.seconds[counted] = self.seconds.get(counted, 0.0) + (task.elapsed or 0.0)
        func_name, start = task.new.func_name, task.start_time
        self.ends[_minute(now), func_name, status, bin_of(task.elapsed)] += 1
        since = task.due_at or task.new.created_at
        if start is not None and since <= start:
            waited = bin_of((start - since).total_seconds())
            self.waits[_minute(start), func_name, status, waited] += 1
        key, started = task.new.idempotency_key or "", task.start_time is not None
        held, throttled = self.keys.get(key), started and key.startswith("throttle=")
        if held is None or held.task_id != task.new.task_id or throttled:
            return
        if status is TaskStatus.SUCCESS or (started and status in UNKNOWN_ENDS):
            held.expires = now + timedelta(seconds=held.ttl)
        else:
            del self.keys[key]

    def cancel(self, task_id: str) -> CancelAnswer:
        task = self.canonical(task_id)
        if task is None:
            return CancelAnswer(CancelResult.MISSING, None)
        if not task.live:
            return CancelAnswer(CancelResult.REFUSED, task.status)
        if task.status is TaskStatus.PENDING and task.new.persist:
            task.quiet.add(task.fence)
            self.end(task, TaskStatus.CANCELLED)
            return CancelAnswer(CancelResult.CANCELLED, task.status)
        task.cancel_asked = True
        return CancelAnswer(CancelResult.ASKED, task.status)

    def purge(self, before: datetime, limit: int) -> list[str]:
        """Forget old tasks. Expired keys are free whether they are deleted or not."""
        old = [task for task in self.tasks.values() if task.end_time and task.end_time < before]
        old.sort(key=lambda task: (task.end_time, task.arrival))
        gone = [task.new.task_id for task in old[:limit]]
        for task_id in gone:
            del self.tasks[task_id]
        self.aliases = {one: of for one, of in self.aliases.items() if of not in gone}
        return gone

    # Beside claims

    def mirror(self, instance: str, snapshot: Snapshot) -> MirrorAnswer:
        task = self.tasks.get(snapshot.task.task_id)
        if task is None:
            self.arrivals += 1
            task = ModelTask(snapshot.task, self.arrivals, birth_fence=1, fence=1)
            self.tasks[snapshot.task.task_id] = task
        elif not task.live or task.fence > 1:
            return MirrorAnswer(accepted=False, cancel_asked=task.cancel_asked)
        task.status = snapshot.status
        task.owner = instance
        task.start_time = snapshot.start_time
        task.end_time = snapshot.end_time
        task.due_at = snapshot.due_at
        task.retries_used, task.failures = snapshot.retries_used, snapshot.failures
        task.elapsed = snapshot.elapsed
        task.error, task.stacktrace = snapshot.error, snapshot.stacktrace
        failed = snapshot.status is TaskStatus.FAILED
        noted = snapshot.failure if failed else None
        task.failure = self.failures.note(noted, self.clock.now())
        task.logs += snapshot.logs
        task.hear(snapshot, snapshot.status)
        if snapshot.start_time is not None:
            task.instance = instance
        if not task.live:
            self.end(task, snapshot.status, at=snapshot.end_time)
        return MirrorAnswer(accepted=True, cancel_asked=task.cancel_asked)

    def append_logs(self, chunk: LogChunk) -> None:
        task = self.tasks.get(chunk.lease.task_id)
        running = task is not None and task.status is TaskStatus.RUNNING
        if task is not None and running and task.fence == chunk.lease.fence:
            task.logs += chunk.lines
            task.hear(chunk)

    # Fleet

    def take_over(self, by: str, leases: Sequence[Lease]) -> None:
        """Recovery handed these to ``by``; which of them come first is the driver's choice."""
        for lease in leases:
            task = self.tasks[lease.task_id]
            task.owner, task.claim_id = by, None
            task.fence += 1

    def leave(self, instance: str) -> None:
        """An instance is not alive; its row goes when it holds nothing."""
        if instance in self.instances:
            self.instances[instance] = False
            if not self.held_by(instance):
                del self.instances[instance]


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
