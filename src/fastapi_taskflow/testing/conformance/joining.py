"""Verbs in transactions that callers began on the store's own database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.backends.base import (
    Admission,
    Backend,
    Callback,
    Inserted,
    IsOver,
    Joined,
    KeyConflict,
    NewTask,
    Outcome,
    QueueIsFull,
    Stored,
    Transactions,
)
from fastapi_taskflow.testing.conformance.batching import (
    batch,
    batches_of,
    called,
    look,
    run_all,
)
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    claim,
    find,
    ids,
    keyed,
    missing,
    running,
    task,
)
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["Joining"]


class Joining(Conformance):
    """What is written there is there if the caller commits; what fails is taken back alone.

    It concerns drivers that have `Backend.transactions`; those say how callers get a session.
    """

    def make_session(self, place: Path) -> AbstractContextManager[Any]:
        """A session of a caller's on the store's database, with ``commit`` and ``rollback``.

        It blocks. At the end it is closed, and what was not committed is rolled back.
        """
        raise NotImplementedError

    async def test_a_task_is_there_after_the_commit_alone(
        self, backend: Backend, place: Path
    ) -> None:
        joins, new = joins_of(backend), task()

        with self.make_session(place) as session:
            answer = joins.run(session, A, insert(new))
            before = await missing(backend, new.task_id)
            session.commit()

        stored = await find(backend, new.task_id)
        assert answer == Stored((Inserted(new.task_id, duplicate=False, fence=0),))
        assert before
        assert (stored.record.status, stored.owner) == (TaskStatus.PENDING, None)
        assert ids(await claim(backend)) == [new.task_id]

    async def test_a_rollback_leaves_neither_task_nor_key(
        self, backend: Backend, place: Path
    ) -> None:
        joins, gone, later = joins_of(backend), keyed("key"), keyed("key")

        with self.make_session(place) as session:
            joins.run(session, A, insert(gone))
            session.rollback()

        assert await missing(backend, gone.task_id)
        (stored,) = await accept(backend, later)
        assert not stored.duplicate
        assert sum(one.rows for one in await backend.tally()) == 1

    async def test_a_batch_is_there_after_the_commit_with_its_callbacks(
        self, backend: Backend, place: Path
    ) -> None:
        joins, batches = joins_of(backend), batches_of(backend)
        lost, kept = batch(1, Callback.DONE), batch(1, Callback.DONE)

        with self.make_session(place) as session:
            joins.run(session, A, lambda joined: joined.add_batch(lost))
            session.rollback()
            answer = joins.run(session, A, lambda joined: joined.add_batch(kept))
            session.commit()

        (new,) = kept.tasks
        assert answer == Stored((Inserted(new.task_id, duplicate=False, fence=0),))
        assert await batches.find([lost.batch_id]) == [None]
        assert await missing(backend, lost.tasks[0].task_id)
        assert (await look(backend, kept)).total == 1
        await run_all(backend, Move.SUCCEED)
        assert await called(backend, kept) == {Callback.DONE}

    async def test_an_equal_key_is_answered_and_the_transaction_goes_on(
        self, backend: Backend, place: Path
    ) -> None:
        joins, first, own = joins_of(backend), keyed("key"), keyed("own")
        again, other = keyed("key"), keyed("key", b"other")
        await accept(backend, first)

        with self.make_session(place) as session:
            known = joins.run(session, A, insert(again))
            conflict = joins.run(session, A, insert(other))
            joins.run(session, A, insert(own))
            twice = joins.run(session, A, insert(keyed("own")))
            session.commit()

        assert isinstance(known, Stored)
        assert isinstance(twice, Stored)
        assert [(one.task_id, one.duplicate) for one in (*known.tasks, *twice.tasks)] == [
            (first.task_id, True),
            (own.task_id, True),
        ]
        assert isinstance(conflict, KeyConflict)
        assert set(ids(await claim(backend))) == {first.task_id, own.task_id}

    async def test_a_full_queue_refuses_and_the_transaction_goes_on(
        self, backend: Backend, place: Path
    ) -> None:
        joins, fits, refused, elsewhere = joins_of(backend), task(), task(), task(queue="q")
        limits = {"default": 1}

        with self.make_session(place) as session:
            joins.run(session, A, insert(fits, limits))
            answer = joins.run(session, A, insert(refused, limits))
            joins.run(session, A, insert(elsewhere, limits))
            session.commit()

        assert isinstance(answer, QueueIsFull)
        claimed = await claim(backend, queues={"default": 9, "q": 9})
        assert set(ids(claimed)) == {fits.task_id, elsewhere.task_id}

    @pytest.mark.parametrize("commits", [True, False])
    async def test_an_end_is_that_of_the_transaction(
        self, backend: Backend, place: Path, *, commits: bool
    ) -> None:
        joins, new = joins_of(backend), task()
        outcome = Outcome(await running(backend, new), Move.SUCCEED)

        with self.make_session(place) as session:
            settled = joins.run(session, A, lambda joined: joined.finish(outcome))
            during = await find(backend, new.task_id)
            session.commit() if commits else session.rollback()

        after = await find(backend, new.task_id)
        assert settled is not None
        assert (settled.status, settled.late) == (TaskStatus.SUCCESS, False)
        assert during.record.status is TaskStatus.RUNNING
        assert after.record.status is (TaskStatus.SUCCESS if commits else TaskStatus.RUNNING)
        # The claim is still good for an end, or has had one.
        (again,) = await backend.finish([outcome])
        assert again is not None
        assert (again.status, again.late) == (TaskStatus.SUCCESS, False)

    async def test_what_fails_is_taken_back_by_itself(self, backend: Backend, place: Path) -> None:
        joins, kept, gone = joins_of(backend), task(), task()

        def fail(joined: Joined) -> None:
            joined.insert([gone])
            raise KeyError

        with self.make_session(place) as session:
            joins.run(session, A, insert(kept))
            with pytest.raises(KeyError):
                joins.run(session, A, fail)
            session.commit()

        assert await missing(backend, gone.task_id)
        assert ids(await claim(backend)) == [kept.task_id]

    @pytest.mark.parametrize("commits", [True, False])
    async def test_a_commit_is_told_of_and_no_rollback(
        self, backend: Backend, place: Path, *, commits: bool
    ) -> None:
        joins, told = joins_of(backend), list[IsOver]()

        with self.make_session(place) as session:
            joins.run(session, A, lambda joined: joined.before_commit(told.append))
            early = len(told)
            session.commit() if commits else session.rollback()

        assert early == 0
        assert [is_over() for is_over in told] == [True] * commits

    async def test_who_is_not_enlisted_there_is_of_another_store(
        self, backend: Backend, place: Path
    ) -> None:
        joins, new = joins_of(backend), task()

        with self.make_session(place) as session:
            with pytest.raises(ConfigurationError):
                joins.run(session, "nobody", insert(new))
            session.rollback()

        assert await missing(backend, new.task_id)

    async def test_only_sessions_are_joined(self, backend: Backend) -> None:
        joins = joins_of(backend)

        with pytest.raises(ConfigurationError):
            joins.run(object(), A, insert(task()))


def joins_of(backend: Backend) -> Transactions:
    """The port of transactions. A driver may have none: then its rules do not concern it."""
    found = backend.transactions
    return pytest.skip("This backend has no Backend.transactions.") if found is None else found


def insert(new: NewTask, limits: dict[str, int] | None = None) -> Callable[[Joined], Admission]:
    """The step that stores a task."""
    return lambda joined: joined.insert([new], limits)
