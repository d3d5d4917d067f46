"""Where driver and model stand side by side; the state machine's steps are built on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from fastapi_taskflow.backends.base import (
    Backend,
    ClaimRequest,
    Lease,
    NewTask,
    Query,
    Snapshot,
    Stored,
)
from fastapi_taskflow.clock import Clock
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.states import LIVE
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import ignore
from fastapi_taskflow.testing.drafts import QUEUES, SHORTEST_TTL, Draft, State
from fastapi_taskflow.testing.laws import Laws
from fastapi_taskflow.testing.model import Model, comparable, insert
from fastapi_taskflow.testing.places import new_place

__all__ = ["Bench", "pick"]

T = TypeVar("T")
E = TypeVar("E")

Sent = tuple[list[list[NewTask]], Mapping[str, int], float]

_STAGES = {
    "waits": (TaskStatus.PENDING, False),
    "waits again": (TaskStatus.PENDING, True),
    "runs": (TaskStatus.RUNNING, True),
    "success": (TaskStatus.SUCCESS, True),
    "failed": (TaskStatus.FAILED, True),
    "cancelled": (TaskStatus.CANCELLED, False),
}


def pick(things: Sequence[E], position: int) -> E:
    """One of the things that exist, by a position counted around."""
    return things[position % len(things)]


class Bench(RuleBasedStateMachine):
    """A driver, a model, one clock, and what was said to both so far."""

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        """A new, unopened backend whose store lives at ``place``, an empty directory."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.model = Model(self.clock)
        self.laws = Laws(SHORTEST_TTL)
        self.names = 0
        self.leases: list[Lease] = []
        self.sent: list[Sent] = []
        self.requests: list[ClaimRequest] = []
        self.lights: list[NewTask] = []
        # Ids that were ever stored; a deleted one would be stored anew.
        self.born: set[str] = set()
        # Tasks whose history may have changed in this step.
        self.touched: set[str] = set()
        self.place = new_place()
        self.runner = asyncio.Runner()
        self.backend = self.make_backend(self.clock, Path(self.place.name))
        self.run(self.backend.open(ignore))

    def teardown(self) -> None:
        self.run(self.backend.close())
        self.runner.close()
        self.place.cleanup()

    def run(self, verb: Coroutine[Any, Any, T]) -> T:
        """Wait for a verb of the driver."""
        return self.runner.run(verb)

    # Things that exist

    def next_name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def alive(self) -> list[str]:
        return [name for name, alive in self.model.instances.items() if alive]

    def any_instance(self, position: int) -> str:
        """Mostly a living one."""
        return pick([*self.alive(), *self.alive(), *self.model.instances, "nobody"], position)

    def task_ids(self) -> list[str]:
        return [*self.model.tasks, *self.model.aliases]

    def any_lease(self, position: int) -> Lease:
        """Mostly one that is held; those of light tasks only if they were recovered."""
        held = [
            Lease(task.new.task_id, task.fence)
            for task in self.model.tasks.values()
            if task.owner is not None and (task.new.persist or task.fence > 1)
        ]
        return pick([*held, *held, *held, *self.leases], position)

    # Things to send

    def new_task(self, draft: Draft) -> NewTask:
        stored = list(self.model.tasks.values())
        if draft.known is not None and stored:
            return pick(stored, draft.known).new
        light = draft.tier == "light" and bool(self.alive())
        owner = pick(self.alive(), draft.owner) if light else self.any_instance(draft.owner)
        new = NewTask(
            self.next_name("task-"),
            draft.func_name,
            b"payload",
            draft.queue,
            self.clock.now(),
            draft.priority,
            draft.delay,
            None if draft.due is None else self.clock.now() + timedelta(seconds=draft.due),
            draft.key,
            draft.fingerprint if draft.key else None,
            persist=not light,
            requeue=draft.requeue,
            tags={"key": draft.key} if draft.key else {},
            alias=draft.alias,
            owner=owner if light or draft.tier == "owned" else None,
        )
        if light:
            self.lights.append(new)
        return new

    def snapshot(self, state: State, owner: str) -> Snapshot:
        """A state of a light task that is stored already, or of a new one."""
        tasks = self.model.tasks.values()
        stored = [one for one in self.lights if any(one is task.new for task in tasks)]
        if state.task is None or not stored:
            new = NewTask(
                self.next_name("task-"),
                "f",
                None,
                "q",
                self.clock.now(),
                persist=False,
                owner=owner,
            )
            self.lights.append(new)
            self.born.add(new.task_id)
        else:
            new = pick(stored, state.task)
        known = self.model.tasks.get(new.task_id)
        status, started = _STAGES[state.stage]
        now = self.clock.now()
        return Snapshot(
            new,
            status,
            now if started else None,
            None if status in LIVE else now,
            now if status is TaskStatus.PENDING else None,
            state.failures,
            max(state.failures, known.failures if known else 0),
            None if status in LIVE or not started else 0.25,
            "why" if status is TaskStatus.FAILED else None,
            None,
            state.logs,
        )

    # Steps that several rules share

    def send(self, groups: list[list[NewTask]], limits: Mapping[str, int], ttl: float) -> None:
        expected = [insert(self.model, group, limits, ttl) for group in groups]
        answers = self.run(self.backend.insert(groups, limits, key_ttl=ttl))
        assert answers == expected
        self.sent.append((groups, limits, ttl))
        self.born |= self.model.tasks.keys() | self.model.aliases.keys()
        for answer in answers:
            if isinstance(answer, Stored):
                self.leases += [Lease(one.task_id, 1) for one in answer.tasks if one.fence]

    def claim_and_compare(self, request: ClaimRequest) -> list[Lease]:
        expected = self.model.claim(request)
        got = self.run(self.backend.claim(request))
        assert [one.lease for one in got] == expected
        for one in got:
            assert comparable(one.task) == self.model.tasks[one.lease.task_id].view()
        self.leases += expected
        return expected

    def start_and_compare(self, leases: list[Lease]) -> None:
        expected = [self.model.start(lease) for lease in leases]
        assert self.run(self.backend.start(leases)) == expected

    def recover_and_compare(self, by: str, dead: str, limit: int) -> list[Lease]:
        got = self.run(self.backend.recover(by, dead, limit=limit))
        leases = [one.lease for one in got]
        if by == dead or not self.model.alive(by):
            assert leases == []
            return leases
        held = {one.new.task_id: one.fence for one in self.model.held_by(dead)}
        assert len(leases) == len({one.task_id for one in leases}) == min(limit, len(held))
        assert all(lease.fence == held.get(lease.task_id, 0) + 1 for lease in leases)
        self.model.take_over(by, leases)
        if dead in self.model.instances:
            self.model.instances[dead] = False
            if len(leases) < limit:
                del self.model.instances[dead]
        self.leases += leases
        return leases

    # Looking

    async def compare(self) -> None:
        """Everything that can be asked is answered alike."""
        await self._compare_tasks()
        await self._compare_fleet()
        await self._compare_counts()

    async def _compare_tasks(self) -> None:
        model = self.model
        task_ids = self.task_ids()
        found = await self.backend.get(task_ids)
        expected = [
            None
            if (task := model.canonical(one)) is None
            else task.view(model.aliases.get(one) and one)
            for one in task_ids
        ]
        assert [one and comparable(one) for one in found] == expected
        self.laws.look(one for one in found[: len(model.tasks)] if one is not None)
        for task_id in self.touched & model.tasks.keys():
            assert await self.backend.attempts(task_id) == model.tasks[task_id].attempts
        self.touched.clear()
        page = await self.backend.search(Query(), limit=1000)
        latest_first = list(model.tasks)[::-1]
        assert [one.record.task_id for one in page.tasks] == latest_first

    async def _compare_fleet(self) -> None:
        for name in [*self.model.instances, "nobody"]:
            held = self.model.held_by(name)
            owned = await self.backend.owned(name)
            assert {one.lease for one in owned} == {
                Lease(task.new.task_id, task.fence) for task in held
            }
            signals = await self.backend.signals(name)
            assert set(signals.cancel) == {one.new.task_id for one in held if one.cancel_asked}
        signals = await self.backend.signals("anybody")
        assert signals.queues == self.model.settings
        assert {peer.info.instance_id: peer.counter for peer in signals.peers} == {
            name: self.model.beats[name] for name in self.model.instances
        }

    async def _compare_counts(self) -> None:
        tally = {
            (cell.queue, cell.func_name, cell.status): (cell.rows, cell.ended, cell.seconds)
            for cell in await self.backend.tally()
            if cell.rows or cell.ended
        }
        assert tally == self.model.tally()
        for queues in (QUEUES, QUEUES[:1], QUEUES[1:]):
            due = await self.backend.next_due(queues)
            expected = self.model.next_due(queues)
            # "0 or less when one is due now": how much less is not promised.
            assert due == expected or (
                due is not None and expected is not None and max(due, expected) <= 0
            )
