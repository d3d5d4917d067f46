"""What a step of the state machine is about, by chance.

Hypothesis chooses steps and seeds; the seed says the rest. (Drawing every detail from
hypothesis was tried: its rules and values then come in clusters, and most of the wanted
meetings of two tasks never happen. What is lost is the shrinking of details, so worlds
are small and each step notes what it did.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

from fastapi_taskflow.backends.base import (
    ClaimRequest,
    Lease,
    Limits,
    NewTask,
    Outcome,
    Result,
    ScheduleChange,
    Snapshot,
    StoredSchedule,
)
from fastapi_taskflow.testing.bench import FUNCTIONS, QUEUES, SCHEDULES, SHORTEST_TTL, Bench
from fastapi_taskflow.testing.model import ModelTask, brakes
from fastapi_taskflow.words.conflicts import ON_CONFLICT
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import THROTTLE
from fastapi_taskflow.words.rates import Limit, Rate
from fastapi_taskflow.words.states import LIVE, MOVES, Move

__all__ = ["Chance"]

E = TypeVar("E")

_MOVES = [*Move, Move.RETRY, Move.SUCCEED, Move.RESCUE]
# Ends that leave a task to other instances; a light task has no others.
_PASSED_ON = frozenset(move for move, one in MOVES.items() if one.target is TaskStatus.PENDING)
_NOT_RUN = frozenset({Move.UNSTART, Move.GIVE_BACK, Move.ABANDON})
# Always the same: who changes terms while a bucket drains has no measure of what is left.
_LIMITS = Limits(
    {"q": Limit(3, Rate(4, 3))}, {"f": Limit(2), "g": Limit(rate=Rate(2, 2))}, {"g": Rate(1, 3)}
)
_LOGS: list[tuple[str, ...]] = [(), (), ("line",), ("one", "two")]
# A snapshot's state, and whether the task has been started by then.
_STAGES = [
    (TaskStatus.PENDING, False),
    (TaskStatus.PENDING, True),
    (TaskStatus.RUNNING, True),
    (TaskStatus.RUNNING, True),
    (TaskStatus.SUCCESS, True),
    (TaskStatus.FAILED, True),
    (TaskStatus.CANCELLED, False),
    (TaskStatus.CANCELLED, True),
    (TaskStatus.INTERRUPTED, False),
]


class Chance:
    """Chooses among what exists on a bench, and makes what does not."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench = bench
        self._random = Random(seed)  # noqa: S311  (chance, not secrets)

    # Choosing

    def one(self, things: Sequence[E]) -> E:
        return self._random.choice(things)

    def some(self, make: Callable[[], E], most: int) -> list[E]:
        return [make() for _ in range(self._random.randint(1, most))]

    def often(self, share: float) -> bool:
        return self._random.random() < share

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def instance(self) -> str:
        """Mostly a living one."""
        alive = self._bench.alive()
        if alive and self.often(0.8):
            return self.one(alive)
        return self.one([*self._bench.model.instances, "nobody"])

    def stored(self, wanted: Callable[[ModelTask], bool]) -> ModelTask | None:
        """A stored task that is wanted, if there is one."""
        found = [task for task in self._bench.model.tasks.values() if wanted(task)]
        return self.one(found) if found else None

    def lease(self, status: TaskStatus) -> Lease:
        """Mostly one that is held in this state; of light tasks only if recovered."""
        task = self.stored(
            lambda one: (
                one.owner is not None
                and one.status is status
                and (one.new.persist or one.fence > 1)
            )
        )
        if task is not None and self.often(0.8):
            return Lease(task.new.task_id, task.fence)
        return self.one([*self._bench.leases, Lease("nobody", 1)])

    def task_id(self) -> str:
        """Mostly of a live task."""
        task = self.stored(lambda one: one.live)
        if task is not None and self.often(0.7):
            return task.new.task_id
        return self.one([*self._bench.task_ids(), "nobody"])

    # Making

    def ttl(self) -> float:
        return self.one([SHORTEST_TTL, 60.0])

    def limits(self) -> dict[str, int]:
        return {self.one(QUEUES): self.number(0, 6)} if self.often(0.3) else {}

    def group(self) -> list[NewTask]:
        return self.some(self.task, 3)

    def task(self) -> NewTask:
        """Mostly a new durable task; else a light one, or one that is stored already."""
        known = self.stored(lambda _: True)
        if known is not None and self.often(0.1):
            return known.new
        alive = self._bench.alive()
        if alive and self.often(0.2):
            return self._light(self.one(alive), self._key())
        changes = self._throttle() if self.often(0.1) else self._key()
        return self._new(owner=self.instance() if self.often(0.2) else None, **changes)

    def ready(self) -> NewTask:
        """A task that anybody may claim at once."""
        return self._new(due_at=None, delay=0.0, **self._key())

    def _key(self) -> dict[str, Any]:
        if self.often(0.7):
            return {}
        return {
            "idempotency_key": self.one("klm"),
            "fingerprint": b"same" if self.often(0.9) else b"other",
            "alias": self.often(0.5),
        }

    def _throttle(self) -> dict[str, Any]:
        return {"idempotency_key": f"{THROTTLE}{self.one('kl')}", "key_ttl": self.one([3.0, 60.0])}

    def _new(self, **changes: Any) -> NewTask:
        now = self._bench.clock.now()
        values: dict[str, Any] = {
            "task_id": self._bench.next_name("task-"),
            "func_name": self.one(FUNCTIONS),
            "payload": b"payload",
            "queue": self.one(QUEUES),
            "created_at": now,
            "priority": self.one([None, -1, 0, 0, 1]),
            "delay": 2.5 if self.often(0.2) else 0.0,
            "due_at": now + timedelta(seconds=self.one([-5, 5])) if self.often(0.3) else None,
            "requeue": self.often(0.5),
            "tags": {"customer": self.one("12")} if self.often(0.5) else {},
        }
        if self.often(0.4) and changes.get("persist", True):
            values["order_key"] = self.one("xyz")
            values["on_conflict"] = self.one(["queue", "queue", *ON_CONFLICT])
            if self.often(0.2):
                values["debounce"] = self.one([0.5, 4.0])
        return NewTask(**(values | changes))

    def _light(self, owner: str, changes: dict[str, Any]) -> NewTask:
        new = self._new(persist=False, owner=owner, **changes)
        self._bench.lights.append(new)
        return new

    def claim(self) -> ClaimRequest:
        return ClaimRequest(
            self.instance(),
            self._bench.next_name("claim"),
            {queue: self.number(0, 3) for queue in QUEUES},
            self.number(0, 4),
            frozenset(self.one(["f", "g", "fg", "fg", "fg"])),
            self.number(0, 1),
            self.limits_of_all(),
            self.ageing(),
        )

    def ageing(self) -> Mapping[str, timedelta]:
        """Of all queues or of none: the order between queues is not promised."""
        return dict.fromkeys(QUEUES, timedelta(seconds=1.5)) if self.often(0.3) else {}

    def limits_of_all(self) -> Limits | None:
        return _LIMITS if self.often(0.4) else None

    def outcome(self) -> Outcome | None:
        """What some owner may send; None for what the contract leaves open."""
        move = self.one(_MOVES)
        lease = self.lease(MOVES[move].source)
        task = self._bench.model.tasks.get(lease.task_id)
        if task is not None:
            if lease.fence in task.quiet and lease.fence != task.fence:
                return None
            if not task.new.persist and move in _PASSED_ON and not task.cancel_asked:
                move = Move.LOSE if task.status is TaskStatus.RUNNING else Move.ABANDON
        failed = self.often(0.5)
        return Outcome(
            lease,
            move,
            2.5 if self.often(0.2) else 0.0,
            "why" if failed else None,
            "traceback" if failed else None,
            None if move in _NOT_RUN else self.one([None, 0.5, 2.0]),
            self.one(_LOGS),
            failure=self._failure() if move in (Move.FAIL, Move.RETRY) else None,
            result=self._result(),
            **self.told(),
        )

    def snapshot(self, owner: str) -> Snapshot:
        """A state of a light task that is stored already, or of a new one."""
        tasks = self._bench.model.tasks.values()
        lights = [one for one in self._bench.lights if any(one is task.new for task in tasks)]
        new = self.one(lights) if lights and self.often(0.7) else self._light(owner, {})
        known = self._bench.model.tasks.get(new.task_id)
        status, started = self.one(_STAGES)
        now = self._bench.clock.now()
        failures = self.number(0, 2)
        return Snapshot(
            new,
            status,
            now if started else None,
            None if status in LIVE else now,
            now if status is TaskStatus.PENDING else None,
            failures,
            max(failures, known.failures if known else 0),
            None if status in LIVE or not started else 0.25,
            "why" if status is TaskStatus.FAILED else None,
            None,
            self.one(_LOGS),
            failure=self._failure(),
            result=self._result(),
            **self.told(),
        )

    def told(self) -> dict[str, Any]:
        """What a function says beside its lines."""
        if not self._bench.tells:
            return {}
        said = self._bench.next_name("said ")
        return {name: said for name in ("progress", "emitted", "summary") if self.often(0.2)}

    def _result(self) -> Result | None:
        if not self._bench.tells:
            return None
        return self.one([None, Result(b"\x007"), Result(None, missing="too large")])

    def brake(self, *, on: bool) -> str:
        """What a task that waits can be held by; or what is paused, to let it go on."""
        waiting = self.stored(lambda one: one.free)
        if on and waiting is not None:
            return self.one(brakes(waiting.new))
        known = self._bench.model.settings
        paused = [name for name, settings in known.items() if settings["paused"]]
        return self.one(QUEUES if on or not paused else paused)

    def change(self) -> ScheduleChange:
        """Somebody makes, changes, pauses or deletes a schedule, mostly as it was read."""
        name = self.one(SCHEDULES)
        known = self._bench.model.schedules.get(name)
        read = self.one([0, 1]) if known is None or self.often(0.1) else known.version
        new = None if self.often(0.2) else self._schedule(name)
        return ScheduleChange(name, read, new, (self.ready(),) if self.often(0.3) else ())

    def firing(self, read: StoredSchedule) -> ScheduleChange:
        """Tasks of its slots, and its next date; a single date is deleted."""
        new = None if self.often(0.2) else self._schedule(read.name)
        return ScheduleChange(read.name, read.version, new, tuple(self.some(self.ready, 2)))

    def _schedule(self, name: str) -> StoredSchedule:
        version = int(self._bench.next_name(""))
        now = self._bench.clock.now()
        next_at = now + timedelta(seconds=self.one([-5.0, 0.0, 2.5, 60.0]))
        dated = None if self.often(0.2) else next_at
        return StoredSchedule(name, version, f"definition {version}", "state", b"\x00", dated)

    def _failure(self) -> Failure | None:
        return None if self.often(0.2) else Failure(self.one("abc"), "builtins.ValueError")
