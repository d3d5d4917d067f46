"""The filters of search and count, each alone and all together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, NewTask, Query
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    begin,
    claim,
    end,
    fresh_id,
    keyed,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.reading import matches, pages
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move


class Filtering(Conformance):
    """All filters that are given must hold."""

    async def test_each_filter_alone_and_all_together(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        wanted = _one_apart_in_each(clock)
        base = wanted["same"]
        await accept(backend, *wanted.values())

        async def left_out(query: Query) -> set[str]:
            found = set(await matches(backend, query))
            return {name for name, new in wanted.items() if new.task_id not in found}

        since, until = clock.now() + timedelta(seconds=5), clock.now() + timedelta(seconds=10)
        assert await left_out(Query(func_name="mail")) == {"func"}
        assert await left_out(Query(queue="q")) == {"queue"}
        assert await left_out(Query(tag=("user", "7"))) == {"key", "value"}
        assert await left_out(Query(source="api")) == {"source"}
        assert await left_out(Query(since=since)) == {"early"}
        assert await left_out(Query(until=until)) == {"late"}
        assert await left_out(Query(statuses=frozenset({TaskStatus.SUCCESS}))) == set(wanted)
        everything = Query(
            statuses=frozenset({TaskStatus.PENDING, TaskStatus.FAILED}),
            func_name="mail",
            queue="q",
            tag=("user", "7"),
            text="ma",
            source="api",
            since=since,
            until=until,
        )
        assert await matches(backend, everything) == [base.task_id]

    async def test_any_of_the_states_asked_for(self, backend: Backend) -> None:
        failed, done = await running(backend), await running(backend)
        await end(backend, failed, Move.FAIL)
        await end(backend, done, Move.SUCCEED)
        waiting = task()
        await accept(backend, waiting)
        query = Query(statuses=frozenset({TaskStatus.PENDING, TaskStatus.SUCCESS}))

        assert await matches(backend, query) == [waiting.task_id, done.task_id]

    async def test_a_filtered_search_pages_like_any_other(self, backend: Backend) -> None:
        new = [task(queue="ab"[n % 2]) for n in range(10)]
        await accept(backend, *new)
        latest_first = [one.task_id for one in new if one.queue == "a"][::-1]

        assert await pages(backend, Query(queue="a"), 2) == [
            latest_first[:2],
            latest_first[2:4],
            latest_first[4:],
        ]

    async def test_a_key_finds_its_tasks_whatever_has_become_of_them(
        self, backend: Backend
    ) -> None:
        ends = [Move.SUCCEED, Move.FAIL, Move.SUCCEED, Move.FAIL]
        new = [task(order_key="f():7") for _ in range(len(ends) + 3)]
        others = [task(queue="q"), task(order_key="f():77", queue="q")]
        await accept(backend, *new[:4], *others, *new[4:])
        for move in ends:
            (got,) = await claim(backend, queues={"default": 1})
            await begin(backend, got.lease)
            await end(backend, got.lease, move)
        await backend.cancel([new[-1].task_id])
        of_key, ids = Query(order_key="f():7"), [one.task_id for one in new][::-1]
        some = Query(order_key="f():7", statuses=frozenset({TaskStatus.PENDING, TaskStatus.FAILED}))

        assert await pages(backend, of_key, 3) == [ids[:3], ids[3:6], ids[6:]]
        assert [await backend.count(of_key, cap=cap) for cap in (3, 100)] == [3, 7]
        assert await matches(backend, some) == [ids[1], ids[2], ids[3], ids[5]]
        assert await backend.count(some) == 4
        assert await matches(backend, Query(order_key="f():7", queue="q")) == []
        assert await matches(backend, Query(order_key="f():")) == []

    async def test_text_finds_ids_functions_tags_and_errors(self, backend: Backend) -> None:
        by_id = task("abc-id")
        by_name = task(func_name="abc.run")
        by_tag = task(tags={"k": "abc"})
        await accept(backend, by_id, by_name, by_tag)
        by_error = task(queue="q")
        await end(backend, await running(backend, by_error), Move.FAIL, error="it is abc, no?")
        others = [
            task("x-abc"),
            task(func_name="xabc"),
            task(tags={"abc": "k"}),
            task(tags={"k": "abcd"}),
            task(queue="abc", source="abc"),
        ]
        await accept(backend, *others)

        found = await matches(backend, Query(text="abc"))

        assert found == [one.task_id for one in (by_error, by_tag, by_name, by_id)]

    async def test_the_end_of_an_id_finds_its_task(self, backend: Backend) -> None:
        first, second, other = task("a-12345678"), task("b-12345678"), task("12345678-c")
        await accept(backend, first, second, other)
        await accept(backend, keyed("k", task_id="keyed"))
        await accept(backend, keyed("k", task_id="alias-87654321", alias=True))

        assert await matches(backend, Query(ending="12345678")) == [second.task_id, first.task_id]
        assert await matches(backend, Query(text="12345678")) == [
            other.task_id,
            second.task_id,
            first.task_id,
        ]
        assert await matches(backend, Query(ending="87654321")) == ["keyed"]
        assert await matches(backend, Query(ending="2345678")) == []

    @pytest.mark.parametrize("text", ["%", "_", "\\", "'", '"', "*", "?", "[", "é", "\x00", ";--"])
    async def test_text_is_taken_literally(self, backend: Backend, text: str) -> None:
        name, tag = task(func_name=f"{text}f"), task(tags={"k": text})
        await accept(backend, name, tag, task(func_name="plain", tags={"k": "plain"}))
        error = task(queue="q")
        await end(backend, await running(backend, error), Move.FAIL, error=f"a{text}b")

        found = await matches(backend, Query(text=text))

        assert found == [error.task_id, tag.task_id, name.task_id]

    async def test_a_tag_is_matched_exactly(self, backend: Backend) -> None:
        exact = task(tags={"k": "100%", 'q"': "'"})
        await accept(backend, exact, task(tags={"k": "1000"}), task(tags={"k": "100%\x00"}))

        assert await matches(backend, Query(tag=("k", "100%"))) == [exact.task_id]
        assert await matches(backend, Query(tag=('q"', "'"))) == [exact.task_id]
        assert await matches(backend, Query(tag=("k", ""))) == []


def _one_apart_in_each(clock: ManualClock) -> dict[str, NewTask]:
    """A task, and for each filter one that differs from it in that alone."""
    base = task(
        func_name="mail",
        queue="q",
        tags={"user": "7"},
        source="api",
        created_at=clock.now() + timedelta(seconds=5),
    )
    others: dict[str, dict[str, Any]] = {
        "func": {"func_name": "mailing"},
        "queue": {"queue": "q2"},
        "key": {"tags": {"users": "7"}},
        "value": {"tags": {"user": "77", "x": "7"}},
        "source": {"source": "cron"},
        "early": {"created_at": clock.now()},
        "late": {"created_at": clock.now() + timedelta(seconds=10)},
    }
    apart = {name: base._replace(task_id=fresh_id(), **new) for name, new in others.items()}
    return {"same": base, **apart}
