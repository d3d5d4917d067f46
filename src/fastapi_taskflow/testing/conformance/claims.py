"""Claim: who gets which tasks, in which order."""

from __future__ import annotations

from datetime import timedelta

from fastapi_taskflow.backends.base import Backend, Lease
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    ids,
    keyed,
    recover_all,
    request,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class Claiming(Conformance):
    """A claim takes what is due, free and wanted."""

    async def test_a_claim_sets_owner_and_fence_but_starts_nothing(self, backend: Backend) -> None:
        new = task()
        await accept(backend, new)

        (got,) = await claim(backend, A)

        assert got.lease == Lease(new.task_id, 1)
        assert (got.task.owner, got.task.fence) == (A, 1)
        assert got.task.payload == b"payload"
        assert got.task.record.status is TaskStatus.PENDING
        assert got.task.record.start_time is None
        assert await find(backend, new.task_id) == got.task

    async def test_a_claimed_task_is_not_claimed_again(self, backend: Backend) -> None:
        await accept(backend, task())
        await claim(backend, A)

        assert await claim(backend, B) == []
        assert await claim(backend, A) == []

    async def test_each_claim_raises_the_fence_by_one(self, backend: Backend) -> None:
        await accept(backend, task())

        fences = []
        for instance_id in (A, B, A):
            (got,) = await claim(backend, instance_id)
            fences.append(got.lease.fence)
            await end(backend, got.lease, Move.GIVE_BACK)

        assert fences == [1, 2, 3]

    async def test_nothing_is_claimed_before_it_is_due(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        delayed = task(delay=5.0)
        dated = task(due_at=clock.now() + timedelta(seconds=6))
        await accept(backend, delayed, dated)

        clock.advance(4.999999)
        assert await claim(backend) == []
        clock.advance(0.000001)
        assert ids(await claim(backend)) == [delayed.task_id]
        clock.advance(1)
        assert ids(await claim(backend)) == [dated.task_id]

    async def test_only_known_functions_are_claimed(self, backend: Backend) -> None:
        unknown, known = task(func_name="g", priority=9), task()
        await accept(backend, unknown, known)

        assert ids(await claim(backend, limit=1)) == [known.task_id]
        assert await claim(backend, functions=frozenset()) == []
        assert ids(await claim(backend, functions=frozenset({"g", "h"}))) == [unknown.task_id]

    async def test_only_named_queues_are_claimed_and_no_more_than_their_slots(
        self, backend: Backend
    ) -> None:
        await accept(backend, *(task(queue=queue) for queue in "xxxyyyz"))

        got = await claim(backend, queues={"x": 2, "y": 1, "empty": 5, "z": 0})

        assert sorted(one.task.record.queue for one in got) == ["x", "x", "y"]

    async def test_no_more_is_claimed_than_the_limit_says(self, backend: Backend) -> None:
        await accept(backend, *(task(queue=queue) for queue in "xxyy"))

        assert len(await claim(backend, queues={"x": 9, "y": 9}, limit=3)) == 3
        assert await claim(backend, queues={"x": 9, "y": 9}, limit=0) == []
        assert await claim(backend, queues={}, limit=9) == []

    async def test_a_paused_queue_gives_nothing(self, backend: Backend) -> None:
        await accept(backend, task(), task(queue="open"))
        await backend.set_queue("default", {"paused": True})

        got = await claim(backend, queues={"default": 5, "open": 5})
        assert [one.task.record.queue for one in got] == ["open"]
        await backend.set_queue("default", {"paused": False})
        assert len(await claim(backend)) == 1

    async def test_an_instance_that_is_not_alive_claims_nothing(self, backend: Backend) -> None:
        await accept(backend, task())
        await recover_all(backend, by=B, dead=A)

        assert await claim(backend, A) == []
        assert await claim(backend, "nobody") == []
        assert len(await claim(backend, B)) == 1

    async def test_a_task_of_the_memory_tier_is_not_claimed_even_when_given_back(
        self, backend: Backend
    ) -> None:
        new = task(persist=False, owner=A)
        await accept(backend, new)
        (got,) = await recover_all(backend, by=B, dead=A)

        await end(backend, got.lease, Move.GIVE_BACK)

        assert await claim(backend, B) == []
        assert await backend.next_due(["default"]) is None

    async def test_a_repeated_claim_answers_the_same_tasks(self, backend: Backend) -> None:
        await accept(backend, *(task(priority=n) for n in (1, 3, 2)), task())
        wanted = request(A, limit=3)
        first = await backend.claim(wanted)
        await accept(backend, task(priority=9))

        assert await backend.claim(wanted) == first
        assert [one.lease.fence for one in first] == [1, 1, 1]

    async def test_a_repeated_claim_leaves_out_what_moved_on(self, backend: Backend) -> None:
        await accept(backend, *(task() for _ in range(4)))
        wanted = request(A)
        first = await backend.claim(wanted)
        await begin(backend, first[0].lease)
        await end(backend, first[1].lease, Move.GIVE_BACK)
        await backend.cancel([first[2].lease.task_id])

        assert await backend.claim(wanted) == first[3:]

    async def test_two_claims_at_once_share_out_the_tasks(
        self, backend: Backend, second: Backend
    ) -> None:
        stored = await accept(backend, *(task() for _ in range(10)))

        got = [
            *await claim(backend, A, limit=4),
            *await claim(second, B, limit=4),
            *await claim(backend, A, limit=4),
        ]

        assert sorted(ids(got)) == sorted(one.task_id for one in stored)


class ClaimOrder(Conformance):
    """Highest priority, then due time, then arrival; also when fewer are asked for."""

    async def test_tasks_come_by_priority_then_due_time_then_arrival(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        now = clock.now()
        wanted = {
            "first": task(priority=5, due_at=now - timedelta(seconds=1)),
            "second": task(priority=5),
            "third": task(priority=5),
            "fourth": task(priority=1, due_at=now - timedelta(days=1)),
            "fifth": task(priority=None, due_at=now - timedelta(seconds=9)),
            "sixth": task(priority=0, due_at=now - timedelta(seconds=8)),
            "seventh": task(priority=-1, due_at=now - timedelta(days=2)),
        }
        arrival = ["seventh", "sixth", "second", "fourth", "first", "fifth", "third"]
        await accept(backend, *(wanted[name] for name in arrival))

        got = [await claim(backend, limit=limit) for limit in (1, 2, 1, 3)]

        assert [one for batch in got for one in ids(batch)] == [
            new.task_id for new in wanted.values()
        ]

    async def test_groups_of_one_call_arrive_in_their_order(self, backend: Backend) -> None:
        await accept(backend, keyed("held"))
        groups = [[keyed("k")], [task()], [keyed("held")], [task(), keyed("l")], [task()]]
        arrivals = [new.task_id for n in (0, 1, 3, 4) for new in groups[n]]

        await backend.insert(groups)

        assert ids(await claim(backend))[1:] == arrivals

    async def test_a_huge_priority_is_still_in_order(self, backend: Backend) -> None:
        low, high = task(priority=-(2**31)), task(priority=2**31 - 1)
        middle = task()
        await accept(backend, low, middle, high)

        got = [ids(await claim(backend, limit=1))[0] for _ in range(3)]

        assert got == [high.task_id, middle.task_id, low.task_id]

    async def test_a_task_that_falls_due_late_overtakes_lower_priorities(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        low, high = task(), task(priority=1, delay=5.0)
        await accept(backend, low, high)
        clock.advance(5)

        assert ids(await claim(backend, limit=1)) == [high.task_id]

    async def test_a_retry_orders_by_its_new_due_time(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        retried, fresh = task(), task()
        await end(backend, await running(backend, retried), Move.RETRY, delay=1.0)
        await accept(backend, fresh)
        clock.advance(1)

        assert ids(await claim(backend)) == [fresh.task_id, retried.task_id]

    async def test_the_order_holds_across_queues_as_far_as_slots_allow(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        now = clock.now()

        def at(queue: str, priority: int, seconds: int) -> str:
            return f"{queue}/{priority}/{seconds}"

        plan = [("x", 5, 3), ("y", 5, 2), ("x", 5, 1), ("y", 9, 0), ("x", 7, 0), ("z", 1, 50)]
        await accept(
            backend,
            *(
                task(
                    queue=queue,
                    priority=priority,
                    due_at=now - timedelta(seconds=seconds),
                    source=at(queue, priority, seconds),
                )
                for queue, priority, seconds in plan
            ),
        )

        got = await claim(backend, queues={"x": 2, "y": 9, "z": 9}, limit=4)
        rest = await claim(backend, queues={"x": 9, "y": 9, "z": 9}, limit=9)

        assert [one.task.record.source for one in got] == [
            at("y", 9, 0), at("x", 7, 0), at("x", 5, 3), at("y", 5, 2),
        ]  # fmt: skip
        assert [one.task.record.source for one in rest] == [at("x", 5, 1), at("z", 1, 50)]

    async def test_a_full_queue_holds_nothing_up_behind_it(self, backend: Backend) -> None:
        await accept(backend, *(task(queue="x", priority=9) for _ in range(50)), task(queue="y"))

        got = await claim(backend, queues={"x": 1, "y": 1}, limit=2)

        assert [one.task.record.queue for one in got] == ["x", "y"]

    async def test_unknown_functions_hold_nothing_up_behind_them(self, backend: Backend) -> None:
        await accept(backend, *(task(func_name="g", priority=9) for _ in range(50)), task())

        assert len(await claim(backend, limit=1)) == 1
