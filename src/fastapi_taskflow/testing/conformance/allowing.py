"""Limits over all instances: how many may be claimed or running, and how many may start."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, Claimed, Limits
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    ids,
    recover_all,
    request,
    task,
)
from fastapi_taskflow.words.rates import Limit, Rate
from fastapi_taskflow.words.states import Move

BOTH = frozenset({"f", "g"})
OF_QUEUE = Limits({"default": Limit(2)}, {})
OF_FUNCTION = Limits({}, {"f": Limit(2)})


def rated(rate: Rate) -> Sequence[Limits]:
    """The rate of a queue, and of a function."""
    return Limits({"default": Limit(rate=rate)}, {}), Limits({}, {"f": Limit(rate=rate)})


async def some(backend: Backend, number: int, **changes: Any) -> list[str]:
    """So many new tasks, in order."""
    new = [task(**changes) for _ in range(number)]
    await accept(backend, *new)
    return [one.task_id for one in new]


class GlobalConcurrency(Conformance):
    """``most`` bounds the leases of all instances."""

    @pytest.mark.parametrize("limits", [OF_QUEUE, OF_FUNCTION], ids=["queue", "function"])
    async def test_instances_share_the_leases(self, backend: Backend, limits: Limits) -> None:
        waiting = await some(backend, 4)

        first = await claim(backend, A, limit=1, limits=limits)
        second = await claim(backend, B, limits=limits)
        await begin(backend, first[0].lease)

        assert ids(first + second) == waiting[:2]
        assert await claim(backend, A, limits=limits) == []
        assert await claim(backend, B, limits=limits) == []

    @pytest.mark.parametrize("limits", [OF_QUEUE, OF_FUNCTION], ids=["queue", "function"])
    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.RETRY, Move.GIVE_BACK])
    async def test_an_end_makes_room(self, backend: Backend, limits: Limits, move: Move) -> None:
        waiting = await some(backend, 3)
        (one, _) = await claim(backend, A, limits=limits)
        if move is not Move.GIVE_BACK:
            await begin(backend, one.lease)

        await end(backend, one.lease, move, delay=60.0)

        assert ids(await claim(backend, B, limits=limits)) == waiting[2:]

    async def test_cancelled_claims_make_room(self, backend: Backend) -> None:
        waiting = await some(backend, 4)
        await claim(backend, A, limits=OF_QUEUE)

        await backend.cancel(waiting[:1])

        assert ids(await claim(backend, B, limits=OF_QUEUE)) == waiting[2:3]

    async def test_what_a_dead_instance_held_counts_until_its_end(self, backend: Backend) -> None:
        waiting = await some(backend, 3)
        held = await claim(backend, A, limits=OF_QUEUE)
        await begin(backend, held[0].lease)
        await backend.retire(A)

        before = await claim(backend, B, limits=OF_QUEUE)
        handed = {one.lease.task_id: one.lease for one in await recover_all(backend, B, A)}
        during = await claim(backend, B, limits=OF_QUEUE)
        await end(backend, handed[waiting[0]], Move.LOSE)

        assert before == during == []
        assert ids(await claim(backend, B, limits=OF_QUEUE)) == waiting[2:]

    async def test_a_full_function_holds_nothing_up_behind_it(self, backend: Backend) -> None:
        busy = await some(backend, 50, priority=9)
        other = await some(backend, 2, func_name="g")

        got = await claim(backend, limit=4, functions=BOTH, limits=OF_FUNCTION)

        assert ids(got) == busy[:2] + other
        others = await some(backend, 1, func_name="g")
        assert ids(await claim(backend, limit=1, functions=BOTH, limits=OF_FUNCTION)) == others

    async def test_a_full_queue_holds_nothing_up_in_others(self, backend: Backend) -> None:
        busy = await some(backend, 5, priority=9)
        other = await some(backend, 2, queue="other")

        got = await claim(backend, queues={"default": 5, "other": 5}, limits=OF_QUEUE)

        assert ids(got) == busy[:2] + other

    async def test_limits_of_functions_that_are_not_asked_for_give_none_of_them(
        self, backend: Backend
    ) -> None:
        await some(backend, 2)
        mine = await some(backend, 1, func_name="g")

        got = await claim(backend, functions=frozenset({"g"}), limits=OF_FUNCTION)

        assert ids(got) == mine

    async def test_a_function_counts_in_all_queues(self, backend: Backend) -> None:
        await some(backend, 2)
        await some(backend, 2, queue="other")

        await claim(backend, A, queues={"default": 1}, limits=OF_FUNCTION)
        got = await claim(backend, B, queues={"default": 5, "other": 5}, limits=OF_FUNCTION)

        assert len(got) == 1

    async def test_what_was_claimed_without_limits_counts(self, backend: Backend) -> None:
        await some(backend, 3)
        await claim(backend, A)
        await some(backend, 1)

        assert await claim(backend, B, limits=OF_QUEUE) == []
        assert await claim(backend, B, limits=OF_FUNCTION) == []

    async def test_a_larger_limit_is_used_at_once(self, backend: Backend) -> None:
        waiting = await some(backend, 4)
        await claim(backend, A, limits=OF_QUEUE)

        got = await claim(backend, B, limits=Limits({"default": Limit(3)}, {}))

        assert ids(got) == waiting[2:3]
        assert await claim(backend, B, limits=OF_QUEUE) == []

    async def test_a_repeated_claim_is_answered_again(self, backend: Backend) -> None:
        waiting = await some(backend, 3)
        asked = request(A, limits=OF_QUEUE)

        first, again = await backend.claim(asked), await backend.claim(asked)

        assert ids(first) == ids(again) == waiting[:2]

    @pytest.mark.parametrize("limits", [OF_QUEUE, OF_FUNCTION], ids=["queue", "function"])
    async def test_claims_at_once_take_no_more(
        self, backend: Backend, second: Backend, limits: Limits
    ) -> None:
        await some(backend, 20)

        answers: list[list[Claimed]] = await asyncio.gather(
            *(
                claim(one, who, limit=1, limits=limits)
                for _ in range(8)
                for one, who in ((backend, A), (second, B))
            )
        )

        assert sum(map(len, answers)) == 2


class Rates(Conformance):
    """A claim takes tokens, which come back evenly by the store's clock."""

    @pytest.mark.parametrize("kind", [0, 1], ids=["queue", "function"])
    async def test_no_more_than_the_rate_are_taken(
        self, backend: Backend, clock: ManualClock, kind: int
    ) -> None:
        limits = rated(Rate(3, 60))[kind]
        waiting = await some(backend, 9)

        assert ids(await claim(backend, A, limits=limits)) == waiting[:3]
        assert await claim(backend, B, limits=limits) == []
        clock.advance(19)
        assert await claim(backend, B, limits=limits) == []
        clock.advance(1)
        assert ids(await claim(backend, B, limits=limits)) == waiting[3:4]
        clock.advance(600)

        assert ids(await claim(backend, A, limits=limits)) == waiting[4:7]

    async def test_ends_give_no_token_back(self, backend: Backend, clock: ManualClock) -> None:
        limits = rated(Rate(2, 60))[0]
        waiting = await some(backend, 3)
        for one in await claim(backend, limits=limits):
            await begin(backend, one.lease)
            await end(backend, one.lease, Move.SUCCEED)

        assert await claim(backend, limits=limits) == []
        clock.advance(30)

        assert ids(await claim(backend, limits=limits)) == waiting[2:]

    async def test_a_retry_takes_a_token_as_well(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        limits = rated(Rate(1, 60))[1]
        waiting = await some(backend, 1)
        (one,) = await claim(backend, limits=limits)
        await begin(backend, one.lease)

        await end(backend, one.lease, Move.RETRY)

        assert await claim(backend, limits=limits) == []
        clock.advance(60)
        assert ids(await claim(backend, limits=limits)) == waiting

    async def test_nothing_taken_takes_no_token(self, backend: Backend) -> None:
        limits = rated(Rate(2, 60))[0]
        for _ in range(5):
            assert await claim(backend, limits=limits) == []
        waiting = await some(backend, 3)

        assert ids(await claim(backend, limits=limits)) == waiting[:2]

    async def test_a_repeated_claim_takes_no_second_token(self, backend: Backend) -> None:
        limits = rated(Rate(2, 60))[0]
        waiting = await some(backend, 3)
        asked = request(A, limit=1, limits=limits)
        for _ in range(3):
            assert ids(await backend.claim(asked)) == waiting[:1]

        assert ids(await claim(backend, limits=limits)) == waiting[1:2]

    async def test_rates_of_a_queue_and_of_a_function_hold_both(self, backend: Backend) -> None:
        limits = Limits({"default": Limit(rate=Rate(3, 60))}, {"f": Limit(rate=Rate(1, 60))})
        mine = await some(backend, 2, priority=9)
        others = await some(backend, 5, func_name="g")

        got = await claim(backend, functions=BOTH, limits=limits)

        assert ids(got) == mine[:1] + others[:2]

    @pytest.mark.parametrize("rate", [Rate(7, 1), Rate(1_000_000, 1), Rate(3, 86_400)])
    async def test_a_span_has_no_more_starts_than_it_may(
        self, backend: Backend, clock: ManualClock, rate: Rate
    ) -> None:
        limits = rated(rate)[0]
        most = min(rate.number, 30)
        taken = 0
        await some(backend, 3 * most)
        for step in range(20):
            taken += len(await claim(backend, limits=limits, limit=most))
            assert taken <= rate.number + rate.number * step / 10
            clock.advance(rate.seconds / 10)
        assert taken == min(3 * most, rate.number + rate.number * 19 // 10)

    async def test_claims_at_once_take_no_token_twice(
        self, backend: Backend, second: Backend
    ) -> None:
        limits = rated(Rate(5, 60))[0]
        await some(backend, 30)

        answers: list[list[Claimed]] = await asyncio.gather(
            *(
                claim(one, who, limit=1, limits=limits)
                for _ in range(8)
                for one, who in ((backend, A), (second, B))
            )
        )

        assert sum(map(len, answers)) == 5
