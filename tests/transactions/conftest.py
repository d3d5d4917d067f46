"""Shops on each database, and managers of their tasks."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fastapi_taskflow import TaskManager
from tests.support.databases import TestDatabase, database
from tests.support.shops import ORDERS, Shop

SERVERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("postgresql", "mysql")]


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def server(request: pytest.FixtureRequest) -> Iterator[TestDatabase | None]:
    """A database on a server; None: a file will do."""
    if request.param == "sqlite":
        yield None
        return
    with database(request.param) as made:
        yield made


@pytest.fixture
def url(server: TestDatabase | None, tmp_path: Path) -> str:
    if server is None:
        return f"sqlite:///{tmp_path / 'shop.db'}"
    server.empty()
    return server.url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    made = Shop(url)
    with made.engine.begin() as sql:
        sql.execute(sa.delete(ORDERS))
    yield made
    made.engine.dispose()
    await made.async_engine.dispose()


@pytest.fixture
async def manager(shop: Shop) -> AsyncIterator[Callable[..., TaskManager]]:
    """Makes managers on the shop's database; stops at the end what a test has started."""
    quick = {"heartbeat_interval": 0.5, "instance_ttl": 5.0, "drain_timeout": 5.0}
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> TaskManager:
            made = TaskManager(snapshot_backend=shop.url, **{**quick, **settings})
            stack.push_async_callback(made.shutdown)
            return made

        yield make
