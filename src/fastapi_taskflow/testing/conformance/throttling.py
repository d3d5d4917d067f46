"""Token buckets: nobody gets more than they hold, and nobody pays for others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.buckets import Bucket, bucket_name
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import Conformance, logins_of

PLAIN = Bucket(bucket_name("plain"), 5, 12.0)
GROWING = Bucket(bucket_name("growing"), 5, 12.0, delay=2.0)


async def take_all(backend: Backend, bucket: Bucket) -> int:
    """How many tokens it has now."""
    got = 0
    while await logins_of(backend).take_tokens([bucket]) == 0:
        got += 1
    return got


async def waits(backend: Backend, clock: ManualClock, bucket: Bucket, number: int) -> list[float]:
    """How long somebody waits who takes a token whenever he can."""
    waited = []
    for _ in range(number):
        waited.append(await logins_of(backend).take_tokens([bucket]))
        clock.advance(waited[-1])
        assert waited[-1] > 0
        assert await logins_of(backend).take_tokens([bucket]) == 0
    return waited


def spread(handles: Sequence[Backend], number: int) -> list[Backend]:
    """Handles to ask, in turn."""
    return [handles[n % len(handles)] for n in range(number)]


class TakingTokens(Conformance):
    """A bucket gives what it holds, and gets it back with time."""

    async def test_a_full_bucket_gives_its_capacity_and_says_when_there_is_more(
        self, store: Backend
    ) -> None:
        answers = [await logins_of(store).take_tokens([PLAIN]) for _ in range(7)]

        assert answers == [0, 0, 0, 0, 0, 12.0, 12.0]

    async def test_tokens_come_back_one_by_one(self, store: Backend, clock: ManualClock) -> None:
        await take_all(store, PLAIN)

        clock.advance(11)
        assert await logins_of(store).take_tokens([PLAIN]) == 1.0
        clock.advance(1)
        assert await take_all(store, PLAIN) == 1
        clock.advance(36)
        assert await take_all(store, PLAIN) == 3
        clock.advance(100_000)

        assert await take_all(store, PLAIN) == 5

    async def test_a_bucket_of_one_gives_one(self, store: Backend, clock: ManualClock) -> None:
        one = Bucket("one", 1, 60.0)

        assert await take_all(store, one) == 1
        clock.advance(59)
        assert await take_all(store, one) == 0
        clock.advance(1)

        assert await take_all(store, one) == 1

    async def test_all_buckets_give_or_none(self, store: Backend) -> None:
        small, large = PLAIN._replace(name="small", capacity=2), PLAIN._replace(name="large")
        for _ in range(2):
            assert await logins_of(store).take_tokens([small, large]) == 0

        for buckets in ([small, large], [large, small]):
            assert await logins_of(store).take_tokens(buckets) == 12.0

        assert await take_all(store, large) == 3

    async def test_the_longest_wait_is_answered(self, store: Backend) -> None:
        quick, slow = Bucket("quick", 1, 1.0), Bucket("slow", 1, 90.0)
        await logins_of(store).take_tokens([quick, slow])

        assert await logins_of(store).take_tokens([quick, slow]) == 90.0
        assert await logins_of(store).take_tokens([slow, quick]) == 90.0

    async def test_no_buckets_refuse_nothing(self, store: Backend) -> None:
        assert await logins_of(store).take_tokens([]) == 0

    async def test_buckets_of_other_names_are_others(self, store: Backend) -> None:
        await take_all(store, PLAIN)

        assert await take_all(store, PLAIN._replace(name=bucket_name("other"))) == 5

    async def test_forgetting_fills_the_buckets_that_are_named(self, store: Backend) -> None:
        other = PLAIN._replace(name="other")
        await take_all(store, PLAIN)
        await take_all(store, other)

        await logins_of(store).forget_buckets([PLAIN.name, "unknown"])
        await logins_of(store).forget_buckets([PLAIN.name])
        await logins_of(store).forget_buckets([])

        assert await take_all(store, PLAIN) == 5
        assert await take_all(store, other) == 0

    async def test_instances_take_from_the_same_bucket(
        self, backend: Backend, second: Backend
    ) -> None:
        assert await logins_of(backend).take_tokens([PLAIN]) == 0
        assert await take_all(second, PLAIN) == 4
        assert await logins_of(backend).take_tokens([PLAIN]) == 12.0

        await logins_of(second).forget_buckets([PLAIN.name])

        assert await take_all(backend, PLAIN) == 5

    async def test_takers_at_once_get_exactly_the_capacity(
        self, backend: Backend, second: Backend
    ) -> None:
        answers = await asyncio.gather(
            *(logins_of(one).take_tokens([GROWING]) for one in spread([backend, second], 200))
        )

        assert sum(answer == 0 for answer in answers) == 5
        assert {answer for answer in answers if answer} == {12.0}

    async def test_takers_at_once_of_crossing_buckets_lose_no_token(
        self, backend: Backend, second: Backend
    ) -> None:
        pairs = [Bucket(bucket_name("pair", str(n)), 3, 60.0) for n in range(8)]
        shared = Bucket(bucket_name("shared"), 20, 60.0)

        answers = await asyncio.gather(
            *(
                logins_of(one).take_tokens(
                    [pairs[n % 8], shared] if n % 3 else [shared, pairs[n % 8]]
                )
                for n, one in enumerate(spread([backend, second], 160))
            )
        )

        assert sum(answer == 0 for answer in answers) == 20
        left = [await take_all(backend, pair) for pair in pairs]
        assert sum(left) == 8 * 3 - 20


class GrowingWaits(Conformance):
    """Who uses a bucket up again and again waits longer each time."""

    async def test_waits_double_up_to_the_longest(self, store: Backend, clock: ManualClock) -> None:
        await take_all(store, GROWING)

        waited = await waits(store, clock, GROWING, 11)

        assert waited == [12, 12, 12, 16, 32, 64, 128, 256, 300, 300, 300]

    async def test_waits_without_a_delay_do_not_grow(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, PLAIN)

        assert await waits(store, clock, PLAIN, 6) == [12] * 6

    async def test_refused_tries_make_no_wait_longer(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, GROWING)

        asked = [await logins_of(store).take_tokens([GROWING]) for _ in range(50)]
        clock.advance(12)

        assert asked == [12.0] * 50
        assert await take_all(store, GROWING) == 1
        assert await logins_of(store).take_tokens([GROWING]) == 12.0

    async def test_a_bucket_that_is_left_alone_has_no_past(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, GROWING)
        await waits(store, clock, GROWING, 6)

        # The wait that was due, the other four tokens, and one refill more.
        clock.advance(128 + 4 * 12 + 12)

        assert await take_all(store, GROWING) == 5
        assert await waits(store, clock, GROWING, 4) == [12, 12, 12, 16]

    async def test_a_bucket_that_is_full_remembers_for_one_refill(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, GROWING)
        await waits(store, clock, GROWING, 6)

        clock.advance(128 + 4 * 12 + 11)

        assert await take_all(store, GROWING) == 5
        assert await logins_of(store).take_tokens([GROWING]) == 256.0

    async def test_tokens_do_not_come_back_during_a_wait(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, GROWING)
        await waits(store, clock, GROWING, 6)

        clock.advance(128)

        assert await take_all(store, GROWING) == 1

    async def test_waits_for_a_bucket_of_one_double_too(
        self, store: Backend, clock: ManualClock
    ) -> None:
        one = Bucket("one", 1, 3.0, delay=2.0, longest=20.0)
        await take_all(store, one)

        assert await waits(store, clock, one, 6) == [3, 4, 8, 16, 20, 20]

    async def test_forgetting_forgets_the_growth_too(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await take_all(store, GROWING)
        await waits(store, clock, GROWING, 6)

        await logins_of(store).forget_buckets([GROWING.name])

        assert await take_all(store, GROWING) == 5
        assert await logins_of(store).take_tokens([GROWING]) == 12.0

    @pytest.mark.parametrize("networks", [1, 3])
    async def test_an_account_under_attack_is_open_from_another_network(
        self, backend: Backend, second: Backend, clock: ManualClock, networks: int
    ) -> None:
        def buckets(network: str) -> list[Bucket]:
            pair = GROWING._replace(name=bucket_name("pair", "ann", network))
            return [pair, Bucket(bucket_name("network", network), 30, 2.0)]

        for _ in range(20):
            for network in range(networks):
                await logins_of(backend).take_tokens(buckets(f"198.51.100.{network}"))
            clock.advance(3)
        assert await logins_of(second).take_tokens(buckets("198.51.100.0")) > 0

        assert await logins_of(second).take_tokens(buckets("192.0.2.1")) == 0
