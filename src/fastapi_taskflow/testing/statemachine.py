"""A driver against the model: hypothesis looks for the steps after which they differ.

Subclass `BackendStateMachine`, say how to make the backend, and let pytest find the test
case::

    class MyMachine(BackendStateMachine):
        def make_backend(self, clock, place):
            return MyBackend(place / "store", clock=clock)


    TestMyMachine = MyMachine.TestCase
    TestMyMachine.settings = profile()

A failure prints the fewest steps that lead to it, with what each did to the driver.
"""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from fastapi_taskflow.backends.base import ClaimRequest, Lease, LogChunk, Outcome
from fastapi_taskflow.testing.bench import FUNCTIONS, QUEUES, SHORTEST_TTL, Bench
from fastapi_taskflow.testing.chance import Chance
from fastapi_taskflow.testing.conformance.harness import beat, instance
from fastapi_taskflow.testing.model import due
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["BackendStateMachine", "profile"]

# The steps, the more often named the more frequent.
_STEPS = [
    *("insert", "insert", "populate", "repeat_insert", "retry", "retry"),
    *("claim", "claim", "work", "work", "repeat_claim", "start"),
    *("finish", "finish", "finish", "talk", "cancel", "cancel", "mirror", "mirror"),
    *("kill", "recover", "live", "live", "advance", "purge", "fold", "plan", "fire"),
]
_seeds = st.integers(0, 0xFFFF)


def profile() -> settings:
    """Settings for a test case: some ten seconds for a driver with a disk.

    A hypothesis profile that asks for fewer than 70 examples gets them.
    ``TASKFLOW_MODEL_EXAMPLES`` in the environment asks for more examples (300 take
    minutes), which then have 100 steps each.
    """
    wanted = os.environ.get("TASKFLOW_MODEL_EXAMPLES")
    return settings(
        max_examples=int(wanted or min(70, settings().max_examples)),
        stateful_step_count=100 if wanted else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


class BackendStateMachine(Bench):
    """The steps. Each is done to the driver and to the model, and the answers compared."""

    @initialize(seed=_seeds)
    def two_instances_and_some_work(self, seed: int) -> None:
        self.enlist()
        self.enlist()
        self.populate(Chance(self, seed))

    @rule(step=st.sampled_from(_STEPS), seed=_seeds)
    def step(self, step: str, seed: int) -> None:
        getattr(self, step)(Chance(self, seed))

    @invariant()
    def driver_and_model_agree(self) -> None:
        self.runner.run(self.compare())

    # Tasks going in

    def populate(self, chance: Chance) -> None:
        """Work for anybody, which chance alone would make rare."""
        self.send([[one] for one in chance.some(chance.ready, 6)], {}, SHORTEST_TTL)

    def insert(self, chance: Chance) -> None:
        self.send(chance.some(chance.group, 3), chance.limits(), chance.ttl())

    def repeat_insert(self, chance: Chance) -> None:
        groups, limits, ttl = chance.one(self.sent)
        born = {new.task_id for group in groups for new in group} & self.born
        # A deleted task would be stored anew.
        if born <= {*self.task_ids()}:
            self.send(groups, limits, ttl)

    def retry(self, chance: Chance) -> None:
        ended = chance.stored(lambda task: not task.live and task.retried_as is None)
        if ended is None or chance.often(0.2):
            original = chance.one([*self.task_ids(), "nobody"])
        else:
            aliases = [one for one, of in self.model.aliases.items() if of == ended.new.task_id]
            original = chance.one([ended.new.task_id, *aliases])
        new = chance.task()
        if new.task_id not in self.model.tasks:
            new = new._replace(retry_of=original, replace_original=chance.often(0.4))
        group = [new]
        other = chance.task()
        # A task that the same group replaces may be known yet or stored anew: that is open.
        if chance.often(0.3) and other.task_id not in self.model.tasks:
            group.append(other)
        self.send([group], chance.limits(), chance.ttl())

    # Claims

    def claim(self, chance: Chance) -> None:
        request = chance.claim()
        self.requests.append(request)
        self.claim_and_compare(request)

    def work(self, chance: Chance) -> None:
        """Claim and start, which chance alone would make rare."""
        request = ClaimRequest(
            chance.instance(),
            self.next_name("claim"),
            dict.fromkeys(QUEUES, 9),
            chance.number(1, 9),
            frozenset(FUNCTIONS),
            limits=chance.limits_of_all(),
            ageing=chance.ageing(),
        )
        self.start_and_compare(self.claim_and_compare(request))

    def repeat_claim(self, chance: Chance) -> None:
        held = {one.claim_id for one in self.model.tasks.values()}
        known = [request for request in self.requests if request.claim_id in held]
        self.claim_and_compare(chance.one(known) if known else chance.claim())

    def start(self, chance: Chance) -> None:
        self.start_and_compare(chance.some(lambda: chance.lease(TaskStatus.PENDING), 3))

    def finish(self, chance: Chance) -> None:
        outcomes: list[Outcome] = []
        expected = []
        for _ in range(chance.number(1, 4)):
            outcome = chance.outcome()
            if outcome is not None:
                outcomes.append(outcome)
                expected.append(self.model.finish(outcome))
        assert self.call(self.backend.finish, outcomes) == expected
        self.touched |= {one.lease.task_id for one in outcomes}

    def talk(self, chance: Chance) -> None:
        leases = chance.some(lambda: chance.lease(TaskStatus.RUNNING), 3)
        chunks = [
            LogChunk(lease, (f"line {n}",), **chance.told()) for n, lease in enumerate(leases)
        ]
        for chunk in chunks:
            self.model.append_logs(chunk)
        self.call(self.backend.append_logs, chunks)

    # From outside

    def cancel(self, chance: Chance) -> None:
        task_ids = chance.some(chance.task_id, 3)
        expected = [self.model.cancel(task_id) for task_id in task_ids]
        assert self.call(self.backend.cancel, task_ids) == expected

    def mirror(self, chance: Chance) -> None:
        owners = self.alive()
        if not owners:
            return
        owner = chance.one(owners)
        snapshots = []
        expected = []
        for _ in range(chance.number(1, 4)):
            snapshot = chance.snapshot(owner)
            snapshots.append(snapshot)
            expected.append(self.model.mirror(owner, snapshot))
        self.born |= {one.task.task_id for one in snapshots}
        assert self.call(self.backend.mirror, owner, snapshots) == expected

    def purge(self, chance: Chance) -> None:
        before = self.clock.now() - timedelta(seconds=chance.one([-1.0, 0.0, 2.5, 10.0, 60.0]))
        limit = chance.number(1, 5)
        number = self.call(self.backend.purgeable, before, cap=limit)
        expected = self.model.purge(before, limit)
        assert number == len(expected)
        purged = self.call(self.backend.purge, before, limit=limit)
        assert list(purged.task_ids) == expected
        assert max(purged.keys, purged.sums) <= limit

    def fold(self, chance: Chance) -> None:
        limit = chance.number(1, 5)
        purged = self.call(self.backend.purge, None, limit=limit)
        assert purged.task_ids == ()
        assert max(purged.keys, purged.sums) <= limit

    # Schedules

    def plan(self, chance: Chance) -> None:
        self.change_and_compare(chance.some(chance.change, 2), chance.limits())

    def fire(self, chance: Chance) -> None:
        """As two instances do that looked at the same time: the store hears one of them."""
        found = due(self.model).schedules
        for _ in range(2):
            self.change_and_compare([chance.firing(one) for one in found], chance.limits())

    # Life, death and time

    def recover(self, chance: Chance) -> None:
        limit = chance.one([1, 2, 100])
        self.recover_and_compare(chance.instance(), chance.instance(), limit)

    def kill(self, chance: Chance) -> None:
        """Recover all of an instance and end it as the engine does."""
        alive = self.alive()
        if len(alive) <= 1:
            self.enlist()
            return
        dead = chance.one(alive)
        by = chance.one([one for one in alive if one != dead])
        for lease in self.recover_and_compare(by, dead, 100):
            outcome = Outcome(lease, self._after_death(lease), 0.0, "its instance died")
            expected = self.model.finish(outcome)
            assert self.call(self.backend.finish, [outcome]) == [expected]
            self.touched.add(lease.task_id)

    def _after_death(self, lease: Lease) -> Move:
        task = self.model.tasks[lease.task_id]
        if task.status is TaskStatus.RUNNING:
            return Move.RESCUE if task.new.requeue and task.new.persist else Move.LOSE
        return Move.GIVE_BACK if task.new.persist else Move.ABANDON

    def enlist(self) -> None:
        name = self.next_name("i")
        self.call(self.backend.enlist, instance(name))
        self.model.instances[name] = True

    def live(self, chance: Chance) -> None:
        """What happens now and then."""
        what = chance.one(["pause", "pause", "unpause", "unpause", "enlist", "beat", "retire"])
        name = chance.instance()
        if what == "enlist":
            self.enlist()
        elif what == "beat":
            alive = self.model.alive(name)
            assert self.call(beat, self.backend, name, 0.5) is alive
            self.model.beats[name] += alive
        elif what == "retire":
            self.call(self.backend.retire, name)
            self.model.leave(name)
        else:
            paused = {"paused": what == "pause"}
            thing = chance.brake(on=paused["paused"])
            merged = self.model.settings.pop(thing, {}) | paused
            if thing in QUEUES or merged["paused"]:
                self.model.settings[thing] = merged
            assert self.call(self.backend.set_queue, thing, paused) == merged

    def advance(self, chance: Chance) -> None:
        self.clock.advance(chance.one([0.5, 2.5, 5.0, 10.0, 60.0]))
