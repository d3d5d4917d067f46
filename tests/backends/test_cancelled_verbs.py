"""Verbs on servers whose caller gives up: they end there and then, whatever the client says."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from fastapi_taskflow import Backend, MySQLBackend, PostgresBackend, RedisBackend
from fastapi_taskflow.testing.conformance.harness import ignore
from tests.support.databases import database
from tests.support.redisserver import redis_server

# In each of the first steps of a connection, and some later.
STEPS = 60


@pytest.fixture(scope="module", params=["postgresql", "mysql", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Backend]]:
    if request.param == "redis":
        with redis_server() as server:
            yield lambda: RedisBackend(server.url, server.prefix)
        return
    kind = PostgresBackend if request.param == "postgresql" else MySQLBackend
    with database(request.param) as server:
        yield lambda: kind(server.url)


def test_who_is_cancelled_while_a_client_connects_is_cancelled(
    make: Callable[[], Backend],
) -> None:
    # Not in the runner's loop, which fails a test for what a client leaves behind.
    asyncio.run(cancel_at_each_step(make()))


async def cancel_at_each_step(store: Backend) -> None:
    await store.open(ignore)
    for steps in range(STEPS):
        # Two at a time: the second needs a connection that is not there yet.
        asked = [asyncio.create_task(store.get(["nobody"])) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for one in asked:
            one.cancel()

        found = await asyncio.gather(*asked, return_exceptions=True)

        heeded = [isinstance(one, asyncio.CancelledError) or one == [None] for one in found]
        assert heeded == [True, True], found
        for one in asked:
            assert one.cancelled() or not one.cancelling(), f"lost after {steps} steps"
    await store.close()
