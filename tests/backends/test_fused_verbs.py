"""PostgreSQL is asked once for each step of a plain task, and nothing is lost by that."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from fastapi_taskflow import PostgresBackend
from fastapi_taskflow.backends.base import CancelResult, Lease, LogChunk, Outcome
from fastapi_taskflow.testing.conformance.harness import A, accept, ignore, instance, task
from fastapi_taskflow.testing.conformance.harness import claim as take
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move
from tests.support.databases import TestDatabase, database
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# They stand in no verb: the clock, the connection that tells others.
BESIDE = "clock_timestamp", "pg_notify"
WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)


@pytest.fixture
def server() -> Iterator[TestDatabase]:
    with database("postgresql") as made:
        yield made


@pytest.fixture
async def store(server: TestDatabase) -> AsyncIterator[PostgresBackend]:
    store = PostgresBackend(server.url)
    await store.open(ignore)
    await store.enlist(instance(A))
    yield store
    await store.close()


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Statements of ours, as they are sent."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement != "SELECT 1" and not any(one in statement for one in BESIDE):
            found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def started(store: PostgresBackend, number: int) -> list[Lease]:
    await store.insert([[task() for _ in range(number)]])
    leases = [one.lease for one in await take(store, limit=number)]
    await store.start(leases)
    return leases


async def is_waited_for(sql: AsyncConnection) -> bool:
    """Somebody wants what this connection has locked."""
    return bool((await sql.execute(WAITING)).scalar())


async def test_each_step_of_a_plain_task_is_one_statement(
    store: PostgresBackend, asked: list[str]
) -> None:
    leases = await started(store, 3)
    await store.finish([Outcome(lease, Move.SUCCEED, logs=("done",)) for lease in leases])

    assert len(asked) == 4, "\n\n".join(asked)
    found = await store.get([lease.task_id for lease in leases])
    assert [one and one.record.status for one in found] == [TaskStatus.SUCCESS] * 3
    assert [one and one.record.logs for one in found] == [["done"]] * 3


async def test_an_end_keeps_what_was_written_while_it_waited(
    store: PostgresBackend, server: TestDatabase
) -> None:
    (lease,) = await started(store, 1)
    engine = create_async_engine(server.url.replace("://", "+asyncpg://"))
    async with engine.connect() as other:
        await other.execute(sa.text("UPDATE taskflow_tasks SET summary = 'half'"))
        end = asyncio.create_task(store.finish([Outcome(lease, Move.SUCCEED)]))
        await wait_until(lambda: is_waited_for(other))
        await other.commit()
        await end
    await engine.dispose()

    (found,) = await store.get([lease.task_id])
    assert found is not None
    assert (found.record.status, found.record.summary) == (TaskStatus.SUCCESS, "half")


async def test_a_cancel_after_the_start_is_seen_by_the_end(store: PostgresBackend) -> None:
    (lease,) = await started(store, 1)
    (answer,) = await store.cancel([lease.task_id])
    (settled,) = await store.finish([Outcome(lease, Move.RETRY, error="ValueError: no")])

    assert answer.result is CancelResult.ASKED
    assert settled is not None
    assert settled.status is TaskStatus.CANCELLED


async def test_what_a_task_told_meanwhile_is_kept(store: PostgresBackend) -> None:
    (lease,) = await started(store, 1)
    await store.append_logs([LogChunk(lease, ("first",))])
    await store.finish([Outcome(lease, Move.SUCCEED, logs=("last",))])

    (found,) = await store.get([lease.task_id])
    assert found is not None
    assert found.record.logs == ["first", "last"]


async def test_a_large_batch_is_stored_as_well(store: PostgresBackend, asked: list[str]) -> None:
    large = [task(payload=b"x" * 5_000_000) for _ in range(4)]
    await accept(store, *large)

    assert len(asked) > 1
    assert len(await take(store)) == 4
