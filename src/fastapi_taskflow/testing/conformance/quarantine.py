"""Tasks that lost several owners are claimed one at a time."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.rules.retry import QUARANTINE_FROM
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    begin,
    claim,
    end,
    ids,
    running,
    task,
)
from fastapi_taskflow.words.states import Move


async def suspect(backend: Backend, interruptions: int = QUARANTINE_FROM) -> str:
    """A free task whose owners died so often. Nothing else may be ready."""
    new = task(requeue=True)
    lease = await running(backend, new)
    for n in range(interruptions):
        await end(backend, lease, Move.RESCUE)
        if n + 1 < interruptions:
            (got,) = await claim(backend)
            lease = got.lease
            await begin(backend, lease)
    return new.task_id


class Quarantine(Conformance):
    """At most ``suspects`` of a claim have lost QUARANTINE_FROM owners or more."""

    @pytest.mark.parametrize("suspects", [0, 1])
    async def test_no_more_suspects_are_claimed_than_asked_for(
        self, backend: Backend, suspects: int
    ) -> None:
        for _ in range(2):
            await suspect(backend)
            (held,) = await claim(backend, suspects=1)
            await end(backend, held.lease, Move.GIVE_BACK, delay=1.0)

        got = await claim(backend, suspects=suspects)

        assert got == []

    async def test_a_suspect_too_many_holds_nothing_up_behind_it(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        bad = []
        for _ in range(3):
            bad.append(await suspect(backend))
            (held,) = await claim(backend)
            await end(backend, held.lease, Move.GIVE_BACK, delay=1.0)
        good = task(priority=-1)
        await accept(backend, good)
        clock.advance(1)

        assert ids(await claim(backend, suspects=1, limit=2)) == [bad[0], good.task_id]
        assert await claim(backend, suspects=0) == []
        assert ids(await claim(backend, suspects=1)) == [bad[1]]

    async def test_one_interruption_is_not_yet_suspect(self, backend: Backend) -> None:
        task_id = await suspect(backend, QUARANTINE_FROM - 1)

        assert ids(await claim(backend, suspects=0)) == [task_id]
