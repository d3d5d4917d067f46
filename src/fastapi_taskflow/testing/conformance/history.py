"""What is kept beside the tasks: logs, attempts, counters and settings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fastapi_taskflow.backends.base import Attempt, Backend, Lease, LogChunk, Outcome
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
    fresh_id,
    keyed,
    put,
    recover_all,
    running,
    task,
)
from fastapi_taskflow.words.loglines import LEVELS, entries, levelled
from fastapi_taskflow.words.states import Move


class Logs(Conformance):
    """Lines are added to those that a task has."""

    async def test_lines_add_up_in_order_over_attempts(self, backend: Backend) -> None:
        lease = await running(backend)
        await backend.append_logs([LogChunk(lease, ("one", "two")), LogChunk(lease, ("three",))])
        await end(backend, lease, Move.RETRY, logs=("four",))
        (got,) = await claim(backend)
        await begin(backend, got.lease)
        await backend.append_logs([LogChunk(got.lease, ("five", "line\nbreak 🧨\x00"))])

        record = (await find(backend, lease.task_id)).record

        assert record.logs == ["one", "two", "three", "four", "five", "line\nbreak 🧨\x00"]

    async def test_lines_of_a_lost_lease_are_dropped(self, backend: Backend) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)

        await backend.append_logs([LogChunk(stale, ("late",)), LogChunk(Lease(fresh_id(), 1), ())])

        assert (await find(backend, stale.task_id)).record.logs == []

    async def test_lines_that_come_anew_take_the_place_of_all_others(
        self, backend: Backend
    ) -> None:
        lease = await running(backend)
        await backend.append_logs([LogChunk(lease, ("one",)), LogChunk(lease, ("two",))])
        await backend.append_logs(
            [
                LogChunk(lease, ("three",)),
                LogChunk(lease, ("four",), anew=True),
                LogChunk(lease, ("five",)),
            ]
        )
        assert (await find(backend, lease.task_id)).record.logs == ["four", "five"]

        outcome = Outcome(lease, Move.SUCCEED, logs=("six", "seven"), logs_anew=True)
        await backend.finish([outcome])

        assert (await find(backend, lease.task_id)).record.logs == ["six", "seven"]

    async def test_levels_stay_beside_their_lines(self, backend: Backend) -> None:
        lease = await running(backend)
        told = [levelled(f"{letter}ines", level) for letter in "DIWEC" for level in LEVELS]
        await backend.append_logs([LogChunk(lease, tuple(told[:9]))])
        await backend.append_logs([LogChunk(lease, tuple(told[9:20]))])
        await end(backend, lease, Move.RETRY, logs=tuple(told[20:]))

        (got,) = await claim(backend)
        (found,) = await backend.get([lease.task_id])

        assert found is not None
        for kept in (found.record.logs, got.task.record.logs):
            assert [repr(entry) for entry in entries(kept)] == [repr(one) for one in entries(told)]

    async def test_no_lines_no_work(self, backend: Backend) -> None:
        lease = await running(backend)

        await backend.append_logs([])
        await backend.append_logs([LogChunk(lease, ())])

        assert (await find(backend, lease.task_id)).record.logs == []


class Attempts(Conformance):
    """Each attempt that does not end its task is kept."""

    async def test_the_history_tells_each_attempt(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await accept(backend, task(requeue=True))
        start = clock.now()
        moves = [Move.RETRY, Move.SNOOZE, Move.RETRY, Move.DRAIN, Move.RESCUE]
        lease = Lease("", 0)
        for n, move in enumerate(moves):
            owner = (A, B)[n % 2]
            (got,) = await claim(backend, owner)
            lease = got.lease
            await begin(backend, lease)
            clock.advance(1)
            await end(backend, lease, move, error=f"error {n}", stacktrace="tb", elapsed=0.5)

        history = await backend.attempts(lease.task_id)

        assert history == [
            Attempt(
                number=number,
                fence=n + 1,
                instance=(A, B)[n % 2],
                started_at=start + timedelta(seconds=n),
                ended_at=start + timedelta(seconds=n + 1),
                elapsed=0.5,
                move=moves[n],
                error=f"error {n}",
                stacktrace="tb",
                late=False,
            )
            for n, number in enumerate([0, 1, 1, 2, 2])
        ]

    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.FAIL, Move.INTERRUPT, Move.UNSTART])
    async def test_the_last_attempt_and_one_that_never_ran_are_not_in_it(
        self, backend: Backend, move: Move
    ) -> None:
        lease = await running(backend)
        await end(backend, lease, move)

        assert await backend.attempts(lease.task_id) == []

    async def test_giving_back_is_no_attempt(self, backend: Backend) -> None:
        await accept(backend, task())
        (got,) = await claim(backend)
        await end(backend, got.lease, Move.GIVE_BACK)

        assert await backend.attempts(got.lease.task_id) == []
        assert await backend.attempts(fresh_id()) == []


class Counters(Conformance):
    """Totals by queue, function and state."""

    async def counts(self, backend: Backend) -> dict[tuple[str, str, str], tuple[int, int, float]]:
        """The counters that are not zero."""
        return {
            (cell.queue, cell.func_name, cell.status.value): (cell.rows, cell.ended, cell.seconds)
            for cell in await backend.tally()
            if cell.rows or cell.ended
        }

    async def test_a_task_is_counted_where_it_is_now(self, backend: Backend) -> None:
        await accept(backend, task(queue="q", func_name="g"), task())
        assert await self.counts(backend) == {
            ("q", "g", "pending"): (1, 0, 0.0),
            ("default", "f", "pending"): (1, 0, 0.0),
        }
        (got,) = await claim(backend)
        await begin(backend, got.lease)
        assert ("default", "f", "running") in await self.counts(backend)
        await end(backend, got.lease, Move.FAIL, elapsed=1.5)

        assert await self.counts(backend) == {
            ("q", "g", "pending"): (1, 0, 0.0),
            ("default", "f", "failed"): (1, 1, 1.5),
        }

    async def test_ends_add_up_with_their_seconds(self, backend: Backend) -> None:
        for elapsed in (0.5, 2.0, None):
            lease = await running(backend)
            await end(backend, lease, Move.RETRY, elapsed=64.0)
            (got,) = await claim(backend)
            await begin(backend, got.lease)
            await end(backend, got.lease, Move.SUCCEED, elapsed=elapsed)

        assert await self.counts(backend) == {("default", "f", "success"): (3, 3, 2.5)}

    async def test_rejected_cancelled_and_recovered_tasks_are_counted(
        self, backend: Backend
    ) -> None:
        new = task()
        await accept(backend, new)
        await backend.cancel([new.task_id])
        await put(backend, task(), limits={"default": 0})
        await running(backend)
        (got,) = await recover_all(backend, by=B, dead=A)
        await end(backend, got.lease, Move.LOSE)

        assert await self.counts(backend) == {
            ("default", "f", "cancelled"): (1, 1, 0.0),
            ("default", "f", "rejected"): (1, 1, 0.0),
            ("default", "f", "interrupted"): (1, 1, 0.0),
        }

    async def test_duplicates_and_late_outcomes_count_nowhere(self, backend: Backend) -> None:
        new = keyed("k")
        stale = await running(backend, new)
        await accept(backend, keyed("k", alias=True), keyed("k"))
        await recover_all(backend, by=B, dead=A)
        await end(backend, stale, Move.SUCCEED, elapsed=1.0)

        assert await self.counts(backend) == {("default", "f", "running"): (1, 0, 0.0)}

    async def test_what_has_ended_is_never_uncounted(self, backend: Backend) -> None:
        original = task()
        await end(backend, await running(backend, original), Move.FAIL, elapsed=1.0)

        await accept(backend, task(retry_of=original.task_id, replace_original=True))

        assert await self.counts(backend) == {
            ("default", "f", "failed"): (0, 1, 1.0),
            ("default", "f", "pending"): (1, 0, 0.0),
        }


class QueueSettings(Conformance):
    """Settings that operators store for every instance."""

    async def test_settings_are_merged_and_told_to_everybody(
        self, backend: Backend, second: Backend
    ) -> None:
        assert (await backend.signals(A)).queues == {}

        assert await backend.set_queue("q'", {"concurrency": 3}) == {"concurrency": 3}
        merged = await backend.set_queue("q'", {"max_size": None, "paused": True})

        assert merged == {"concurrency": 3, "max_size": None, "paused": True}
        await backend.set_queue("other", {"paused": False})
        wanted = {"q'": merged, "other": {"paused": False}}
        assert (await backend.signals(A)).queues == wanted
        assert (await second.signals(B)).queues == wanted

    async def test_a_stored_setting_is_replaced_and_may_be_none(self, backend: Backend) -> None:
        await backend.set_queue("q", {"concurrency": 3, "max_size": 9})

        assert await backend.set_queue("q", {"concurrency": None}) == {
            "concurrency": None,
            "max_size": 9,
        }
