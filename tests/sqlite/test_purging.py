"""Purging a file: found by an index, room used again."""

import sqlite3

import pytest

from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.purging import OLDEST
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import A, fresh_id, instance, task
from fastapi_taskflow.words.states import Move

pytestmark = pytest.mark.anyio

LOGS = tuple(f"line {number:040}" for number in range(50))


async def fill(backend: SqliteBackend, number: int) -> None:
    """Tasks that have run and ended, with logs."""
    made = [task(fresh_id(), owner=A, tags={"k": "v"}) for _ in range(number)]
    await backend.insert([made])
    leases = [Lease(one.task_id, 1) for one in made]
    await backend.start(leases)
    await backend.finish([Outcome(lease, Move.SUCCEED, logs=LOGS) for lease in leases])


async def test_the_oldest_are_found_without_a_scan_and_without_sorting(backend, path):
    with sqlite3.connect(path) as connection:
        statement = OLDEST.replace("@", "taskflow_")
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (1, 1)).fetchall()
    connection.close()

    assert [row[3] for row in plan] == [
        "SEARCH taskflow_tasks USING INDEX taskflow_tasks_end (end_at<?)"
    ]


async def test_the_room_of_what_was_purged_is_used_again(open_backend, path):
    clock = ManualClock()
    backend = await open_backend(clock=clock)
    await backend.enlist(instance(A))
    sizes = []

    for _ in range(6):
        await fill(backend, 200)
        clock.advance(60)
        while (await backend.purge(clock.now(), limit=50)).task_ids:
            pass
        with sqlite3.connect(path) as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
        connection.close()

    assert sizes[-1] <= sizes[1]


async def test_no_row_of_a_purged_task_is_left_in_any_table(open_backend, path):
    clock = ManualClock()
    backend = await open_backend(clock=clock)
    await backend.enlist(instance(A))
    await fill(backend, 20)
    clock.advance(60)

    await backend.purge(clock.now(), limit=20)

    with sqlite3.connect(path) as connection:
        left = {
            table: connection.execute(
                f"SELECT count(*) FROM taskflow_{table}"  # noqa: S608  (constants)
            ).fetchone()[0]
            for table in ("tasks", "tags", "logs", "attempts", "aliases", "keys")
        }
    connection.close()
    assert left == dict.fromkeys(left, 0)
