"""Reading: get, search, count, and when something falls due next."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend, LogChunk, Page, Query
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    fresh_id,
    keyed,
    running,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


async def pages(backend: Backend, query: Query, size: int) -> list[list[str]]:
    """All pages of a search, as ids."""
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = await backend.search(query, limit=size, cursor=cursor)
        found.append([one.record.task_id for one in page.tasks])
        cursor = page.cursor
        if cursor is None:
            return found


async def matches(backend: Backend, query: Query) -> list[str]:
    """The ids that a query finds on one page; its count agrees."""
    (found,) = await pages(backend, query, 1000)
    assert await backend.count(query) == len(found)
    return found


class Getting(Conformance):
    """Tasks by id."""

    async def test_tasks_come_in_the_order_asked_for(self, backend: Backend) -> None:
        one, two = task(), task()
        await accept(backend, one, two)

        found = await backend.get([two.task_id, fresh_id(), one.task_id, two.task_id])

        assert [one and one.record.task_id for one in found] == [
            two.task_id,
            None,
            one.task_id,
            two.task_id,
        ]
        assert await backend.get([]) == []

    async def test_what_a_reader_does_to_a_record_stays_with_the_reader(
        self, backend: Backend
    ) -> None:
        tags = {"a": "b"}
        new = task(tags=tags)
        await end(backend, await running(backend, new), Move.RETRY, logs=("one",))

        tags["a"] = "changed"
        seen = await find(backend, new.task_id)
        seen.record.tags["c"] = "d"
        seen.record.logs.append("two")
        seen.record.status = TaskStatus.SUCCESS
        (await backend.attempts(new.task_id)).clear()

        stored = (await find(backend, new.task_id)).record
        assert (stored.tags, stored.logs) == ({"a": "b"}, ["one"])
        assert stored.status is TaskStatus.PENDING
        assert len(await backend.attempts(new.task_id)) == 1


class Searching(Conformance):
    """One page of those tasks that match, latest arrival first."""

    async def test_pages_go_from_the_latest_arrival_to_the_first(self, backend: Backend) -> None:
        stored = [(await accept(backend, task()))[0].task_id for _ in range(7)]
        latest_first = stored[::-1]

        assert await pages(backend, Query(), 3) == [
            latest_first[:3],
            latest_first[3:6],
            latest_first[6:],
        ]
        assert await pages(backend, Query(), 7) == [latest_first]
        assert await pages(backend, Query(), 100) == [latest_first]

    async def test_an_empty_store_has_one_empty_page(self, backend: Backend) -> None:
        assert await backend.search(Query(), limit=5) == Page([], None)
        assert await backend.count(Query()) == 0

    async def test_a_cursor_stays_true_while_tasks_come_and_change(self, backend: Backend) -> None:
        stored = [(await accept(backend, task()))[0].task_id for _ in range(6)]
        first = await backend.search(Query(), limit=2)
        await accept(backend, task(), task())
        (got,) = await claim(backend, limit=1)
        await begin(backend, got.lease)
        await end(backend, got.lease, Move.SUCCEED)

        second = await backend.search(Query(), limit=2, cursor=first.cursor)
        again = await backend.search(Query(), limit=2, cursor=first.cursor)
        third = await backend.search(Query(), limit=2, cursor=second.cursor)

        assert again == second
        assert [one.record.task_id for page in (first, second, third) for one in page.tasks] == (
            stored[::-1]
        )

    async def test_a_cursor_outlives_the_task_it_points_at(self, backend: Backend) -> None:
        oldest = task()
        await accept(backend, oldest)
        pointed_at = task(queue="q")
        await end(backend, await running(backend, pointed_at), Move.FAIL)
        first = await backend.search(Query(), limit=1)
        await accept(backend, task(retry_of=pointed_at.task_id, replace_original=True))

        second = await backend.search(Query(), limit=5, cursor=first.cursor)

        assert [one.record.task_id for one in second.tasks] == [oldest.task_id]

    @pytest.mark.parametrize("cursor", ["nonsense", "-", "1;drop", "💥", "9" * 400, "²", "1.5"])
    async def test_a_cursor_of_somebody_else_is_refused(
        self, backend: Backend, cursor: str
    ) -> None:
        with pytest.raises(ValueError):
            await backend.search(Query(), limit=1, cursor=cursor)

    async def test_a_page_has_no_payloads_logs_or_stack_traces(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.FAIL, error="why", stacktrace="where", logs=("one",))

        (found,) = (await backend.search(Query(), limit=1)).tasks

        assert (found.record.logs, found.record.stacktrace, found.payload) == ([], None, None)
        assert found.record.error == "why"
        assert found.record.status is TaskStatus.FAILED
        assert (found.fence, found.failures) == (1, 1)

    async def test_a_page_has_logs_and_stack_traces_on_request(self, backend: Backend) -> None:
        lease = await running(backend)
        await backend.append_logs([LogChunk(lease, ("one",))])
        await end(backend, lease, Move.FAIL, error="why", stacktrace="where", logs=("two",))

        (found,) = (await backend.search(Query(), limit=1, most_bytes=10_000)).tasks

        assert (found.record.logs, found.record.stacktrace) == (["one", "two"], "where")
        assert found.payload is None

    async def test_a_page_ends_early_and_its_cursor_goes_on(self, backend: Backend) -> None:
        ids = []
        for _ in range(40):
            lease = await running(backend)
            await end(backend, lease, Move.SUCCEED, logs=("x" * 3_000,))
            ids.append(lease.task_id)

        pages = []
        cursor = None
        for _ in ids:
            page = await backend.search(Query(), limit=30, cursor=cursor, most_bytes=50_000)
            lines = [line for one in page.tasks for line in one.record.logs]
            assert sum(map(len, lines)) <= 50_000
            assert page.tasks
            pages += [one.record.task_id for one in page.tasks]
            cursor = page.cursor
            if cursor is None:
                break

        assert pages == ids[::-1]

    async def test_a_page_has_one_task_however_heavy_it_is(self, backend: Backend) -> None:
        for _ in range(2):
            await end(backend, await running(backend), Move.SUCCEED, logs=("x" * 3_000,))

        first = await backend.search(Query(), limit=5, most_bytes=1)
        second = await backend.search(Query(), limit=5, cursor=first.cursor, most_bytes=1)

        assert (len(first.tasks), len(second.tasks), second.cursor) == (1, 1, None)

    async def test_aliases_are_no_tasks(self, backend: Backend) -> None:
        first = keyed("k")
        await accept(backend, first, keyed("k", alias=True))

        assert await matches(backend, Query()) == [first.task_id]

    async def test_a_count_stops_at_its_cap(self, backend: Backend) -> None:
        await accept(backend, *(task() for _ in range(5)))

        assert await backend.count(Query(), cap=3) == 3
        assert await backend.count(Query(), cap=5) == 5
        assert await backend.count(Query(), cap=100) == 5


class NextDue(Conformance):
    """When the earliest free task of some queues falls due."""

    async def test_it_counts_down_to_the_earliest_free_task(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        assert await backend.next_due(["default"]) is None
        await accept(backend, task(delay=10.0), task(delay=4.0), task(queue="q", delay=1.0))

        assert await backend.next_due(["default"]) == 4.0
        assert await backend.next_due(["default", "q"]) == 1.0
        assert await backend.next_due(["empty"]) is None
        assert await backend.next_due([]) is None
        clock.advance(1.5)
        assert await backend.next_due(["default"]) == 2.5
        due = await backend.next_due(["default", "q"])
        assert due is not None
        assert due <= 0

    async def test_claimed_started_and_ended_tasks_do_not_count(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        await accept(backend, task(owner=A, delay=1.0), task(), task())
        started, _ = await claim(backend)
        await begin(backend, started.lease)

        assert await backend.next_due(["default"]) is None
        await end(backend, started.lease, Move.RETRY, delay=7.0)
        assert await backend.next_due(["default"]) == 7.0
        clock.advance(7)
        (got,) = await claim(backend)
        await begin(backend, got.lease)
        await end(backend, got.lease, Move.SUCCEED)
        assert await backend.next_due(["default"]) is None

    async def test_a_paused_queue_has_nothing_due(self, backend: Backend) -> None:
        await accept(backend, task(), task(queue="q", delay=3.0))
        await backend.set_queue("default", {"paused": True})

        assert await backend.next_due(["default"]) is None
        assert await backend.next_due(["default", "q"]) == 3.0

    async def test_tasks_of_the_memory_tier_do_not_count(self, backend: Backend) -> None:
        await accept(backend, task(persist=False, owner=A, delay=1.0))

        assert await backend.next_due(["default"]) is None
