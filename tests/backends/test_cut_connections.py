"""Connections to servers that are cut at any moment: told as an outage, and none is left behind."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import A, beat, ignore, instance
from tests.support.databases import DRIVERS, KINDS, TestDatabase
from tests.support.waiting import PATIENCE_SECONDS
from trust.proxy import Proxy, proxied

# What a client sends until it is connected and has written, and less than any message has.
BYTES, STEP = 1500, 37

pytestmark = pytest.mark.anyio


@pytest.fixture
async def proxy(server: TestDatabase) -> AsyncIterator[Proxy]:
    url = sa.make_url(server.url)
    async with proxied(url.port or 0) as proxy:
        yield proxy


@pytest.fixture
def url(server: TestDatabase, proxy: Proxy) -> sa.URL:
    return sa.make_url(server.url).set(host="127.0.0.1", port=proxy.port)


async def cut_at_each_step(proxy: Proxy, verb: Callable[[], Awaitable[object]]) -> None:
    """Call the verb with its first connection cut ever later: it is an outage, if anything."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for size in range(1, BYTES, STEP):
            proxy.cut_after(size)
            with suppress(StoreUnavailable):
                await verb()
            proxy.heal()
        gc.collect()
    assert [str(one.message) for one in told if issubclass(one.category, SAWarning)] == []


async def test_a_heartbeat_that_is_cut_leaves_no_connection(url: sa.URL, proxy: Proxy) -> None:
    store = KINDS[url.drivername](url.render_as_string(hide_password=False))
    await store.open(ignore)
    await store.enlist(instance(A))

    await cut_at_each_step(proxy, lambda: beat(store, A))

    await store.close()


async def test_an_engine_of_the_users_gets_back_each_connection_that_is_cut(
    url: sa.URL, proxy: Proxy
) -> None:
    engine = create_async_engine(url.set(drivername=DRIVERS[url.drivername]))
    store = KINDS[url.drivername](engine=engine)
    await store.open(ignore)

    async def ask() -> None:
        await store.get(["nobody"])
        proxy.cut()

    await cut_at_each_step(proxy, ask)

    assert isinstance(engine.pool, sa.QueuePool)
    assert engine.pool.checkedout() == 0
    await store.close()
    await engine.dispose()


async def test_a_store_that_falls_silent_is_closed_all_the_same(url: sa.URL, proxy: Proxy) -> None:
    store = KINDS[url.drivername](url.render_as_string(hide_password=False))
    await store.open(ignore)
    await asyncio.gather(*(store.get(["nobody"]) for _ in range(5)))

    proxy.silence()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await store.close()
    gc.collect()
