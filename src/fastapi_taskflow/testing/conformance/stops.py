"""What the stop of a run does, to it and to others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from fastapi_taskflow.executors.base import Executor, Reason
from fastapi_taskflow.rules.ends import Returned, Stopped
from fastapi_taskflow.testing.conformance.runs import Running, Watched, call_of, let_pass, until

_REASONS: tuple[Reason, ...] = get_args(Reason)


class Stops(Running):
    """A run that can be ended ends when it is to; another is only asked."""

    @pytest.mark.parametrize("reason", _REASONS)
    async def test_a_stop_says_whether_it_ends_the_run(
        self, executor: Executor, place: Path, reason: Reason
    ) -> None:
        (one,) = await self.waiting(executor, place)
        ends = one.run.stop(reason)

        assert ends is self.stops
        if not ends:
            assert one.told == []
            let_pass(place)
        assert await one.end() == (Stopped() if ends else Returned("run 0"))

    @pytest.mark.parametrize("reason", _REASONS)
    async def test_a_function_that_looks_learns_of_the_stop(
        self, executor: Executor, place: Path, reason: Reason
    ) -> None:
        (one,) = await self.waiting(executor, place, func="look")
        ends = one.run.stop(reason)

        assert await one.end() == (Stopped() if ends else Returned("asked"))

    async def test_a_stop_harms_no_neighbour(self, executor: Executor, place: Path) -> None:
        before, stopped, after = await self.waiting(executor, place, 3)
        if stopped.run.stop("timeout"):
            await stopped.end()
        let_pass(place)

        assert await before.end() == Returned("run 0")
        assert await after.end() == Returned("run 2")
        assert await Watched(executor, call_of(self.work.double, 1)).end() == Returned(2)

    async def test_a_slot_is_free_after_a_stop(self, executor: Executor, place: Path) -> None:
        stopped = await self.waiting(executor, place, 3)
        ended = [one.run.stop("timeout") for one in stopped]
        if not all(ended):
            let_pass(place)
        for one in stopped:
            await one.end()

        assert await Watched(executor, call_of(self.work.double, 1)).end() == Returned(2)

    @pytest.mark.parametrize("turns", [0, 1, 5])
    async def test_whatever_races_an_end_is_told_once(self, executor: Executor, turns: int) -> None:
        crowd = [Watched(executor, call_of(self.work.double, n)) for n in range(self.crowd)]
        for _ in range(turns):
            await asyncio.sleep(0.001)
        for each in crowd:
            if not each.told:
                each.run.stop("timeout")
        await until(lambda: all(each.told for each in crowd))
        await executor.close(1.0)

        assert {len(each.told) for each in crowd} == {1}
        for number, each in enumerate(crowd):
            assert each.told[0] in (Returned(2 * number), Stopped())
