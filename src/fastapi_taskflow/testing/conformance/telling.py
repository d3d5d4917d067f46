"""What functions tell while they run, and what they return."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, LogChunk, Query, Result
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
    recover_all,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


async def told(backend: Backend, task_id: str) -> tuple[str | None, str | None]:
    """What is kept of what a task told."""
    stored = await find(backend, task_id)
    return stored.progress, stored.emitted


async def result(backend: Backend, task_id: str) -> tuple[bytes | None, str | None]:
    """What is kept of what it returned, and why nothing is."""
    stored = await find(backend, task_id)
    return stored.result, stored.record.result_missing


class Telling(Conformance):
    """The latest takes the place of what there was."""

    async def test_the_latest_of_what_a_task_tells_is_kept(self, backend: Backend) -> None:
        lease, other = await running(backend), await running(backend)
        chunk = LogChunk(lease, ())
        await backend.append_logs([chunk._replace(progress="1", emitted="a")])
        await backend.append_logs([chunk._replace(progress="2"), chunk._replace(emitted="b")])
        await backend.append_logs([LogChunk(lease, ("a line",)), chunk._replace(progress="3 🧨")])

        assert await told(backend, lease.task_id) == ("3 🧨", "b")
        assert (await find(backend, lease.task_id)).record.logs == ["a line"]
        assert await told(backend, other.task_id) == (None, None)

    async def test_the_last_comes_with_the_end_and_stays(self, backend: Backend) -> None:
        lease, quiet = await running(backend), await running(backend)
        for one in (lease, quiet):
            await backend.append_logs([LogChunk(one, (), progress="1", emitted="a")])
        await end(backend, lease, Move.SUCCEED, progress="2", emitted="b")
        await end(backend, quiet, Move.FAIL, error="no")
        await backend.append_logs([LogChunk(lease, (), progress="late")])

        assert await told(backend, lease.task_id) == ("2", "b")
        assert await told(backend, quiet.task_id) == ("1", "a")

    async def test_a_retry_goes_on_with_what_there_is(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.RETRY, progress="1", emitted="a")
        (again,) = await claim(backend)
        await begin(backend, again.lease)

        assert (again.task.progress, again.task.emitted) == ("1", "a")
        assert await told(backend, lease.task_id) == ("1", "a")

    async def test_what_a_lost_lease_tells_is_dropped(self, backend: Backend) -> None:
        stale = await running(backend)
        await recover_all(backend, by=B, dead=A)

        await backend.append_logs([LogChunk(stale, (), progress="late")])
        await end(backend, stale, Move.SUCCEED, progress="later", result=Result(b"7"))

        assert await told(backend, stale.task_id) == (None, None)
        assert await result(backend, stale.task_id) == (None, None)

    async def test_lists_have_progress_and_not_what_is_long(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.SUCCEED, progress="1", emitted="a", result=Result(b"7"))

        (found,) = (await backend.search(Query(), limit=9)).tasks

        assert (found.progress, found.emitted, found.result) == ("1", None, None)

    async def test_snapshots_tell_likewise(self, backend: Backend, clock: ManualClock) -> None:
        one = snapshot(light(), TaskStatus.RUNNING, clock.now())
        await backend.mirror(A, [one._replace(progress="1", emitted="a")])
        assert await told(backend, one.task.task_id) == ("1", "a")

        await backend.mirror(A, [one._replace(progress="2"), one])

        assert await told(backend, one.task.task_id) == ("2", "a")


class Readable(Conformance):
    """Titles and summaries: shown wherever a task is, and found."""

    async def test_they_are_in_records_and_lists_and_are_searched(self, backend: Backend) -> None:
        title, summary = "Invoice 7 für 100%_Ada", "sent to \\'you'"
        await accept(backend, task("other", queue="x"))
        lease = await running(backend, task(title=title, tags={"k": "v"}))
        await backend.append_logs([LogChunk(lease, (), summary="began")])
        assert (await find(backend, lease.task_id)).record.summary == "began"
        await end(backend, lease, Move.FAIL, summary=summary)

        (found,) = (await backend.search(Query(text="für 100%_A"), limit=9)).tasks
        again = (await backend.search(Query(text="to \\'you"), limit=9)).tasks
        stored = (await find(backend, lease.task_id)).record

        assert [one.record.task_id for one in (found, *again)] == [lease.task_id] * 2
        assert (found.record.title, found.record.summary) == (title, summary)
        assert (stored.title, stored.summary) == (title, summary)
        assert (await backend.search(Query(text="für 100xxA"), limit=9)).tasks == []

    async def test_a_title_is_there_whatever_else_a_task_has(self, backend: Backend) -> None:
        forms: list[dict[str, Any]] = [{}, {"priority": 1}, {"idempotency_key": "k"}, {"owner": A}]
        tasks = [task(title=f"title {n}", **form) for n, form in enumerate(forms)]
        await accept(backend, *tasks, task("untitled"))

        stored = await backend.get([*[one.task_id for one in tasks], "untitled"])
        claimed = await claim(backend, limit=9)

        titles = [one and one.record.title for one in stored]
        assert titles == [*[one.title for one in tasks], None]
        assert {one.task.record.title for one in claimed} <= {*titles}

    async def test_snapshots_have_them(self, backend: Backend, clock: ManualClock) -> None:
        one = snapshot(light(title="Plain"), TaskStatus.RUNNING, clock.now())
        await backend.mirror(A, [one._replace(summary="half")])
        await backend.mirror(A, [one])

        record = (await find(backend, one.task.task_id)).record

        assert (record.title, record.summary) == ("Plain", "half")


class Results(Conformance):
    """What functions return, stored with their success."""

    async def test_a_result_comes_with_the_success(self, backend: Backend) -> None:
        lease, other = await running(backend), await running(backend)
        await end(backend, lease, Move.SUCCEED, result=Result(b"\x007"))
        await end(backend, other, Move.SUCCEED)

        assert await result(backend, lease.task_id) == (b"\x007", None)
        assert await result(backend, other.task_id) == (None, None)

    async def test_why_there_is_no_result_is_kept(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.SUCCEED, result=Result(None, missing="too long"))

        assert await result(backend, lease.task_id) == (None, "too long")

    @pytest.mark.parametrize("move", [Move.FAIL, Move.RETRY, Move.CANCEL])
    async def test_only_a_success_has_a_result(self, backend: Backend, move: Move) -> None:
        lease = await running(backend)
        await end(backend, lease, move, result=Result(b"7"))

        assert await result(backend, lease.task_id) == (None, None)

    async def test_a_result_of_a_mirrored_task_is_kept(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        one = snapshot(light(), TaskStatus.RUNNING, clock.now())
        ended = one._replace(status=TaskStatus.SUCCESS, end_time=one.start_time)
        await backend.mirror(A, [one._replace(result=Result(b"early"))])
        assert await result(backend, one.task.task_id) == (None, None)

        await backend.mirror(A, [ended._replace(result=Result(b"7", ttl=5.0))])
        assert await result(backend, one.task.task_id) == (b"7", None)

    async def test_a_result_is_deleted_when_its_time_is_over(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        short, long, endless = [await running(backend) for _ in range(3)]
        for lease, ttl in ((short, 10.0), (long, 60.0), (endless, None)):
            await end(backend, lease, Move.SUCCEED, result=Result(b"7", ttl))
        clock.advance(30)

        purged = await backend.purge(None, limit=9)

        assert (purged.task_ids, purged.results) == ((), 1)
        value, missing = await result(backend, short.task_id)
        assert value is None
        assert "result_ttl" in str(missing)
        for lease in (long, endless):
            assert await result(backend, lease.task_id) == (b"7", None)
        assert (await backend.purge(None, limit=9)).results == 0

    async def test_few_results_are_deleted_at_a_time(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        leases = [await running(backend) for _ in range(3)]
        for lease in leases:
            await end(backend, lease, Move.SUCCEED, result=Result(b"7", 1.0))
        clock.advance(30)

        counts = [(await backend.purge(None, limit=2)).results for _ in range(3)]

        assert counts == [2, 1, 0]
