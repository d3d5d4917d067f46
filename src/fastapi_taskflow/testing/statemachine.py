"""A driver against the model: hypothesis looks for the steps after which they differ.

Subclass `BackendStateMachine`, say how to make the backend, and let pytest find the test
case::

    class MyMachine(BackendStateMachine):
        def make_backend(self, clock, place):
            return MyBackend(place / "store", clock=clock)


    TestMyMachine = MyMachine.TestCase
    TestMyMachine.settings = profile()
"""

from __future__ import annotations

import asyncio
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from fastapi_taskflow.backends.base import ClaimRequest, Lease, LogChunk, Outcome
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.states import MOVES, Move
from fastapi_taskflow.testing import drafts as draw
from fastapi_taskflow.testing.bench import Bench, pick
from fastapi_taskflow.testing.conformance.harness import instance

__all__ = ["BackendStateMachine", "profile"]

_SOME_ALIVE = 3
# Ends that leave a task to other instances; a light task has no others.
_PASSED_ON = frozenset(move for move, one in MOVES.items() if one.target is TaskStatus.PENDING)
_NOT_RUN = frozenset({Move.UNSTART, Move.GIVE_BACK, Move.ABANDON})


def profile() -> settings:
    """Settings for a test case: some ten seconds for a driver with a disk.

    ``TASKFLOW_MODEL_EXAMPLES`` in the environment asks for more examples (300 take
    minutes), which then have 60 steps each.
    """
    wanted = os.environ.get("TASKFLOW_MODEL_EXAMPLES")
    return settings(
        max_examples=int(wanted or 100),
        stateful_step_count=60 if wanted else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


class BackendStateMachine(Bench):
    """The steps. Each is done to the driver and to the model, and the answers compared."""

    @initialize()
    def two_instances(self) -> None:
        self.enlist()
        self.enlist()

    @precondition(lambda self: sum(self.model.instances.values()) < _SOME_ALIVE)
    @rule()
    def enlist(self) -> None:
        name = self.next_name("i")
        self.run(self.backend.enlist(instance(name)))
        self.model.instances[name] = True

    @rule(seconds=st.sampled_from([0.5, 2.5, 5.0, 10.0, 60.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # Tasks going in

    @rule(groups=draw.groups, limit=st.none() | st.integers(0, 4), ttl=draw.ttls)
    def insert(self, groups: list[list[draw.Draft]], limit: int | None, ttl: float) -> None:
        limits = {} if limit is None else {"q": limit}
        self.send([[self.new_task(one) for one in group] for group in groups], limits, ttl)

    @precondition(lambda self: self.sent)
    @rule(position=draw.picks)
    def insert_again(self, position: int) -> None:
        groups, limits, ttl = pick(self.sent, position)
        born = {new.task_id for group in groups for new in group} & self.born
        if born <= self.model.tasks.keys() | self.model.aliases.keys():
            self.send(groups, limits, ttl)

    @precondition(lambda self: self.model.tasks)
    @rule(
        of=draw.picks,
        draft=draw.drafts,
        replace=st.booleans(),
        limit=st.none() | st.integers(0, 4),
        ttl=draw.ttls,
    )
    def retry(
        self, of: int, draft: draw.Draft, *, replace: bool, limit: int | None, ttl: float
    ) -> None:
        ended = [one.new.task_id for one in self.model.tasks.values() if not one.live]
        original = pick(ended or self.task_ids(), of)
        new = self.new_task(draft)._replace(retry_of=original, replace_original=replace)
        self.send([[new]], {} if limit is None else {"q": limit}, ttl)

    # Claims

    @rule(
        who=draw.picks,
        slots=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        limit=st.integers(0, 4),
        functions=st.sampled_from([frozenset("f"), frozenset("fg"), frozenset("fg")]),
        suspects=st.integers(0, 1),
    )
    def claim(
        self,
        who: int,
        slots: tuple[int, int],
        limit: int,
        functions: frozenset[str],
        suspects: int,
    ) -> None:
        request = ClaimRequest(
            self.any_instance(who),
            self.next_name("claim"),
            dict(zip(draw.QUEUES, slots, strict=True)),
            limit,
            functions,
            suspects,
        )
        self.requests.append(request)
        self.claim_and_compare(request)

    @rule(who=draw.picks)
    def claim_and_start_all(self, who: int) -> None:
        """The common case, which chance alone would make rare."""
        request = ClaimRequest(
            self.any_instance(who), self.next_name("claim"), {"q": 9, "r": 9}, 9, frozenset("fg")
        )
        self.start_and_compare(self.claim_and_compare(request))

    @rule(position=draw.picks)
    def claim_again(self, position: int) -> None:
        held = {one.claim_id for one in self.model.tasks.values()}
        known = [request for request in self.requests if request.claim_id in held]
        if known:
            self.claim_and_compare(pick(known, position))

    @precondition(lambda self: self.leases)
    @rule(positions=st.lists(draw.picks, min_size=1, max_size=3))
    def start(self, positions: list[int]) -> None:
        self.start_and_compare([self.any_lease(one) for one in positions])

    @precondition(lambda self: self.leases)
    @rule(endings=st.lists(draw.endings, min_size=1, max_size=3))
    def finish(self, endings: list[draw.Ending]) -> None:
        outcomes: list[Outcome] = []
        expected = []
        for ending in endings:
            outcome = self._outcome(ending)
            if outcome is not None:
                outcomes.append(outcome)
                expected.append(self.model.finish(outcome))
        assert self.run(self.backend.finish(outcomes)) == expected
        self.touched |= {one.lease.task_id for one in outcomes}

    def _outcome(self, ending: draw.Ending) -> Outcome | None:
        """What an owner may send; None for what the contract leaves open."""
        lease, move = self.any_lease(ending.lease), ending.move
        task = self.model.tasks.get(lease.task_id)
        if task is not None:
            if lease.fence in task.quiet and lease.fence != task.fence:
                return None
            if not task.new.persist and move in _PASSED_ON and not task.cancel_asked:
                move = Move.LOSE if task.status is TaskStatus.RUNNING else Move.ABANDON
        return Outcome(
            lease,
            move,
            ending.delay,
            ending.error,
            None if ending.error is None else "traceback",
            None if move in _NOT_RUN else ending.elapsed,
            ending.logs,
        )

    @precondition(lambda self: self.leases)
    @rule(positions=st.lists(draw.picks, min_size=1, max_size=3))
    def talk(self, positions: list[int]) -> None:
        chunks = [LogChunk(self.any_lease(one), (f"line {one}",)) for one in positions]
        for chunk in chunks:
            self.model.append_logs(chunk)
        self.run(self.backend.append_logs(chunks))

    # From outside

    @precondition(lambda self: self.model.tasks)
    @rule(positions=st.lists(draw.picks, min_size=1, max_size=3))
    def cancel(self, positions: list[int]) -> None:
        task_ids = [pick([*self.task_ids(), "nobody"], one) for one in positions]
        expected = [self.model.cancel(task_id) for task_id in task_ids]
        assert self.run(self.backend.cancel(task_ids)) == expected

    @precondition(lambda self: self.alive())
    @rule(who=draw.picks, states=st.lists(draw.states, min_size=1, max_size=3))
    def mirror(self, who: int, states: list[draw.State]) -> None:
        owner = pick(self.alive(), who)
        snapshots = []
        expected = []
        for state in states:
            snapshot = self.snapshot(state, owner)
            snapshots.append(snapshot)
            expected.append(self.model.mirror(owner, snapshot))
        assert self.run(self.backend.mirror(owner, snapshots)) == expected

    @rule(queue=st.sampled_from(draw.QUEUES), paused=st.booleans())
    def pause(self, queue: str, *, paused: bool) -> None:
        merged = self.model.settings.setdefault(queue, {})
        merged["paused"] = paused
        assert self.run(self.backend.set_queue(queue, {"paused": paused})) == merged

    # Life and death

    @rule(who=draw.picks)
    def beat(self, who: int) -> None:
        name = self.any_instance(who)
        alive = self.model.alive(name)
        assert self.run(asyncio.to_thread(self.backend.beat, name, 0.5)) is alive
        self.model.beats[name] += alive

    @rule(who=draw.picks)
    def retire(self, who: int) -> None:
        name = self.any_instance(who)
        self.run(self.backend.retire(name))
        self.model.leave(name)

    @precondition(lambda self: self.model.instances)
    @rule(by=draw.picks, dead=draw.picks, limit=st.sampled_from([1, 2, 100, 100]))
    def recover(self, by: int, dead: int, limit: int) -> None:
        self.recover_and_compare(self.any_instance(by), self.any_instance(dead), limit)

    @precondition(lambda self: len(self.alive()) > 1)
    @rule(who=draw.picks)
    def kill_and_recover(self, who: int) -> None:
        """The common case, which chance alone would make rare."""
        dead = pick(self.alive(), who)
        by = pick([one for one in self.alive() if one != dead], who)
        for lease in self.recover_and_compare(by, dead, 100):
            outcome = Outcome(lease, self._after_death(lease), 0.0, "its instance died")
            expected = self.model.finish(outcome)
            assert self.run(self.backend.finish([outcome])) == [expected]
            self.touched.add(lease.task_id)

    def _after_death(self, lease: Lease) -> Move:
        task = self.model.tasks[lease.task_id]
        if task.status is TaskStatus.RUNNING:
            return Move.RESCUE if task.new.requeue and task.new.persist else Move.LOSE
        return Move.GIVE_BACK if task.new.persist else Move.ABANDON

    @invariant()
    def driver_and_model_agree(self) -> None:
        self.run(self.compare())
