"""Engines of the user's, however they were made: a verb is one transaction, or they are refused."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_taskflow import ConfigurationError, MySQLBackend, StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import accept, ignore, keyed
from tests.support.databases import DRIVERS, KINDS, TestDatabase

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("isolation", ["AUTOCOMMIT", "SERIALIZABLE"])
async def test_what_fails_in_the_middle_has_stored_nothing(
    server: TestDatabase, isolation: str
) -> None:
    url = sa.make_url(server.url)
    engine = create_async_engine(
        url.set(drivername=DRIVERS[url.drivername]), isolation_level=isolation
    )
    store = KINDS[url.drivername](engine=engine)
    await store.open(ignore)
    # With a key it takes several statements everywhere.
    new = keyed("k", tags={"of": "two tables"})

    @sa.event.listens_for(engine.sync_engine, "before_cursor_execute")
    def interrupted(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO taskflow_tags"):
            raise InterruptedError

    with pytest.raises(StoreUnavailable):
        await accept(store, new)

    assert await store.get([new.task_id]) == [None]
    await store.close()
    await engine.dispose()


def test_an_engine_of_mysql_that_does_not_roll_back_is_refused() -> None:
    engine = create_async_engine(
        "mysql+asyncmy://nobody@localhost/nothing", skip_autocommit_rollback=True
    )

    with pytest.raises(ConfigurationError, match="skip_autocommit_rollback"):
        MySQLBackend(engine=engine)
