"""Instances: life and death of them, and what becomes of their tasks."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend, Signals
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    beat,
    begin,
    claim,
    end,
    find,
    instance,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


def names(signals: Signals) -> set[str]:
    """Ids of the peers."""
    return {peer.info.instance_id for peer in signals.peers}


def gone(signals: Signals) -> set[str]:
    """Ids of the peers that are proven dead."""
    return {peer.info.instance_id for peer in signals.peers if peer.gone}


def counters(signals: Signals) -> dict[str, int]:
    """Heartbeat counters by instance id."""
    return {peer.info.instance_id: peer.counter for peer in signals.peers}


class Liveness(Conformance):
    """An instance is alive from enlisting until it retires or is declared dead."""

    async def test_an_instance_is_seen_as_it_enlisted(self, store: Backend) -> None:
        info = instance(
            "i'nstance 🧨",
            roles=frozenset({"observe"}),
            functions=frozenset({"f", "g"}),
            ttl=2.5,
            version="1.2",
        )

        await store.enlist(info)

        (peer,) = (await store.signals(info.instance_id)).peers
        assert peer.info == info
        assert (await store.signals("anybody")).peers == (peer,)

    async def test_each_heartbeat_raises_the_counter(self, backend: Backend) -> None:
        before = counters(await backend.signals(A))

        assert await beat(backend, A, 0.25) is True
        assert await beat(backend, A, 0.5) is True

        after = await backend.signals(B)
        assert counters(after)[A] == before[A] + 2
        assert counters(after)[B] == before[B]
        assert [peer.lag for peer in after.peers if peer.info.instance_id == A] == [0.5]

    async def test_others_see_what_a_heartbeat_says(self, backend: Backend) -> None:
        def state(signals: Signals) -> list[tuple[int, bool]]:
            return [
                (one.running, one.draining) for one in signals.peers if one.info.instance_id == A
            ]

        before = state(await backend.signals(B))
        await beat(backend, A, running=7)
        during = state(await backend.signals(B))
        await beat(backend, A, running=2, draining=True)
        after = state(await backend.signals(B))

        assert [*before, *during, *after] == [(0, False), (7, False), (2, True)]

    async def test_an_unknown_instance_has_no_heartbeat(self, backend: Backend) -> None:
        assert await beat(backend, "nobody") is False
        assert names(await backend.signals(A)) == {A, B}

    async def test_enlisting_again_keeps_the_counter(self, backend: Backend) -> None:
        await beat(backend, A)
        before = counters(await backend.signals(A))

        await backend.enlist(instance(A))

        assert counters(await backend.signals(A)) == before

    async def test_a_retired_instance_is_gone(self, backend: Backend) -> None:
        await backend.retire(A)
        await backend.retire(A)

        assert names(await backend.signals(B)) == {B}
        assert await beat(backend, A) is False
        await accept(backend, task())
        assert await claim(backend, A) == []

    async def test_an_instance_that_retires_with_tasks_stays_until_they_are_recovered(
        self, backend: Backend
    ) -> None:
        lease = await running(backend)

        await backend.retire(A)

        assert await beat(backend, A) is False
        assert names(await backend.signals(B)) == {A, B}
        (got,) = await recover_all(backend, by=B, dead=A)
        assert got.lease.task_id == lease.task_id
        assert names(await backend.signals(B)) == {B}

    async def test_the_living_are_not_gone(self, backend: Backend) -> None:
        assert gone(await backend.signals(A)) == set()

    async def test_instances_of_two_handles_see_each_other(
        self, backend: Backend, second: Backend
    ) -> None:
        await second.enlist(instance("c"))

        assert names(await backend.signals(A)) == {A, B, "c"}
        assert await beat(second, "c") is True
        assert counters(await backend.signals(A))["c"] == 1
        assert gone(await backend.signals(A)) == set()
        assert gone(await second.signals("c")) == set()


class Recovering(Conformance):
    """Recovery is a claim of a dead instance's tasks."""

    async def test_tasks_are_handed_over_in_their_state_with_new_fences(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        started = await running(backend)
        since = clock.now()
        await accept(backend, task(), task(persist=False, owner=A))
        claimed = (await claim(backend))[0].lease
        clock.advance(5)

        got = await recover_all(backend, by=B, dead=A)

        by_id = {one.lease.task_id: one for one in got}
        assert len(by_id) == 3
        assert by_id[started.task_id].lease.fence == started.fence + 1
        assert by_id[claimed.task_id].lease.fence == claimed.fence + 1
        assert {one.task.owner for one in got} == {B}
        assert by_id[claimed.task_id].task.record.status is TaskStatus.PENDING
        record = by_id[started.task_id].task.record
        assert (record.status, record.start_time) == (TaskStatus.RUNNING, since)
        assert record.instance == A
        assert {one.lease for one in await backend.owned(B)} == {one.lease for one in got}
        assert await backend.owned(A) == []
        assert by_id[started.task_id].task == await find(backend, started.task_id)

    async def test_each_claim_is_ended_by_who_recovered_it(self, backend: Backend) -> None:
        lease = await running(backend)
        (got,) = await recover_all(backend, by=B, dead=A)

        await end(backend, got.lease, Move.RESCUE, delay=0.0, error="its process died")

        (attempt,) = await backend.attempts(lease.task_id)
        assert (attempt.instance, attempt.move, attempt.late) == (A, Move.RESCUE, False)
        stored = await find(backend, lease.task_id)
        assert (stored.interruptions, stored.failures, stored.owner) == (1, 0, None)
        assert len(await claim(backend, B)) == 1

    async def test_the_dead_get_their_tasks_taken_in_batches(self, backend: Backend) -> None:
        await accept(backend, *(task() for _ in range(5)))
        await claim(backend, A)

        sizes = []
        rows = []
        for _ in range(3):
            sizes.append(len(await backend.recover(B, A, limit=2)))
            rows.append(A in names(await backend.signals(B)))

        assert sizes == [2, 2, 1]
        assert rows == [True, True, False]
        assert len(await backend.owned(B)) == 5

    async def test_a_last_full_batch_leaves_the_row_for_an_empty_one(
        self, backend: Backend
    ) -> None:
        await accept(backend, task(), task())
        await claim(backend, A)

        assert len(await backend.recover(B, A, limit=2)) == 2
        assert names(await backend.signals(B)) == {A, B}
        assert await backend.recover(B, A, limit=2) == []
        assert names(await backend.signals(B)) == {B}

    async def test_the_first_batch_declares_the_instance_dead(self, backend: Backend) -> None:
        await accept(backend, *(task() for _ in range(3)))
        await claim(backend, A)
        await backend.recover(B, A, limit=1)
        await accept(backend, task())

        assert await beat(backend, A) is False
        assert await claim(backend, A) == []

    async def test_recovery_goes_on_when_the_recoverer_dies(self, backend: Backend) -> None:
        await backend.enlist(instance("c"))
        await accept(backend, *(task() for _ in range(3)))
        await claim(backend, A)
        await backend.recover(B, A, limit=1)

        from_b = await recover_all(backend, by="c", dead=B)
        from_a = await recover_all(backend, by="c", dead=A)

        assert (len(from_b), len(from_a)) == (1, 2)
        assert sorted(one.lease.fence for one in from_a + from_b) == [2, 2, 3]
        assert names(await backend.signals("c")) == {"c"}

    async def test_a_dead_instance_without_tasks_just_goes(self, backend: Backend) -> None:
        assert await recover_all(backend, by=B, dead=A) == []
        assert names(await backend.signals(B)) == {B}
        assert await beat(backend, A) is False

    @pytest.mark.parametrize("by", ["nobody", "dead"])
    async def test_only_the_living_recover(self, backend: Backend, by: str) -> None:
        await backend.enlist(instance("dead"))
        await recover_all(backend, by=B, dead="dead")
        lease = await running(backend)

        assert await backend.recover(by, A, limit=10) == []

        assert await beat(backend, A) is True
        assert (await find(backend, lease.task_id)).owner == A

    async def test_nobody_recovers_from_itself(self, backend: Backend) -> None:
        await running(backend)

        assert await backend.recover(A, A, limit=10) == []
        assert await beat(backend, A) is True

    async def test_recovering_from_an_unknown_instance_is_nothing(self, backend: Backend) -> None:
        assert await backend.recover(B, "nobody", limit=10) == []
        assert names(await backend.signals(B)) == {A, B}

    async def test_tasks_of_an_instance_without_a_row_are_handed_over(
        self, backend: Backend
    ) -> None:
        await recover_all(backend, by=B, dead=A)
        new = task(persist=False, owner=A)
        await accept(backend, new)

        (got,) = await recover_all(backend, by=B, dead=A)

        assert got.lease.task_id == new.task_id

    async def test_ended_and_free_tasks_are_not_handed_over(self, backend: Backend) -> None:
        done, retried = await running(backend), await running(backend)
        await end(backend, done, Move.SUCCEED)
        await end(backend, retried, Move.RETRY, delay=60.0)
        await accept(backend, task())

        assert await recover_all(backend, by=B, dead=A) == []

    async def test_owned_tells_all_live_tasks_of_an_instance(self, backend: Backend) -> None:
        await accept(backend, task(), task(), task(persist=False, owner=A), task(owner=B))
        first, second = await claim(backend, A)
        await begin(backend, first.lease)

        owned = await backend.owned(A)

        assert len(owned) == 3
        assert {first.lease, second.lease} < {one.lease for one in owned}
        assert all(one.task.owner == A for one in owned)
        assert await backend.owned("nobody") == []
