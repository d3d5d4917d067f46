"""Values that no store can hold: refused before anything of their call is stored.

The doors of the library refuse them; a store must, because who hands it a batch can then send
its parts, and the others' tasks do not share the fate of one.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, LogChunk, Outcome
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    Conformance,
    accept,
    end,
    find,
    missing,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.mirroring import light, snapshot
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class _Foreign:
    def __repr__(self) -> str:
        # The same in each process that runs a part of the tests.
        return "foreign"


# Text to a type checker, so that the tests themselves pass it.
_OBJECT: Any = _Foreign()
_NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  (that is what is wrong with it)

NEW: list[dict[str, Any]] = [
    {"priority": "high"},
    {"priority": 2**70},
    {"priority": 1.5},
    {"priority": math.nan},
    {"priority": True},
    {"queue": _OBJECT},
    {"queue": 5},
    {"func_name": None},
    {"source": b"text"},
    {"tags": _OBJECT},
    {"tags": {"a": 5}},
    {"tags": {5: "a"}},
    {"due_at": "tomorrow"},
    {"due_at": _NAIVE},
    {"delay": math.nan},
    {"delay": math.inf},
    {"delay": "soon"},
]
ENDS: list[dict[str, Any]] = [
    {"error": _OBJECT},
    {"error": 5},
    {"stacktrace": b"trace"},
    {"elapsed": "long"},
    {"logs": (_OBJECT,)},
]


class Poison(Conformance):
    """One value that cannot be stored."""

    @pytest.mark.parametrize("changes", NEW, ids=repr)
    async def test_an_insert_with_it_raises_and_stores_nothing(
        self, backend: Backend, changes: dict[str, Any]
    ) -> None:
        before, bad, after = task(), task(**changes), task()

        with pytest.raises(Exception) as raised:
            await backend.insert([[before], [after, bad]])

        assert not isinstance(raised.value, StoreUnavailable)
        assert await missing(backend, before.task_id, bad.task_id, after.task_id)
        await accept(backend, before)
        await accept(backend, after)
        assert {cell.rows for cell in await backend.tally()} == {2}

    @pytest.mark.parametrize("changes", NEW, ids=repr)
    async def test_a_mirror_with_it_raises_and_stores_nothing(
        self, backend: Backend, clock: ManualClock, changes: dict[str, Any]
    ) -> None:
        good = light()
        states = [
            snapshot(good, TaskStatus.RUNNING, clock.now(), logs=("one",)),
            snapshot(light(**changes), TaskStatus.RUNNING, clock.now()),
        ]

        with pytest.raises(Exception) as raised:
            await backend.mirror(A, states)
        await backend.mirror(A, states[:1])

        assert not isinstance(raised.value, StoreUnavailable)
        assert (await find(backend, good.task_id)).record.logs == ["one"]

    @pytest.mark.parametrize("changes", ENDS, ids=repr)
    async def test_a_state_with_it_raises_and_leaves_the_older_one(
        self, backend: Backend, clock: ManualClock, changes: dict[str, Any]
    ) -> None:
        new = light()
        await backend.mirror(A, [snapshot(new, TaskStatus.RUNNING, clock.now(), logs=("one",))])

        with pytest.raises(Exception) as raised:
            failed = snapshot(new, TaskStatus.FAILED, clock.now(), logs=("two",))
            await backend.mirror(A, [failed._replace(**changes)])

        stored = await find(backend, new.task_id)
        assert not isinstance(raised.value, StoreUnavailable)
        assert (stored.record.status, stored.owner) == (TaskStatus.RUNNING, A)
        assert stored.record.logs == ["one"]

    @pytest.mark.parametrize("changes", [*ENDS, {"delay": math.nan}, {"delay": "soon"}], ids=repr)
    async def test_an_outcome_with_it_raises_and_ends_nothing(
        self, backend: Backend, changes: dict[str, Any]
    ) -> None:
        good, bad = await running(backend), await running(backend, task(queue="q"))

        with pytest.raises(Exception) as raised:
            await backend.finish(
                [Outcome(good, Move.SUCCEED), Outcome(bad, Move.RETRY)._replace(**changes)]
            )

        assert not isinstance(raised.value, StoreUnavailable)
        for lease in (good, bad):
            assert (await find(backend, lease.task_id)).record.status is TaskStatus.RUNNING
        assert (await end(backend, good, Move.SUCCEED)).status is TaskStatus.SUCCESS
        assert (await end(backend, bad, Move.RETRY)).status is TaskStatus.PENDING
        assert (await find(backend, bad.task_id)).failures == 1

    async def test_log_lines_with_it_raise_and_none_is_kept(self, backend: Backend) -> None:
        good, bad = await running(backend), await running(backend, task(queue="q"))

        with pytest.raises(Exception) as raised:
            await backend.append_logs([LogChunk(good, ("one",)), LogChunk(bad, (_OBJECT,))])
        await backend.append_logs([LogChunk(good, ("one",))])

        assert not isinstance(raised.value, StoreUnavailable)
        assert (await find(backend, good.task_id)).record.logs == ["one"]

    async def test_a_time_beyond_the_calendar_is_kept_as_its_end(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        never = datetime.max.replace(tzinfo=UTC) - timedelta(hours=1)
        parked, delayed = task(due_at=never), task(delay=1e12)

        await accept(backend, parked, delayed)

        for new in (parked, delayed):
            due = (await find(backend, new.task_id)).record.due_at
            assert due is not None
            assert due.year == 9999
