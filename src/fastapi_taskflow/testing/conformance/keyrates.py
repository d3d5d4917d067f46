"""Rates of order keys: each key of a function has a bucket of its own."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi_taskflow.backends.base import Backend, Lease, Limits
from fastapi_taskflow.backends.rules.allowing import bucket_names
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    ids,
    request,
    task,
)
from fastapi_taskflow.testing.conformance.turns import some
from fastapi_taskflow.words.rates import Limit, Rate
from fastapi_taskflow.words.states import Move

ONE_A_MINUTE = Limits({}, {}, {"f": Rate(1, 60)})


async def run_all(backend: Backend, leases: Iterable[Lease]) -> None:
    """Each starts, and succeeds."""
    for lease in leases:
        await begin(backend, lease)
        await end(backend, lease, Move.SUCCEED)


class KeyRates(Conformance):
    """A claim takes a token of a task's key; without one the task is due when there is one."""

    async def test_each_key_has_its_own_tokens(self, backend: Backend, clock: ManualClock) -> None:
        limits = Limits({}, {}, {"f": Rate(2, 60)})
        mine, others = await some(backend, "k", 4), await some(backend, "l", 1)
        taken = []
        for _ in range(3):
            got = await claim(backend, limits=limits)
            taken += ids(got)
            await run_all(backend, [one.lease for one in got])

        assert taken == [mine[0], others[0], mine[1]]
        clock.advance(29)
        assert await claim(backend, limits=limits) == []
        clock.advance(1)
        got = await claim(backend, limits=limits)
        assert ids(got) == mine[2:3]
        await run_all(backend, [one.lease for one in got])
        assert await claim(backend, limits=limits) == []

    async def test_what_waits_for_a_token_is_due_when_there_is_one(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        first, second = await some(backend, "k", 2)
        await run_all(backend, [one.lease for one in await claim(backend, limits=ONE_A_MINUTE)])
        clock.advance(20)

        assert await claim(backend, limits=ONE_A_MINUTE) == []

        assert await backend.next_due(["default"]) == 40
        due = (await find(backend, second)).record.due_at
        assert due is not None
        assert (due - clock.now()).total_seconds() == 40
        assert first != second

    async def test_a_retry_takes_a_token_of_its_key(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        waiting = await some(backend, "k", 1)
        (one,) = await claim(backend, limits=ONE_A_MINUTE)
        await begin(backend, one.lease)
        await end(backend, one.lease, Move.RETRY)

        assert await claim(backend, limits=ONE_A_MINUTE) == []
        clock.advance(60)
        assert ids(await claim(backend, limits=ONE_A_MINUTE)) == waiting

    async def test_many_keys_without_tokens_hide_nobody(self, backend: Backend) -> None:
        keys = [f"k{number}" for number in range(250)]
        await accept(backend, *(task(order_key=key) for key in keys))
        await accept(backend, *(task(order_key=key) for key in keys))
        got = await claim(backend, limits=ONE_A_MINUTE)
        assert len(got) == len(keys)
        await run_all(backend, [one.lease for one in got])
        fresh = await some(backend, "fresh", 1)

        assert ids(await claim(backend, limit=1, limits=ONE_A_MINUTE)) == fresh

    async def test_tasks_without_a_key_and_other_functions_have_no_such_rate(
        self, backend: Backend
    ) -> None:
        await accept(backend, task(), task(), task(func_name="g", order_key="k"))

        got = await claim(backend, functions=frozenset({"f", "g"}), limits=ONE_A_MINUTE)

        assert len(got) == 3

    async def test_a_claim_that_is_sent_again_takes_one_token_of_a_key(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        (waiting, _) = await some(backend, "k", 2)
        asked = request(A, limits=ONE_A_MINUTE)
        got = await backend.claim(asked)
        assert ids(got) == ids(await backend.claim(asked)) == [waiting]
        await run_all(backend, [one.lease for one in got])
        clock.advance(60)

        assert len(await claim(backend, limits=ONE_A_MINUTE)) == 1

    async def test_it_holds_beside_the_rate_of_the_function(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        limits = Limits({}, {"f": Limit(rate=Rate(2, 60))}, {"f": Rate(1, 60)})
        waiting = [(await some(backend, key, 1))[0] for key in "klm"]

        assert ids(await claim(backend, limits=limits)) == waiting[:2]
        clock.advance(30)
        assert ids(await claim(backend, limits=limits)) == waiting[2:]


class Traffic(Conformance):
    """What decides why tasks wait. A store may tell nothing of it."""

    async def test_lines_leases_and_levels_are_told(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        waiting = await some(backend, "k", 4)
        limits = Limits({"default": Limit(rate=Rate(5, 60))}, {}, {})
        await claim(backend, limits=limits)
        names = bucket_names(limits)

        found = await backend.traffic(["k", "nobody"], [*names, "full"], leased=True, most=3)

        if found.now is not None:
            assert found.now == clock.now()
            assert found.lines.get("k") == waiting[:3]
            assert not found.lines.get("nobody")
            assert found.leased.get(("default", "f")) == 1
            assert list(found.levels) == names
