"""Rollups: what ended when, by function, and how long it took."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, Grain, Outcome, Rollup, RollupQuery
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    Conformance,
    accept,
    begin,
    claim,
    end,
    put,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.words.durations import UNMEASURED, bin_of
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

_MINUTE = timedelta(minutes=1)
_PARTED = tuple(grain for grain in Grain if grain.seconds)


async def ask(backend: Backend, grain: Grain = Grain.EVER, **wanted: Any) -> list[Rollup]:
    """What ended, in order of time, function and state."""
    found = await backend.rollups(RollupQuery(grain=grain, **wanted))
    return sorted([one._replace(waits={}) for one in found if one.ended], key=_order)


def _order(one: Rollup) -> tuple[str, str, str]:
    return str(one.start), str(one.func_name), one.status.value


async def counts(backend: Backend, grain: Grain = Grain.EVER, **wanted: Any) -> dict[str, int]:
    """How many ended, by state."""
    return {one.status.value: one.ended for one in await ask(backend, grain, **wanted)}


async def series(backend: Backend, grain: Grain, **wanted: Any) -> list[tuple[datetime, int]]:
    """How many ended in each span, in order."""
    found: Counter[datetime] = Counter()
    for one in await backend.rollups(RollupQuery(grain=grain, by_start=True, **wanted)):
        assert one.start is not None
        found[one.start] += one.ended
    return sorted(found.items())


async def run_one(
    backend: Backend, move: Move = Move.SUCCEED, elapsed: float | None = 0.5, **changes: Any
) -> None:
    """A task that ends at once."""
    await end(backend, await running(backend, task(**changes)), move, elapsed=elapsed)


async def fold_all(backend: Backend, limit: int = 1000) -> int:
    """Fold until nothing is left; how many calls it took."""
    calls = 1
    while (await backend.purge(None, limit=limit)).left_some(limit):
        calls += 1
    return calls


class Rollups(Conformance):
    """What has ended is summed up once in each grain."""

    async def test_an_end_is_in_every_grain_with_its_length(self, backend: Backend) -> None:
        await run_one(backend, elapsed=0.25)

        for grain in Grain:
            assert await ask(backend, grain) == [
                Rollup(None, None, TaskStatus.SUCCESS, 1, 0.25, {bin_of(0.25): 1}, {})
            ]

    async def test_nothing_has_ended_in_an_empty_store(self, backend: Backend) -> None:
        await running(backend)

        for grain in Grain:
            assert await backend.rollups(RollupQuery(grain=grain, by_start=True)) == []

    async def test_lengths_add_up_by_state(self, backend: Backend) -> None:
        for elapsed in (0.25, 0.25, 8.0, None):
            await run_one(backend, elapsed=elapsed)
        await run_one(backend, Move.FAIL, elapsed=0.0)

        assert await ask(backend) == [
            Rollup(None, None, TaskStatus.FAILED, 1, 0.0, {bin_of(0.0): 1}, {}),
            Rollup(
                None,
                None,
                TaskStatus.SUCCESS,
                4,
                8.5,
                {bin_of(0.25): 2, bin_of(8.0): 1, UNMEASURED: 1},
            ),
        ]

    async def test_each_kind_of_end_counts(self, backend: Backend) -> None:
        for move in (Move.SUCCEED, Move.FAIL, Move.CANCEL, Move.INTERRUPT):
            await run_one(backend, move)
        cancelled = task()
        await accept(backend, cancelled)
        await backend.cancel([cancelled.task_id])
        await put(backend, task(), limits={"default": 0})
        await running(backend)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.LOSE)

        assert await counts(backend) == {
            "success": 1,
            "failed": 1,
            "cancelled": 2,
            "interrupted": 2,
            "rejected": 1,
        }

    async def test_only_the_end_of_a_task_counts_and_only_once(self, backend: Backend) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)
        await end(backend, stale, Move.SUCCEED, elapsed=1.0)
        lease = stale._replace(fence=stale.fence + 1)
        await end(backend, lease, Move.RETRY, elapsed=1.0)
        assert await ask(backend) == []
        (got,) = await claim(backend, B)
        await begin(backend, got.lease)

        for _ in range(2):
            await end(backend, got.lease, Move.SUCCEED, elapsed=0.5)

        assert await ask(backend) == [
            Rollup(None, None, TaskStatus.SUCCESS, 1, 0.5, {bin_of(0.5): 1})
        ]

    async def test_what_is_mirrored_counts_once(self, backend: Backend, clock: ManualClock) -> None:
        new = light()
        for status in (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.SUCCESS):
            await backend.mirror(A, [snapshot(new, status, clock.now())])
        at_once = snapshot(light(), TaskStatus.SUCCESS, clock.now())
        await backend.mirror(A, [at_once, at_once])

        assert await ask(backend) == [
            Rollup(None, None, TaskStatus.SUCCESS, 2, 1.0, {bin_of(0.5): 2})
        ]

    async def test_a_batch_counts_as_its_tasks_do(self, backend: Backend) -> None:
        new = [task(func_name=name) for name in "ffg" * 20]
        await accept(backend, *new)
        got = await claim(backend, functions=frozenset("fg"))
        await backend.start([one.lease for one in got])
        await backend.finish(
            [Outcome(one.lease, Move.SUCCEED, elapsed=n / 64) for n, one in enumerate(got)]
        )

        found = await ask(backend, by_function=True)

        assert [(one.func_name, one.ended) for one in found] == [("f", 40), ("g", 20)]
        assert sum(one.seconds for one in found) == sum(n / 64 for n in range(60))
        bins = sum((Counter(one.durations) for one in found), Counter[int]())
        assert bins == Counter(bin_of(n / 64) for n in range(60))

    async def test_functions_are_apart_whatever_their_queues(self, backend: Backend) -> None:
        await run_one(backend, elapsed=1.0)
        await run_one(backend, elapsed=2.0, queue="other")
        await run_one(backend, elapsed=4.0, func_name="g")

        apart = await ask(backend, by_function=True)

        assert [(one.func_name, one.seconds) for one in apart] == [("f", 3.0), ("g", 4.0)]
        (only,) = await ask(backend, func_name="g")
        assert (only.func_name, only.seconds) == (None, 4.0)
        assert await ask(backend, func_name="nobody") == []


class RollupSpans(Conformance):
    """Ends are in the span of the store's now, and are kept as long as its grain says."""

    @pytest.mark.parametrize("grain", _PARTED)
    async def test_an_end_is_in_the_span_in_which_the_store_took_it(
        self, backend: Backend, clock: ManualClock, grain: Grain
    ) -> None:
        day = clock.now()
        span = timedelta(seconds=grain.seconds)
        await run_one(backend)
        clock.advance(grain.seconds - 0.000001)
        await run_one(backend)
        clock.advance(0.000001)
        await run_one(backend)

        for _ in range(2):
            assert await series(backend, grain) == [(day, 2), (day + span, 1)]
            await fold_all(backend)

    @pytest.mark.parametrize("folded", [False, True])
    async def test_spans_are_chosen_by_their_begin(
        self, backend: Backend, clock: ManualClock, folded: bool
    ) -> None:
        day = clock.now()
        for _ in range(4):
            await run_one(backend)
            clock.advance(60)
        if folded:
            await fold_all(backend)
        wanted = {"since": day + _MINUTE, "until": day + 3 * _MINUTE}

        found = await series(backend, Grain.MINUTE, **wanted)

        assert found == [(day + _MINUTE, 1), (day + 2 * _MINUTE, 1)]
        assert await counts(backend, Grain.MINUTE, **wanted) == {"success": 2}
        a_bit = timedelta(microseconds=1)
        later = {name: moment + a_bit for name, moment in wanted.items()}
        found = await series(backend, Grain.MINUTE, **later)
        assert found == [(day + 2 * _MINUTE, 1), (day + 3 * _MINUTE, 1)]
        assert await series(backend, Grain.HOUR, until=day) == []

    async def test_folding_changes_no_answer(self, backend: Backend, clock: ManualClock) -> None:
        for elapsed in (0.25, 0.5, 1.0, 2.0):
            for name in "fg":
                await run_one(backend, elapsed=elapsed, func_name=name)
            clock.advance(1000)
        queries = [RollupQuery(grain=grain, by_start=True, by_function=True) for grain in Grain]
        before = [sorted(await backend.rollups(query), key=_order) for query in queries]

        for limit in (1, 3, 1000):
            await backend.purge(None, limit=limit)
            assert [sorted(await backend.rollups(query), key=_order) for query in queries] == before

        # What comes after folding is added to it.
        await run_one(backend, elapsed=0.25)
        await fold_all(backend)
        assert await counts(backend) == {"success": 9}

    async def test_deleted_records_stay_summed_up(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await run_one(backend)
        clock.advance(60)
        await backend.purge(clock.now(), limit=9)
        await fold_all(backend)

        for grain in Grain:
            assert await counts(backend, grain) == {"success": 1}

    @pytest.mark.parametrize("grain", _PARTED)
    async def test_sums_are_kept_for_their_time_and_then_dropped(
        self, backend: Backend, clock: ManualClock, grain: Grain
    ) -> None:
        assert grain.kept_days is not None
        await run_one(backend)
        await fold_all(backend)
        clock.advance(grain.kept_days * 86_400)
        await run_one(backend)
        await fold_all(backend, limit=1)
        assert len(await series(backend, grain)) == 2

        clock.advance(60)
        await run_one(backend)
        await fold_all(backend, limit=1)

        assert sum(number for _, number in await series(backend, grain)) == 2
        assert await counts(backend) == {"success": 3}

    async def test_instances_add_up_and_fold_together(
        self, backend: Backend, second: Backend, clock: ManualClock
    ) -> None:
        await run_one(backend)
        await run_one(second)
        clock.advance(60)
        await fold_all(backend, limit=1)
        await run_one(second)
        clock.advance(60)
        await fold_all(second, limit=1)

        for one in (backend, second):
            for grain in Grain:
                assert await counts(one, grain) == {"success": 3}
