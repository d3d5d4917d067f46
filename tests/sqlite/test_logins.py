"""Sessions and buckets in a file: few rows, found by an index, and no needless write."""
# ruff: noqa: S608  (hashes of nothing; statements of constants)

import asyncio
import sqlite3
from contextlib import closing

import pytest

from fastapi_taskflow.backends.buckets import Bucket, bucket_name
from fastapi_taskflow.backends.logins import PURGED
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.clock import ManualClock
from tests.sqlite.conftest import Opener

BUCKET = Bucket("bucket", 2, 30.0)
IDLE = 1_800.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def backend(open_backend: Opener, clock: ManualClock) -> SqliteBackend:
    return await open_backend(clock=clock)


def ask(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def rows(path, table):
    return ask(path, f"SELECT count(*) FROM taskflow_{table}")[0][0]


async def test_clear_buckets_lose_their_rows_in_bounded_batches(backend, clock, path):
    for number in range(PURGED + 10):
        await backend.sign_in.take_tokens([BUCKET._replace(name=bucket_name(str(number)))])
    assert rows(path, "buckets") == PURGED + 10
    clock.advance(60)

    await backend.sign_in.take_tokens([BUCKET])
    assert rows(path, "buckets") == 10 + 1
    await backend.sign_in.take_tokens([BUCKET])

    assert rows(path, "buckets") == 1


async def test_sessions_that_ran_out_lose_their_rows_in_bounded_batches(backend, clock, path):
    for number in range(PURGED + 10):
        await backend.sign_in.open_session(f"t{number}", f"user{number}", "r", life=60.0, idle=IDLE)
    clock.advance(IDLE + 1)

    await backend.sign_in.open_session("new", "ann", "r", life=60.0, idle=IDLE)
    assert rows(path, "sessions") == 10 + 1
    await backend.sign_in.open_session("newer", "ann", "r", life=60.0, idle=IDLE)

    assert rows(path, "sessions") == 2


async def test_a_network_keeps_no_more_rows_of_invented_accounts_than_it_has_tokens(backend, path):
    network = Bucket(bucket_name("network", "192.0.2.1"), 30, 2.0)

    for number in range(500):
        pair = BUCKET._replace(name=bucket_name("pair", f"nobody{number}", "192.0.2.1"))
        await backend.sign_in.take_tokens([pair, network])

    assert rows(path, "buckets") == 31


TAKER = """
import asyncio, sys
from fastapi_taskflow.backends.buckets import Bucket
from fastapi_taskflow.backends.sqlite import SqliteBackend

async def main():
    backend = SqliteBackend(sys.argv[1])
    await backend.open(lambda: None)
    print("ready", flush=True)
    sys.stdin.readline()
    bucket = Bucket("bucket", 5, 600.0, delay=2.0)
    answers = await asyncio.gather(*(backend.sign_in.take_tokens([bucket]) for _ in range(70)))
    await backend.close()
    print(sum(answer == 0 for answer in answers))

asyncio.run(main())
"""


def test_takers_in_several_processes_get_exactly_the_capacity(spawn):
    takers = [spawn(TAKER) for _ in range(3)]

    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()

    assert sum(int(taker.communicate(timeout=60)[0]) for taker in takers) == 5


async def test_refused_tries_wait_for_no_write(backend, path):
    while await backend.sign_in.take_tokens([BUCKET]) == 0:
        pass

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await backend.sign_in.take_tokens([BUCKET]) == 30.0
        other.execute("ROLLBACK")


async def test_a_session_is_read_without_a_write(backend, path):
    await backend.sign_in.open_session("t", "ann", "viewer", life=60.0, idle=IDLE)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await backend.sign_in.find_session("t", idle=IDLE)) is not None
        other.execute("ROLLBACK")


async def test_a_session_is_found_while_its_use_cannot_be_noted(backend, clock, path):
    opened = await backend.sign_in.open_session("t", "ann", "viewer", life=600.0, idle=IDLE)
    clock.advance(60)

    # Longer than the store waits for a write.
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await backend.sign_in.find_session("t", idle=IDLE) == opened
        other.execute("ROLLBACK")

    noted = await backend.sign_in.find_session("t", idle=IDLE)
    assert noted == opened._replace(seen_at=clock.now())


async def test_a_session_closed_between_its_read_and_the_note_is_not_found(backend, clock, path):
    await backend.sign_in.open_session("t", "ann", "viewer", life=600.0, idle=IDLE)
    clock.advance(60)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM taskflow_sessions")
        finding = asyncio.ensure_future(backend.sign_in.find_session("t", idle=IDLE))
        # Reads are served in order: after this one, that of the session is done.
        await asyncio.sleep(0)
        await backend.get(["nothing"])
        assert not finding.done()
        other.execute("COMMIT")

    assert await finding is None


async def test_uses_of_a_session_at_once_are_noted_by_all(backend, clock):
    await backend.sign_in.open_session("t", "ann", "viewer", life=600.0, idle=IDLE)
    clock.advance(60)

    found = await asyncio.gather(*(backend.sign_in.find_session("t", idle=IDLE) for _ in range(20)))

    assert {one and one.seen_at for one in found} == {clock.now()}


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM @sessions WHERE token_hash = 't'", "token_hash=?"),
        ("SELECT * FROM @sessions WHERE user = 'u' ORDER BY seq DESC", "user=?"),
        ("SELECT * FROM @sessions WHERE seen_at < 1 ORDER BY seen_at", "seen_at<?"),
        ("SELECT * FROM @buckets WHERE name = 'n'", "name=?"),
        ("SELECT * FROM @buckets WHERE clear_at <= 1 ORDER BY clear_at", "clear_at<?"),
    ],
)
async def test_rows_are_found_by_an_index_and_without_sorting(backend, path, statement, index):
    plan = ask(path, f"EXPLAIN QUERY PLAN {statement.replace('@', 'taskflow_')}")

    (step,) = [row[3] for row in plan]
    assert step.startswith("SEARCH")
    assert step.endswith(f"({index})")
