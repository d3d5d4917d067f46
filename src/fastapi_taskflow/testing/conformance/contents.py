"""Contents: all of a task's are found, and replaced only as they were read."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import (
    Backend,
    Content,
    ContentField,
    LogChunk,
    Result,
    Rewrite,
)
from fastapi_taskflow.testing.conformance.harness import (
    Conformance,
    accept,
    begin,
    claim,
    end,
    find,
    rotation_of,
    running,
    task,
)
from fastapi_taskflow.words.states import Move


async def all_contents(backend: Backend, limit: int = 100) -> list[Content]:
    """Those of every task, page by page."""
    found: list[Content] = []
    cursor = None
    while True:
        page = await rotation_of(backend).contents(limit=limit, cursor=cursor)
        found += page.found
        if page.cursor is None:
            return found
        cursor = page.cursor


async def eventful(backend: Backend) -> str:
    """The id of a task that has failed twice, and logged."""
    lease = await running(backend, task(title="t"))
    await backend.append_logs([LogChunk(lease, ("one", "two"), summary="u")])
    await end(backend, lease, Move.RETRY, error="e1", stacktrace="s1", logs=("three",))
    (again,) = await claim(backend)
    await begin(backend, again.lease)
    await end(
        backend, again.lease, Move.FAIL, error="e2", stacktrace="s2", progress="p", emitted="m"
    )
    return lease.task_id


class Rewriting(Conformance):
    """What an encryption above the drivers needs to change its keys."""

    async def test_everything_that_a_task_holds_can_be_replaced(self, backend: Backend) -> None:
        task_id = await eventful(backend)
        new: dict[ContentField, bytes | str | tuple[str, ...]] = {
            ContentField.PAYLOAD: b"new",
            ContentField.ERROR: "new error",
            ContentField.STACKTRACE: "new trace",
            ContentField.LOGS: ("new line",),
            ContentField.PROGRESS: "new progress",
            ContentField.EMITTED: "new values",
            ContentField.TITLE: "new title",
            ContentField.SUMMARY: "new summary",
        }

        found = await all_contents(backend)
        done = await rotation_of(backend).rewrite([Rewrite(one, new[one.field]) for one in found])

        assert all(done)
        assert {one.task_id for one in found} == {task_id}
        stored = await find(backend, task_id)
        record = stored.record
        assert stored.payload == b"new"
        assert (record.error, record.stacktrace) == ("new error", "new trace")
        assert set(record.logs) == {"new line"}
        assert (stored.progress, stored.emitted) == ("new progress", "new values")
        assert (record.title, record.summary) == ("new title", "new summary")
        history = await backend.attempts(task_id)
        assert {(one.error, one.stacktrace) for one in history} == {("new error", "new trace")}

    async def test_a_result_can_be_replaced(self, backend: Backend) -> None:
        lease = await running(backend)
        await end(backend, lease, Move.SUCCEED, result=Result(b"7"))
        (result,) = [c for c in await all_contents(backend) if c.field is ContentField.RESULT]

        assert await rotation_of(backend).rewrite([Rewrite(result, b"8")]) == [True]
        assert (await find(backend, lease.task_id)).result == b"8"

    async def test_a_value_that_changed_since_is_left_alone(self, backend: Backend) -> None:
        lease = await running(backend)
        (payload,) = await all_contents(backend)
        await end(backend, lease, Move.FAIL, error="first")
        error = next(c for c in await all_contents(backend) if c.field is ContentField.ERROR)

        assert await rotation_of(backend).rewrite([Rewrite(error, "second")]) == [True]
        assert await rotation_of(backend).rewrite(
            [Rewrite(error, "third"), Rewrite(payload, b"new"), Rewrite(payload, b"newer")]
        ) == [False, True, False]

        stored = await find(backend, lease.task_id)
        assert (stored.record.error, stored.payload) == ("second", b"new")

    async def test_what_is_gone_is_not_brought_back(self, backend: Backend) -> None:
        lease = await running(backend)
        before = await all_contents(backend)
        await end(backend, lease, Move.SUCCEED)
        stranger = before[0]._replace(task_id="nobody")

        assert await rotation_of(backend).rewrite([Rewrite(stranger, b"x")]) == [False]

    @pytest.mark.parametrize("limit", [1, 2, 100])
    async def test_pages_hold_every_task_once_in_order(self, backend: Backend, limit: int) -> None:
        new = [task(payload=b"p" if n % 2 else None) for n in range(5)]
        await accept(backend, *new)

        found = await all_contents(backend, limit)

        assert [one.task_id for one in found] == [one.task_id for one in new if one.payload]

    async def test_nothing_is_asked_for_nothing(self, backend: Backend) -> None:
        assert await rotation_of(backend).rewrite([]) == []
        with pytest.raises(ValueError, match="cursor"):
            await rotation_of(backend).contents(limit=1, cursor="elsewhere")
