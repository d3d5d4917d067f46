"""A busy queue that is resized again and again: no task too many, and none too few."""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import Backend, MemoryBackend, QueueConfig, RedisBackend, TaskManager
from tests.support.databases import database
from tests.support.redisserver import redis_server
from tests.support.waiting import wait_until

# How often; on a busy machine a hundred times take minutes on a server. By hand:
# TASKFLOW_TEST_RESIZES=100 pytest -o faulthandler_timeout=3600 tests/engine/test_resizing.py
TIMES = {"memory": 100, "sqlite": 20, "postgresql": 4, "mysql": 4, "redis": 8}
# Tasks at a time.
MOST = 5
QUICK: dict[str, Any] = {"heartbeat_interval": 0.05, "instance_ttl": 60.0, "drain_timeout": 5.0}

pytestmark = pytest.mark.slow


class Turnstile:
    """Tasks stand here until one more may leave; it is the functions' own evidence."""

    def __init__(self) -> None:
        self.inside = 0
        self.come = 0
        self.most = 0
        self._may_leave = asyncio.Semaphore(0)

    async def stand(self) -> None:
        self.come += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self._may_leave.acquire()
        self.inside -= 1

    async def let_out(self, number: int) -> None:
        left = self.come - self.inside + number
        for _ in range(number):
            self._may_leave.release()
        await wait_until(lambda: self.come - self.inside >= left)


@contextmanager
def opener(kind: str, folder: Path) -> Iterator[Callable[[], Backend | str]]:
    """Gives handles to one store, each as another process would have it."""
    if kind == "memory":
        shared = MemoryBackend()
        yield lambda: shared
    elif kind == "sqlite":
        yield lambda: f"sqlite:///{folder / 'tasks.db'}"
    elif kind == "redis":
        with redis_server() as server:
            yield lambda: RedisBackend(server.url, server.prefix)
    else:
        with database(kind) as made:
            yield lambda: made.url


def made(store: Backend | str, setting: str) -> TaskManager:
    mail: dict[str, Any] = {setting: 1}
    queues = {"mail": QueueConfig(**mail), "probes": QueueConfig(dispatch="shared")}
    return TaskManager(snapshot_backend=store, queues=queues, **QUICK)


def knows(tasks: TaskManager, setting: str, size: int) -> bool:
    (mail,) = (one for one in tasks.queue_stats() if one["name"] == "mail")
    return bool(mail[setting] == size)


class Probe:
    """A function of one instance alone: its tasks say that its earlier claims have ended."""

    def __init__(self, tasks: TaskManager, name: str) -> None:
        self._tasks, self.runs = tasks, 0
        tasks.task(persist=True, name=name, queue="probes")(self.run)

    async def run(self) -> None:
        self.runs += 1

    async def claims_have_ended(self) -> None:
        # Claims of an instance follow each other. The first may be taken by one that was on its
        # way; the second is by one that was asked for after that.
        for _ in range(2):
            wanted = self.runs + 1
            await self._tasks.enqueue(self.run)
            await wait_until(lambda: self.runs == wanted)  # noqa: B023


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("setting", ["concurrency", "global_concurrency"])
def test_a_queue_that_is_resized_again_and_again_has_no_task_too_many_or_too_few(
    tmp_path: Path, kind: str, setting: str
) -> None:
    with opener(kind, tmp_path) as opened:
        times = int(os.environ.get("TASKFLOW_TEST_RESIZES", TIMES[kind]))
        asyncio.run(_resize(opened, setting, times))


async def _resize(opened: Callable[[], Backend | str], setting: str, times: int) -> None:
    """The other instance resizes: one that runs tasks hears of it from the store."""
    gate, chance = Turnstile(), random.Random(7)  # noqa: S311  (chance, not secrets)
    managers = [made(opened(), setting) for _ in range(2)]
    workers = managers if setting == "global_concurrency" else managers[:1]
    for one in workers:
        one.task(persist=True)(gate.stand)
    probes = [Probe(one, f"probe{number}") for number, one in enumerate(workers)]
    async with AsyncExitStack() as stack:
        for one in managers:
            await stack.enter_async_context(one)
        calls = [workers[0].call(gate.stand) for _ in range(times * MOST * 3)]
        await workers[0].enqueue_many(calls, queue="mail")
        size = 1
        for _ in range(times):
            before, size = size, chance.randint(1, MOST)
            gate.most = gate.inside
            await managers[1].operations.update_queue("mail", {setting: size})
            await wait_until(lambda: all(knows(one, setting, size) for one in managers))  # noqa: B023
            for probe in probes:
                await probe.claims_have_ended()
            # What was claimed by the limit before counts by that.
            assert gate.most <= max(before, size)
            await gate.let_out(max(0, gate.inside - size))
            await _flows(gate, size)
        await managers[1].pause("mail")
        await wait_until(lambda: all(knows(one, "paused", True) for one in managers))
        await gate.let_out(gate.inside)


async def _flows(gate: Turnstile, size: int) -> None:
    """As many as may be inside are, and whoever leaves is followed by one."""
    gate.most = gate.inside
    await wait_until(lambda: gate.inside == size)
    for _ in range(2):
        await gate.let_out(1)
        await wait_until(lambda: gate.inside == size)
    assert gate.most == size
