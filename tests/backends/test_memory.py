"""What `MemoryBackend` promises beyond the contract: bounds, and one object for several."""

import asyncio
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from fastapi_taskflow.backends.base import Backend, Grade, Lease, Outcome, Query
from fastapi_taskflow.backends.buckets import Bucket, bucket_name
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.testing import ManualClock
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    accept,
    again,
    claim,
    end,
    ids,
    ignore,
    instance,
    keyed,
    missing,
    run,
    running,
    task,
)
from fastapi_taskflow.words.states import Move


@pytest.fixture
async def small() -> Backend:
    """Keeps two ended tasks."""
    backend = MemoryBackend(clock=ManualClock(), keep=2)
    await backend.open(ignore)
    await backend.enlist(instance(A))
    return backend


async def done(backend: Backend) -> str:
    """The id of a task that has ended."""
    lease = await running(backend)
    await end(backend, lease, Move.SUCCEED)
    return lease.task_id


async def test_it_survives_nothing_and_says_so():
    assert MemoryBackend().grade is Grade.C


async def test_the_newest_ended_tasks_are_kept_and_all_live_ones(small):
    waiting = [task(delay=60.0) for _ in range(5)]
    await accept(small, *waiting)

    old, *newest = [await done(small) for _ in range(3)]

    assert await missing(small, old)
    found = [one.record.task_id for one in (await small.search(Query(), limit=99)).tasks]
    assert found == [*newest[::-1], *(one.task_id for one in waiting[::-1])]


async def test_what_is_kept_longest_is_what_ended_last_not_what_came_last(small):
    first, second, third = task(), task(queue="q"), task(queue="r")
    await accept(small, first, second, third)
    for new in (third, second, first):
        await end(small, await run(small, new), Move.SUCCEED)

    assert await missing(small, third.task_id)
    assert not await missing(small, first.task_id, second.task_id)


async def test_large_arguments_of_the_longest_ended_tasks_are_forgotten():
    backend = MemoryBackend(clock=ManualClock())
    await backend.open(ignore)
    await backend.enlist(instance(A))
    large = bytes(1024 * 1024)
    waiting = task(payload=large, delay=60.0)
    await accept(backend, waiting)

    ends = []
    for payload in (large, b"small", *[large] * 64):
        lease = await running(backend, task(payload=payload))
        await end(backend, lease, Move.FAIL)
        ends.append(lease.task_id)

    stored = await backend.get([waiting.task_id, *ends])
    assert [one.payload if one else b"gone" for one in stored] == [
        large,
        None,
        b"small",
        *[large] * 64,
    ]


async def test_history_and_aliases_go_with_their_task(small):
    new, alias = keyed("k"), keyed("k", alias=True)
    await accept(small, new, alias)
    await end(small, await run(small, new), Move.RETRY)
    await end(small, await run(small, new), Move.FAIL)
    for _ in range(2):
        await done(small)

    assert await missing(small, new.task_id, alias.task_id)
    assert await small.attempts(new.task_id) == []
    assert await small.finish([Outcome(Lease(new.task_id, 1), Move.SUCCEED)]) == [None]


async def test_a_key_outlives_its_forgotten_task():
    clock = ManualClock()
    backend = MemoryBackend(clock=clock, keep=0)
    await backend.open(ignore)
    await backend.enlist(instance(A))
    new = keyed("k")
    await accept(backend, new, key_ttl=60.0)
    await end(backend, await run(backend, new), Move.SUCCEED)
    assert await missing(backend, new.task_id)

    assert await accept(backend, keyed("k", alias=True)) == [again(new.task_id)]
    clock.advance(60)
    (inserted,) = await accept(backend, keyed("k"))
    assert not inserted.duplicate


async def test_forgotten_tasks_stay_counted(small):
    for _ in range(5):
        await done(small)

    (cell,) = [one for one in await small.tally() if one.rows or one.ended]
    assert (cell.status, cell.rows, cell.ended) == (TaskStatus.SUCCESS, 2, 5)


async def test_the_order_survives_many_cancelled_tasks():
    backend = MemoryBackend(clock=ManualClock())
    await backend.open(ignore)
    await backend.enlist(instance(A))
    news = [task(priority=n % 7, delay=(n % 3) * 0.0) for n in range(500)]
    await accept(backend, *news)
    kept = [new for n, new in enumerate(news) if n % 10 == 0]
    await backend.cancel([new.task_id for new in news if new not in kept])

    got = await claim(backend)

    assert ids(got) == [new.task_id for new in sorted(kept, key=lambda new: -(new.priority or 0))]


# One object, several openings


class Ear:
    """Counts the hints that one opening hears."""

    def __init__(self) -> None:
        self.hints = 0

    def hear(self) -> None:
        self.hints += 1


async def heard(backend: Backend, ear: Ear, act: Callable[[], Awaitable[object]]) -> int:
    """Hints that ``ear`` hears of what ``act`` does."""
    before = ear.hints
    await act()
    # Hints come through the loop's queue: one turn delivers them.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return ear.hints - before


async def test_others_hear_of_work_of_cancels_and_of_settings():
    backend, ear = MemoryBackend(), Ear()
    await backend.open(ignore)
    await backend.open(ear.hear)
    new = task()

    assert await heard(backend, ear, lambda: accept(backend, new)) == 1
    assert await heard(backend, ear, lambda: backend.cancel([new.task_id])) == 1
    assert await heard(backend, ear, lambda: backend.set_queue("q", {"paused": True})) == 1


async def test_a_burst_of_changes_is_one_hint():
    backend, ear = MemoryBackend(), Ear()
    await backend.open(ignore)
    await backend.open(ear.hear)

    async def burst() -> None:
        for _ in range(20):
            await accept(backend, task())

    assert await heard(backend, ear, burst) == 1


async def test_a_lone_opening_and_a_closed_one_hear_nothing():
    backend, ear = MemoryBackend(), Ear()
    await backend.open(ear.hear)
    assert await heard(backend, ear, lambda: accept(backend, task())) == 0

    await backend.open(ignore)
    await backend.close()
    await backend.close()
    await backend.close()

    assert await heard(backend, ear, lambda: accept(backend, task())) == 0


async def test_what_was_stored_outlives_the_last_close():
    backend = MemoryBackend()
    await backend.open(ignore)
    new = task()
    await accept(backend, new)
    await backend.close()
    await backend.open(ignore)

    assert not await missing(backend, new.task_id)


def test_instances_in_several_threads_share_out_the_tasks():
    backend = MemoryBackend()
    got = {A: [], B: []}
    ready = threading.Barrier(2)

    async def work(name: str) -> None:
        await backend.open(ignore)
        await backend.enlist(instance(name))
        ready.wait(10)
        for _ in range(50):
            await accept(backend, task())
            for one in await claim(backend, name, limit=2):
                assert await backend.start([one.lease]) != [None]
                got[name].append(one.lease.task_id)
                assert not (await end(backend, one.lease, Move.SUCCEED)).late
        await backend.close()

    threads = [threading.Thread(target=asyncio.run, args=(work(name),)) for name in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    done_once = got[A] + got[B]
    assert len(done_once) == len(set(done_once)) == 100


# Sign-in


async def traced_growth(rounds: Callable[[int], Awaitable[None]]) -> int:
    """Bytes by which memory grows from 5,000 rounds more."""
    tracemalloc.start()
    try:
        await rounds(5_000)
        before = tracemalloc.get_traced_memory()[0]
        await rounds(5_000)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


async def test_invented_names_fill_no_memory_for_longer_than_their_time():
    clock = ManualClock()
    backend = MemoryBackend(clock=clock)
    names = count()

    async def flood(rounds: int) -> None:
        for _ in range(rounds):
            await backend.sign_in.take_tokens([Bucket(bucket_name(str(next(names))), 5, 12.0)])
            clock.advance(0.1)

    assert await traced_growth(flood) < 50_000


async def test_one_busy_bucket_fills_no_memory():
    clock = ManualClock()
    backend = MemoryBackend(clock=clock)

    async def flood(rounds: int) -> None:
        for _ in range(rounds):
            await backend.sign_in.take_tokens([Bucket("one", 5, 12.0, delay=2.0)])
            await backend.sign_in.forget_buckets(["one"])
            clock.advance(0.1)

    assert await traced_growth(flood) < 50_000


async def test_sessions_that_ran_out_fill_no_memory():
    clock = ManualClock()
    backend = MemoryBackend(clock=clock)
    names = count()

    async def flood(rounds: int) -> None:
        for _ in range(rounds):
            token = str(next(names))
            await backend.sign_in.open_session(token, token, "viewer", life=100.0, idle=10.0)
            clock.advance(0.1)

    assert await traced_growth(flood) < 50_000
