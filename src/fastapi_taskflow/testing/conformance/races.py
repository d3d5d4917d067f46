"""Verbs at the same time, on one handle and on two: every race has one winner."""

from __future__ import annotations

import asyncio

from fastapi_taskflow.backends.base import (
    Backend,
    CancelResult,
    Claimed,
    KeyConflict,
    Outcome,
    QueueIsFull,
    RetryRefused,
    Stored,
)
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
    put,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class Races(Conformance):
    """Many at once, one winner each."""

    async def test_claims_at_once_share_out_the_tasks(
        self, backend: Backend, second: Backend
    ) -> None:
        stored = await accept(backend, *(task() for _ in range(60)))
        handles = [(backend, A), (second, B)] * 10

        answers = await asyncio.gather(*(claim(one, who, limit=4) for one, who in handles))

        got = [task_id for answer in answers for task_id in ids(answer)]
        assert sorted(got) == sorted(one.task_id for one in stored)

    async def test_cancels_hide_no_other_task_from_claims(
        self, backend: Backend, second: Backend
    ) -> None:
        for _ in range(5):
            stored = await accept(backend, *(task() for _ in range(20)))
            gone, left = stored[:10], stored[10:]
            first, *_ = await asyncio.gather(
                claim(backend, A, limit=20), *(second.cancel([one.task_id]) for one in gone)
            )

            got = {*ids(first), *ids(await claim(second, B, limit=20))}

            assert got >= {one.task_id for one in left}

    async def test_late_ends_leave_a_new_claim_whole(self, backend: Backend) -> None:
        lease = await running(backend)
        late = Outcome(lease, Move.SUCCEED)
        held, got = lease, []
        for _ in range(10):
            await end(backend, held, Move.RETRY)
            ((held, stored),), *_ = await asyncio.gather(
                _claimed(backend), *(_one_after_the_other(backend, late, 8) for _ in range(3))
            )
            got.append(stored.payload)
            await begin(backend, held)

        assert got == [b"payload"] * 10

    async def test_inserts_with_one_key_at_once_store_one_task(
        self, backend: Backend, second: Backend
    ) -> None:
        news = [keyed("k", owner=A) for _ in range(20)]

        answers = await asyncio.gather(
            *(put((backend, second)[n % 2], new) for n, new in enumerate(news))
        )

        inserted = [one for answer in answers if isinstance(answer, Stored) for one in answer.tasks]
        assert len(inserted) == 20
        assert len({one.task_id for one in inserted}) == 1
        assert sorted(one.duplicate for one in inserted) == [False] + [True] * 19
        assert len(await backend.owned(A)) == 1

    async def test_conflicting_inserts_at_once_store_one_task(
        self, backend: Backend, second: Backend
    ) -> None:
        news = [keyed("k", bytes([n])) for n in range(10)]

        answers = await asyncio.gather(
            *(put((backend, second)[n % 2], new) for n, new in enumerate(news))
        )

        (winner,) = [answer.tasks[0] for answer in answers if isinstance(answer, Stored)]
        losers = [answer for answer in answers if not isinstance(answer, Stored)]
        assert losers == [KeyConflict("k", winner.task_id)] * 9

    async def test_inserts_at_once_fill_a_queue_exactly(
        self, backend: Backend, second: Backend
    ) -> None:
        handles = [backend, second] * 10

        answers = await asyncio.gather(
            *(put(one, task(), limits={"default": 7}) for one in handles)
        )

        assert sum(isinstance(answer, Stored) for answer in answers) == 7
        assert sum(isinstance(answer, QueueIsFull) for answer in answers) == 13
        assert len(await claim(backend)) == 7

    async def test_retries_of_one_task_at_once_make_one(
        self, backend: Backend, second: Backend
    ) -> None:
        original = task()
        await end(backend, await running(backend, original), Move.FAIL)
        handles = [backend, second] * 5

        answers = await asyncio.gather(
            *(put(one, task(retry_of=original.task_id)) for one in handles)
        )

        (winner,) = [answer.tasks[0] for answer in answers if isinstance(answer, Stored)]
        losers = [answer for answer in answers if not isinstance(answer, Stored)]
        assert losers == [RetryRefused(original.task_id, retried_as=winner.task_id)] * 9

    async def test_a_cancel_and_a_start_at_once_agree_who_won(
        self, backend: Backend, second: Backend
    ) -> None:
        await accept(backend, *(task() for _ in range(20)))
        leases = [one.lease for one in await claim(backend)]

        outcomes = await asyncio.gather(
            *(
                asyncio.gather(backend.start([lease]), second.cancel([lease.task_id]))
                for lease in leases
            )
        )

        for lease, ((started,), (answer,)) in zip(leases, outcomes, strict=True):
            status = (await find(backend, lease.task_id)).record.status
            if started is None:
                assert (answer.result, status) == (CancelResult.CANCELLED, TaskStatus.CANCELLED)
            else:
                assert (answer.result, status) == (CancelResult.ASKED, TaskStatus.RUNNING)

    async def test_an_end_and_a_recovery_at_once_agree_who_won(
        self, backend: Backend, second: Backend
    ) -> None:
        await accept(backend, *(task() for _ in range(20)))
        leases = [one.lease for one in await claim(backend)]
        await backend.start(leases)

        settled, recovered = await asyncio.gather(
            asyncio.gather(*(end(backend, lease, Move.SUCCEED) for lease in leases)),
            recover_all(second, by=B, dead=A),
        )

        assert {lease.task_id for lease, one in zip(leases, settled, strict=True) if one.late} == (
            set(ids(recovered))
        )

    async def test_recoveries_at_once_share_out_the_tasks(
        self, backend: Backend, second: Backend
    ) -> None:
        stored = await accept(backend, *(task(owner=A) for _ in range(20)))

        answers = await asyncio.gather(
            *(one.recover(B, A, limit=3) for one in [backend, second] * 5)
        )

        got = [task_id for answer in answers for task_id in ids(answer)]
        assert sorted(got) == sorted(one.task_id for one in stored)

    async def test_what_another_process_took_over_neither_starts_nor_ends(
        self, backend: Backend, second: Backend
    ) -> None:
        await accept(backend, task(), task())
        waits, runs = [one.lease for one in await claim(backend)]
        await backend.start([runs])

        await recover_all(second, by=B, dead=A)

        # Apart: of what was started before, nothing would be written.
        assert [await backend.start([one]) for one in (runs, waits)] == [[None]] * 2
        assert [(await end(backend, one, Move.SUCCEED)).late for one in (waits, runs)] == [True] * 2


async def _one_after_the_other(backend: Backend, late: Outcome, times: int) -> None:
    for _ in range(times):
        await backend.finish([late])


async def _claimed(backend: Backend) -> list[Claimed]:
    # A server may skip a row that somebody else looks at.
    while not (found := await claim(backend)):
        pass
    return found
