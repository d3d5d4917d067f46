"""Group commit: what waits together is committed together, and fails apart."""

import asyncio
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from fastapi_taskflow.backends.base import Lease, LogChunk, Outcome, Stored
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.locks import WriteLock
from fastapi_taskflow.exceptions import StoreUnavailable
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.testing.conformance.harness import accept, find, instance, keyed, task
from fastapi_taskflow.words.states import Move
from tests.support.tools import need

_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def commits(path: str) -> int:
    """Transactions in the write-ahead log: frames that say how large the database is now."""
    data = Path(path + "-wal").read_bytes()
    (page_bytes,) = struct.unpack(">I", data[8:12])
    frame = _FRAME_HEADER_BYTES + page_bytes
    starts = range(_WAL_HEADER_BYTES, len(data) - frame + 1, frame)
    return sum(struct.unpack(">I", data[at + 4 : at + 8])[0] > 0 for at in starts)


@contextmanager
def busy_writer(path: str) -> Iterator[None]:
    """As long as this lasts, nothing is committed and what comes in waits together."""
    lock = WriteLock(store_directory(path))
    with lock.held(1.0):
        yield
    lock.close()


async def gather_behind_a_busy_writer(path: str, *calls):
    with busy_writer(path):
        waiting = [asyncio.ensure_future(call) for call in calls]
        # Once around the loop: every call has queued its job.
        await asyncio.sleep(0)
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_requests_that_wait_together_share_a_commit(backend: SqliteBackend, path: str):
    await accept(backend, task())
    before = commits(path)

    answers = await gather_behind_a_busy_writer(
        path, *(backend.insert([[task()]]) for _ in range(100))
    )

    assert all(isinstance(answer[0], Stored) for answer in answers)
    # The writer may have gone to wait with the first one in its hands.
    assert commits(path) - before <= 2


async def test_different_verbs_share_a_commit(backend: SqliteBackend, path: str):
    await backend.enlist(instance("a"))
    running, claimed = task(owner="a"), task(owner="a")
    await accept(backend, running, claimed)
    lease = Lease(running.task_id, 1)
    await backend.start([lease])
    before = commits(path)

    _, started, finished, *_ = await gather_behind_a_busy_writer(
        path,
        backend.insert([[task()]]),
        backend.start([Lease(claimed.task_id, 1)]),
        backend.finish([Outcome(lease, Move.SUCCEED)]),
        backend.set_queue("q", {"paused": True}),
        backend.append_logs([LogChunk(Lease(claimed.task_id, 1), ("line",))]),
    )

    assert started[0] is not None
    assert finished[0].status is TaskStatus.SUCCESS
    assert commits(path) - before <= 2


async def test_all_tasks_of_a_call_are_one_commit(backend: SqliteBackend, path: str):
    await accept(backend, task())
    before = commits(path)

    await backend.insert([[task(), keyed("k")], [task(tags={"a": "b"})] * 1, [task()] * 1])

    assert commits(path) - before == 1


async def test_one_callers_impossible_value_harms_nobody_else(backend: SqliteBackend, path: str):
    good, bad, other = task(), task(payload=object()), task()

    answers = await gather_behind_a_busy_writer(
        path, *(backend.insert([[one]]) for one in (good, bad, other))
    )

    assert isinstance(answers[0][0], Stored)
    assert isinstance(answers[1], TypeError)
    assert isinstance(answers[2][0], Stored)
    assert await backend.get([bad.task_id]) == [None]
    assert sum(cell.rows for cell in await backend.tally()) == 2


async def test_what_follows_from_an_answer_shares_a_commit_with_what_waited(
    backend: SqliteBackend, path: str
):
    await backend.enlist(instance("a"))
    one = task(owner="a")
    before = commits(path)

    async def insert_and_start():
        await backend.insert([[one]])
        return await backend.start([Lease(one.task_id, 1)])

    with busy_writer(path):
        leading = asyncio.ensure_future(insert_and_start())
        # Until its insert is with the writer.
        for _ in range(3):
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(backend.insert([[task()]]))
        await asyncio.sleep(0)
    await asyncio.gather(leading, waiting)

    assert commits(path) - before == 2


async def test_what_fails_alone_counts_for_nothing(backend: SqliteBackend, path: str):
    await backend.enlist(instance("a"))
    good, bad = task(owner="a"), task(owner="a")
    await accept(backend, good, bad)
    await backend.start([Lease(good.task_id, 1), Lease(bad.task_id, 1)])
    impossible: Any = object()

    answers = await gather_behind_a_busy_writer(
        path,
        backend.finish([Outcome(Lease(bad.task_id, 1), Move.SUCCEED, error=impossible)]),
        backend.finish([Outcome(Lease(good.task_id, 1), Move.SUCCEED)]),
    )

    assert isinstance(answers[0], TypeError)
    assert answers[1][0].status is TaskStatus.SUCCESS
    rows = {cell.status: cell.rows for cell in await backend.tally()}
    assert rows == {TaskStatus.RUNNING: 1, TaskStatus.SUCCESS: 1}


async def test_a_repeated_insert_among_others_is_still_answered(backend: SqliteBackend, path: str):
    known = task()
    await accept(backend, known)

    answers = await gather_behind_a_busy_writer(
        path, *(backend.insert([[one]]) for one in (task(), known, task(), known))
    )

    assert [type(answer[0]) for answer in answers] == [Stored] * 4
    assert sum(cell.rows for cell in await backend.tally()) == 3


async def test_a_caller_that_gave_up_does_not_keep_others_from_their_answer(
    backend: SqliteBackend, path: str
):
    given_up = task()
    with busy_writer(path):
        first = asyncio.ensure_future(backend.insert([[given_up]]))
        second = asyncio.ensure_future(backend.insert([[task()]]))
        await asyncio.sleep(0)
        first.cancel()

    assert isinstance((await second)[0], Stored)
    # Whether it was stored is open, as after any lost reply.
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_foreign_lock_fails_all_that_wait_and_stores_nothing(
    backend: SqliteBackend, path: str
):
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    refused = [task(), task()]

    answers = await asyncio.gather(
        *(backend.insert([[one]]) for one in refused), return_exceptions=True
    )

    foreign.close()
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    assert await backend.get([one.task_id for one in refused]) == [None, None]
    await accept(backend, refused[0])
    assert (await find(backend, refused[0].task_id)).record.status is TaskStatus.PENDING


async def test_texts_that_utf8_cannot_hold_do_not_lose_an_outcome(backend: SqliteBackend):
    await backend.enlist(instance("a"))
    new = task(owner="a")
    await accept(backend, new)
    lease = Lease(new.task_id, 1)
    await backend.start([lease])

    await backend.finish([Outcome(lease, Move.FAIL, error="bad \udcff name", logs=("\ud800",))])

    record = (await find(backend, new.task_id)).record
    assert record.status is TaskStatus.FAILED
    assert record.error == "bad \\udcff name"


SYNCED = """
import asyncio, sys
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance.harness import accept, task

async def main():
    backend = SqliteBackend(sys.argv[1], synchronous=sys.argv[2])
    await backend.open(lambda: None)
    for _ in range(20):
        await accept(backend, task())
    await backend.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(("synchronous", "grade"), [("FULL", "A"), ("NORMAL", "B")])
def test_grade_a_means_a_sync_before_every_answer(
    path: str, synchronous: Literal["FULL", "NORMAL"], grade: str
):
    need("strace")
    trace = path + ".trace"

    subprocess.run(
        ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", trace,
         sys.executable, "-c", SYNCED, path, synchronous],
        check=True,
    )  # fmt: skip

    syncs = Path(trace).read_text().count("sync(")
    assert SqliteBackend(path, synchronous=synchronous).grade.name == grade
    assert (syncs >= 20) == (grade == "A")
