"""Ageing: what waits counts for more with time, so nothing waits for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, ClaimRequest
from fastapi_taskflow.backends.rules.pausing import pause_name
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    claim,
    ids,
    request,
    task,
)

STEP_SECONDS = 20.0
AGEING = {"default": timedelta(seconds=STEP_SECONDS)}
FUNCTIONS = frozenset({"f", "g"})


def aged(limit: int, **changes: Any) -> ClaimRequest:
    """A claim in a queue that ages."""
    return request(limit=limit, ageing=AGEING, functions=FUNCTIONS, **changes)


class Ageing(Conformance):
    """One priority higher for each step of waiting."""

    async def test_a_steady_stream_of_urgent_tasks_starves_nothing(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        waits = task(priority=0)
        await accept(backend, waits)
        before = []

        for _ in range(30):
            await accept(backend, task(func_name="g", priority=5))
            (found,) = ids(await backend.claim(aged(1)))
            if found == waits.task_id:
                break
            before.append(found)
            clock.advance(10)

        # Five steps of 20 seconds, a task each 10 seconds.
        assert len(before) == 10

    @pytest.mark.parametrize("limit", [1, 3, 100])
    async def test_tasks_come_by_priority_and_the_time_they_have_waited(
        self, backend: Backend, clock: ManualClock, limit: int
    ) -> None:
        clock.advance(5_000)
        now, new = clock.now(), []
        for n in range(24):
            waited = 37 * n % 101
            new.append(
                task(
                    func_name="fg"[n % 2],
                    priority=n * 7 % 6 - 3 if n % 5 else None,
                    due_at=now - timedelta(seconds=waited),
                )
            )
        late = task(priority=100, due_at=now + timedelta(seconds=1))
        await accept(backend, *new, late)

        got = list[str]()
        while found := await backend.claim(aged(limit)):
            got += ids(found)

        def turn(n: int) -> tuple[float, object, int]:
            waited = (now - (new[n].due_at or now)).total_seconds()
            return -(new[n].priority or 0) - waited / STEP_SECONDS, new[n].due_at, n

        assert got == [new[n].task_id for n in sorted(range(len(new)), key=turn)]

    async def test_the_setting_is_that_of_each_claim(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        old = [task(priority=0) for _ in range(2)]
        await accept(backend, *old)
        clock.advance(STEP_SECONDS * 2)
        urgent = [task(priority=1) for _ in range(2)]
        await accept(backend, *urgent)

        got = [
            *ids(await claim(backend, limit=1)),
            *ids(await backend.claim(aged(1))),
            *ids(await claim(backend, limit=1)),
            *ids(await backend.claim(aged(1))),
        ]

        assert got == [one.task_id for one in (urgent[0], old[0], urgent[1], old[1])]

    async def test_a_queue_that_ages_takes_its_turn_beside_one_that_does_not(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        plain, aging = task(queue="plain", priority=3), task(priority=0)
        await accept(backend, plain, aging)
        clock.advance(STEP_SECONDS * 4)
        queues = {"plain": 1, "default": 1}

        assert ids(await backend.claim(aged(1, queues=queues))) == [aging.task_id]
        assert ids(await backend.claim(aged(1, queues=queues))) == [plain.task_id]

    async def test_a_claim_that_is_sent_again_answers_in_the_same_order(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        old, urgent = task(priority=0), task(priority=1)
        await accept(backend, old)
        clock.advance(STEP_SECONDS * 2)
        await accept(backend, urgent)
        asked = aged(2)

        got = ids(await backend.claim(asked))
        again = ids(await backend.claim(asked))

        assert got == again == [old.task_id, urgent.task_id]

    async def test_what_is_held_is_passed_over(self, backend: Backend, clock: ManualClock) -> None:
        held = [task(priority=1, tags={"customer": "7"}) for _ in range(5)]
        others = [task(priority=n) for n in (1, 0)]
        await accept(backend, *held, *others)
        await backend.set_queue(pause_name("tag", "customer:7"), {"paused": True})
        clock.advance(1)

        assert ids(await backend.claim(aged(2))) == [one.task_id for one in others]
        assert await backend.claim(aged(2)) == []
