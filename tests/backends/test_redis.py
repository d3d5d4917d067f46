"""What is particular to Redis: how it is reached, shared, and what it refuses."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis.asyncio.connection import Connection

from fastapi_taskflow import ConfigurationError, RedisBackend, StoreUnavailable, TaskManager
from fastapi_taskflow.backends.base import Grade, Level
from fastapi_taskflow.backends.rediskeys.checkup import replication
from fastapi_taskflow.backends.rediskeys.packing import packing
from fastapi_taskflow.backends.rediskeys.store import grade_of, refusal_of
from fastapi_taskflow.testing.conformance.harness import (
    A,
    accept,
    claim,
    end,
    ids,
    ignore,
    instance,
    task,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move
from tests.support.redisserver import TestRedis, redis_server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[TestRedis]:
    with redis_server() as made:
        yield made


async def test_two_prefixes_are_two_stores(server):
    stores = [RedisBackend(server.url, f"{server.prefix}-{n}") for n in range(2)]
    new = [task(), task()]
    for store, one in zip(stores, new, strict=True):
        await store.open(ignore)
        await store.enlist(instance(A))
        await accept(store, one)

    for store, one in zip(stores, new, strict=True):
        assert ids(await claim(store)) == [one.task_id]
        await store.close()


async def test_an_instance_hears_of_another_ones_task(server):
    heard = asyncio.Event()
    one, other = (RedisBackend(server.url, f"{server.prefix}-hints") for _ in range(2))
    await one.open(heard.set)
    await other.open(ignore)
    # It listens.
    await asyncio.wait_for(heard.wait(), 60)
    heard.clear()

    await accept(other, task())

    await asyncio.wait_for(heard.wait(), 60)
    await one.close()
    await other.close()


async def test_tasks_of_the_first_version_go_on(server):
    prefix = f"{server.prefix}-first"
    store = RedisBackend(server.url, prefix)
    await store.open(ignore)
    await store.enlist(instance(A))
    await accept(store, task(tags={"shop": "north"}), task())
    ((held, _),) = await claim(store, limit=1)
    before = await store.get([held.task_id])
    await store.close()
    for key in server.client.scan_iter(match=f"{{{prefix}}}:task:*"):
        fixed, state = map(json.loads, server.client.hmget(key, "d", "s"))
        server.client.hset(key, "d", json.dumps(fixed | state))
        server.client.hdel(key, "s")
    server.client.hset(f"{{{prefix}}}:store", "version", 1)

    store = RedisBackend(server.url, prefix)
    await store.open(ignore)

    assert await store.get([held.task_id]) == before
    assert [one.lease for one in await store.owned(A)] == [held]
    assert len(await claim(store)) == 1
    assert (await end(store, held, Move.GIVE_BACK)).status is TaskStatus.PENDING
    await store.close()


async def test_a_server_that_is_not_there_is_a_store_that_is_unavailable():
    store = RedisBackend("redis://ada:secret@127.0.0.1:1/0")

    assert "secret" not in store.place
    with pytest.raises(StoreUnavailable, match=r":1/0") as found:
        await store.open(ignore)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a" * 101, 5])
async def test_a_prefix_that_cannot_be_one_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisBackend(prefix=prefix)


@pytest.mark.parametrize("address", ["redis://host/0", "rediss://host:6380", "unix:///run/r.sock"])
async def test_a_manager_takes_its_address(address):
    assert TaskManager(snapshot_backend=address) is not None


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_may_delete_keys_takes_no_durable_tasks(policy):
    told = refusal_of({"maxmemory_policy": policy}, "redis://host/0")

    assert told is not None
    assert policy in told
    assert "noeviction" in told
    assert refusal_of({"maxmemory_policy": "noeviction"}, "redis://host/0") is None


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        ({"aof_enabled": 1, "appendfsync": "always"}, Grade.A),
        ({"aof_enabled": 1, "appendfsync": "everysec"}, Grade.B),
        ({"aof_enabled": 1}, Grade.B),
        ({"aof_enabled": 0, "appendfsync": "always"}, Grade.C),
    ],
)
async def test_the_grade_is_what_the_server_is_set_to(told, grade):
    assert grade_of(told) is grade


@pytest.mark.parametrize(
    ("follows", "level", "detail"),
    [
        ({"state": "online", "offset": 90}, Level.OK, "1 of 1 follow, at most 0.0 MiB behind"),
        ({"state": "online"}, Level.OK, "1 of 1 follow"),
        ({"offset": 90}, Level.WARNING, "0 of 1 follow"),
        (None, Level.WARNING, "0 of 1 follow"),
    ],
)
async def test_a_replica_that_little_is_told_of_is_told_of_all_the_same(follows, level, detail):
    told = {"connected_slaves": 1, "master_repl_offset": 100}
    if follows is not None:
        told["slave0"] = follows

    (found,) = replication(told)

    assert found.level is level
    assert found.detail.startswith(detail)


async def test_the_missing_extra_is_named_when_a_store_is_made():
    program = """
import sys
sys.modules["redis"] = None
import fastapi_taskflow
backend = fastapi_taskflow.RedisBackend
try:
    backend()
except ImportError as exc:
    print(exc)
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "fastapi-taskflow[redis]" in told.stdout


@pytest.mark.parametrize("command", ["EVALSHA", "CONFIG GET"])
@pytest.mark.parametrize("odd", [(), (0.1,)], ids=["usual", "a float"])
def test_commands_are_packed_as_the_client_packs_them(command, odd):
    args = command, "é", "\ud800", "", b"\xff\r\n", -5, 10**18, "x" * 10_000, *odd
    known = Connection(encoding_errors="surrogatepass")

    packed = packing(Connection)(encoding_errors="surrogatepass").pack_command(*args)

    assert b"".join(packed) == b"".join(known.pack_command(*args))
