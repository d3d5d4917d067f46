"""Where driver and model stand side by side; the state machine's steps are built on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fastapi_taskflow.backends.base import (
    ClaimRequest,
    FailureQuery,
    Grain,
    Lease,
    NewTask,
    Query,
    RollupQuery,
    ScheduleChange,
    Schedules,
    Stored,
)
from fastapi_taskflow.testing.driver import DriverMachine
from fastapi_taskflow.testing.laws import Laws
from fastapi_taskflow.testing.model import Model, change, comparable, due, insert, pass_turns
from fastapi_taskflow.testing.model.counts import next_due, tally

__all__ = ["FUNCTIONS", "QUEUES", "SCHEDULES", "SHORTEST_TTL", "Bench"]

Sent = tuple[list[list[NewTask]], Mapping[str, int], float]

QUEUES = ("q", "r")
FUNCTIONS = ("f", "g")
SCHEDULES = ("s:a", "s:b", "o:c")
SHORTEST_TTL = 10.0


class Bench(DriverMachine):
    """A driver, a model, one clock, and what was said to both so far."""

    tells = True
    """Tasks say things while they run, and return something."""

    def __init__(self) -> None:
        super().__init__()
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

    # Things that exist

    def next_name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def alive(self) -> list[str]:
        return [name for name, alive in self.model.instances.items() if alive]

    def task_ids(self) -> list[str]:
        return [*self.model.tasks, *self.model.aliases]

    # Steps that several rules share

    def send(self, groups: list[list[NewTask]], limits: Mapping[str, int], ttl: float) -> None:
        expected = [insert(self.model, group, limits, ttl) for group in groups]
        answers = self.call(self.backend.insert, groups, limits, key_ttl=ttl)
        assert answers == expected
        self.sent.append((groups, limits, ttl))
        self.born |= self.model.tasks.keys() | self.model.aliases.keys()
        for answer in answers:
            if isinstance(answer, Stored):
                self.leases += [Lease(one.task_id, 1) for one in answer.tasks if one.fence]

    def change_and_compare(self, changes: list[ScheduleChange], limits: Mapping[str, int]) -> None:
        expected = [change(self.model, one, limits, SHORTEST_TTL) for one in changes]
        assert (
            self.call(self._schedules().change, changes, limits, key_ttl=SHORTEST_TTL) == expected
        )
        self.born |= self.model.tasks.keys() | self.model.aliases.keys()

    def _schedules(self) -> Schedules:
        assert self.backend.schedules is not None
        return self.backend.schedules

    def claim_and_compare(self, request: ClaimRequest) -> list[Lease]:
        expected = self.model.claim(request)
        got = self.call(self.backend.claim, request)
        assert [one.lease for one in got] == expected
        for one in got:
            assert comparable(one.task) == self.model.tasks[one.lease.task_id].view()
        self.leases += expected
        return expected

    def start_and_compare(self, leases: list[Lease]) -> None:
        expected = [self.model.start(lease) for lease in leases]
        assert self.call(self.backend.start, leases) == expected

    def recover_and_compare(self, by: str, dead: str, limit: int) -> list[Lease]:
        got = self.call(self.backend.recover, by, dead, limit=limit)
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
        pass_turns(self.model)
        await self._compare_tasks()
        await self._compare_fleet()
        await self._compare_counts()
        await self._compare_schedules()

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

    async def _compare_schedules(self) -> None:
        known, schedules = self.model.schedules, self._schedules()
        assert await schedules.find(SCHEDULES) == [known.get(name) for name in SCHEDULES]
        found = await schedules.due(limit=len(SCHEDULES))
        dates = [one.next_at for one in found.schedules if one.next_at]
        assert dates == sorted(dates)
        # Those of one instant come in any order.
        found.schedules.sort(key=lambda one: (one.next_at, one.name))
        assert found == due(self.model)

    async def _compare_counts(self) -> None:
        counted = {
            (cell.queue, cell.func_name, cell.status): (cell.rows, cell.ended, cell.seconds)
            for cell in await self.backend.tally()
            if cell.rows or cell.ended
        }
        assert counted == tally(self.model)
        query = RollupQuery(grain=Grain.MINUTE, by_start=True, by_function=True)
        ends, waits = Counter[Any](), Counter[Any]()
        for one in await self.backend.rollups(query):
            for sums, bins in ((ends, one.durations), (waits, one.waits)):
                for number, times in bins.items():
                    sums[one.start, one.func_name, one.status, number] = times
        assert (ends, waits) == (self.model.ends, self.model.waits)
        groups = await self.backend.failures(FailureQuery())
        seen = {one.group: (one.times, one.first_at, one.last_at) for one in groups}
        assert seen == self.model.failures.seen
        for queues in (QUEUES, QUEUES[:1], QUEUES[1:]):
            due = await self.backend.next_due(queues)
            expected = next_due(self.model, queues)
            # "0 or less when one is due now": how much less is not promised.
            assert due == expected or (
                due is not None and expected is not None and max(due, expected) <= 0
            )
