"""Insert: what is stored of a task, groups, and repetition."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from fastapi_taskflow.backends.base import Backend, Inserted, Query, QueueIsFull, Stored
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
    keyed,
    put,
    recover_all,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

# Names and tags that break careless quoting, encoding or pattern matching.
AWKWARD = ["naïve 🧨", "a'b\"c`d", "x;--", "%_\\", "nul\x00byte", "{[:\t\n", "", "é\u0301"]


class Inserting(Conformance):
    """A task is stored as it was given."""

    async def test_a_stored_task_has_every_field_that_was_given(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task(
            func_name="mail",
            payload=b"\x00\xff",
            queue="q",
            priority=-7,
            delay=5.0,
            idempotency_key="k",
            fingerprint=b"\x00",
            requeue=True,
            tags={"user": "7", "kind": "x"},
            source="schedule",
            executor="thread",
        )

        (inserted,) = await accept(backend, new)

        assert inserted == Inserted(new.task_id, duplicate=False, fence=0)
        stored = await find(backend, new.task_id)
        record = stored.record
        assert stored.payload == b"\x00\xff"
        assert (stored.persist, stored.requeue) == (True, True)
        assert (stored.failures, stored.interruptions, stored.fence) == (0, 0, 0)
        assert (stored.owner, stored.cancel_asked) == (None, False)
        assert (record.task_id, record.func_name, record.queue) == (new.task_id, "mail", "q")
        assert record.status is TaskStatus.PENDING
        assert (record.args, record.kwargs) == ((), {})
        assert record.created_at == new.created_at
        assert record.due_at == clock.now() + timedelta(seconds=5)
        assert (record.priority, record.executor, record.source) == (-7, "thread", "schedule")
        assert record.tags == {"user": "7", "kind": "x"}
        assert record.idempotency_key == "k"
        assert (record.start_time, record.end_time, record.duration) == (None, None, None)
        assert (record.error, record.stacktrace, record.logs) == (None, None, [])
        assert (record.retry_of, record.retried_as, record.duplicate_of) == (None, None, None)
        assert (record.instance, record.retries_used) == (None, 0)

    async def test_defaults_come_back_as_they_went_in(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        new = task(payload=None)

        await accept(backend, new)

        stored = await find(backend, new.task_id)
        assert stored.payload is None
        assert stored.requeue is False
        assert stored.record.priority is None
        assert stored.record.executor is None
        assert stored.record.tags == {}
        assert stored.record.source == "manual"
        assert stored.record.due_at == clock.now()

    async def test_times_come_back_aware_and_to_the_microsecond(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        east = timezone(timedelta(hours=2))
        created = (clock.now() + timedelta(microseconds=123_457)).astimezone(east)
        due = (clock.now() + timedelta(days=400, microseconds=1)).astimezone(east)
        new = task(created_at=created, due_at=due, delay=9.0)

        await accept(backend, new)

        record = (await find(backend, new.task_id)).record
        assert record.created_at == created
        assert record.due_at == due
        assert record.due_at is not None
        assert record.created_at.utcoffset() == record.due_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("text", AWKWARD)
    async def test_awkward_text_comes_back_unchanged(self, backend: Backend, text: str) -> None:
        new = task(
            func_name=text, queue=text, tags={text: text, "x": "y"}, source=text, executor=text
        )

        await accept(backend, new)

        record = (await find(backend, new.task_id)).record
        assert (record.func_name, record.queue, record.source) == (text, text, text)
        assert (record.tags, record.executor) == ({text: text, "x": "y"}, text)
        (got,) = await claim(backend, queues={text: 1}, functions=frozenset({text}))
        assert got.lease.task_id == new.task_id

    async def test_a_task_with_an_owner_is_born_claimed_and_not_started(
        self, backend: Backend
    ) -> None:
        new = task(owner=A)

        (inserted,) = await accept(backend, new)

        assert inserted == Inserted(new.task_id, duplicate=False, fence=1)
        stored = await find(backend, new.task_id)
        assert (stored.owner, stored.fence) == (A, 1)
        assert stored.record.status is TaskStatus.PENDING
        assert await claim(backend, B) == []
        await begin(backend, (await backend.owned(A))[0].lease)

    async def test_a_durable_task_of_an_owner_that_is_not_alive_is_free(
        self, backend: Backend
    ) -> None:
        await recover_all(backend, by=B, dead=A)
        late, unknown = task(owner=A), task(owner="nobody")

        inserted = await accept(backend, late, unknown)

        assert [one.fence for one in inserted] == [0, 0]
        assert len(await claim(backend, B)) == 2

    async def test_a_task_that_is_not_durable_is_never_claimed(self, backend: Backend) -> None:
        new = task(persist=False, owner=A)

        await accept(backend, new)

        stored = await find(backend, new.task_id)
        assert (stored.persist, stored.owner) == (False, A)
        assert await claim(backend, B) == []
        assert await claim(backend, A) == []

    async def test_answers_come_in_the_order_of_the_groups(self, backend: Backend) -> None:
        groups = [[task(), task()], [task()], [task(), task(), task()]]

        admissions = await backend.insert(groups)

        assert admissions == [
            Stored(tuple(Inserted(new.task_id, duplicate=False, fence=0) for new in group))
            for group in groups
        ]

    async def test_groups_of_all_kinds_arrive_in_the_order_of_the_call(
        self, backend: Backend
    ) -> None:
        plain, other, last = task(queue="q"), task(queue="q"), task(queue="q")
        held, limited = keyed("k", queue="q"), task(queue="small")

        answers = await backend.insert(
            [[plain], [held, other], [limited], [keyed("k", queue="q")], [last]], {"small": 0}
        )

        assert [type(answer) for answer in answers] == [Stored, Stored, QueueIsFull, Stored, Stored]
        page = await backend.search(Query(), limit=10)
        arrived = [stored.record.task_id for stored in reversed(page.tasks)]
        assert arrived == [one.task_id for one in (plain, held, other, limited, last)]

    async def test_no_groups_no_answers(self, backend: Backend) -> None:
        assert await backend.insert([]) == []

    async def test_two_thousand_tasks_go_through_every_verb_at_once(self, backend: Backend) -> None:
        group = [task() for _ in range(2000)]

        await accept(backend, *group)
        got = await claim(backend, queues={"default": 5000}, limit=5000)
        started = await backend.start([one.lease for one in got])
        leases = [one.lease for one in got]
        settled = [await end(backend, lease, Move.SUCCEED) for lease in leases[:1]]
        answers = await backend.cancel([one.task_id for one in leases])

        assert [one.lease.task_id for one in got] == [new.task_id for new in group]
        assert None not in started
        assert settled[0].status is TaskStatus.SUCCESS
        assert len(answers) == 2000
        assert len(await backend.get([new.task_id for new in group])) == 2000


class RepeatedInserts(Conformance):
    """An insert whose reply was lost may be sent again."""

    async def test_a_repeated_insert_answers_the_same_and_stores_nothing(
        self, backend: Backend
    ) -> None:
        group = (task(), task(owner=A), keyed("k"))

        first = await put(backend, *group)
        again = await put(backend, *group)

        assert again == first
        assert sum(cell.rows for cell in await backend.tally()) == 3

    async def test_a_repeated_insert_changes_nothing_of_a_task_that_moved_on(
        self, backend: Backend
    ) -> None:
        new = task(owner=A)
        first = await put(backend, new)
        (held,) = await backend.owned(A)
        await begin(backend, held.lease)
        await end(backend, held.lease, Move.SUCCEED)
        before = await find(backend, new.task_id)

        assert await put(backend, new) == first
        assert await find(backend, new.task_id) == before

    async def test_a_known_task_and_a_new_one_in_one_group(self, backend: Backend) -> None:
        known, new = task(), task()
        await accept(backend, known)

        inserted = await accept(backend, known, new)

        assert [one.duplicate for one in inserted] == [False, False]
        assert len(await claim(backend)) == 2

    async def test_the_same_task_twice_in_one_call_is_stored_once(self, backend: Backend) -> None:
        new = task()

        await backend.insert([[new], [new]])

        assert len(await claim(backend)) == 1

    async def test_a_repeated_insert_of_an_alias_answers_the_canonical_id(
        self, backend: Backend
    ) -> None:
        first, alias = keyed("k"), keyed("k", alias=True)
        await accept(backend, first)
        before = await put(backend, alias)

        assert await put(backend, alias) == before

    async def test_a_repeated_insert_takes_no_second_place_in_the_queue(
        self, backend: Backend
    ) -> None:
        new, other = task(), task()
        await put(backend, new, limits={"default": 2})
        await put(backend, new, limits={"default": 2})

        assert isinstance(await put(backend, other, limits={"default": 2}), Stored)
