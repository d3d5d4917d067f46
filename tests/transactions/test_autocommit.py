"""Sessions that have no transaction, and transactions that the database has ended or locked."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from fastapi_taskflow import ConfigurationError, StoreUnavailable, TaskManager
from fastapi_taskflow.backends.sharing import share
from tests.support.shops import Shop, ordering

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.anyio

AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}
# Of the drivers of the shops.
DRIVEN: dict[str, dict[str, Any]] = {
    "sqlite": {"isolation_level": None},
    "postgresql": {"autocommit": True},
    "mysql": {"autocommit": True},
}


async def started(manager: TaskManager) -> Any:
    @manager.task(persist=True, name="ship")
    async def ship(number: int) -> None: ...

    await manager.startup()
    return ship


def engine_of(shop: Shop, **how: Any) -> sa.Engine:
    made = sa.create_engine(shop.engine.url, **how)
    return share(made) if shop.kind == "sqlite" else made


def connected(session: Session) -> Session:
    session.connection(execution_options=AUTOCOMMIT)
    return session


WAYS: dict[str, Callable[[Shop], Session]] = {
    "engine": lambda shop: Session(engine_of(shop, **AUTOCOMMIT)),
    "options": lambda shop: Session(shop.engine.execution_options(**AUTOCOMMIT)),
    "sessionmaker": lambda shop: sessionmaker(shop.engine.execution_options(**AUTOCOMMIT))(),
    "connection": lambda shop: connected(Session(shop.engine)),
    "driver": lambda shop: Session(engine_of(shop, connect_args=DRIVEN[shop.kind])),
}


@pytest.mark.parametrize("way", WAYS)
async def test_autocommit_is_refused_however_it_was_asked_for(
    shop: Shop, manager: Make, way: str
) -> None:
    tasks = manager()
    ship = await started(tasks)

    with WAYS[way](shop) as session:
        with pytest.raises(ConfigurationError, match="autocommit"):
            tasks.enqueue_sync(ship, 1, session=session)
        session.rollback()
        engine = session.get_bind().engine
    engine.dispose()

    assert await tasks.merged_list() == []


async def test_an_async_engine_in_autocommit_is_refused(shop: Shop, manager: Make) -> None:
    tasks = manager()
    ship = await started(tasks)
    engine = create_async_engine(shop.async_engine.url, **AUTOCOMMIT)
    if shop.kind == "sqlite":
        share(engine)

    async with AsyncSession(engine) as session:
        with pytest.raises(ConfigurationError, match="autocommit"):
            await tasks.enqueue(ship, 1, session=session)
        await session.rollback()
    await engine.dispose()

    assert await tasks.merged_list() == []


async def test_a_deadlocks_victim_is_told_and_commits_nothing(shop: Shop, manager: Make) -> None:
    if shop.kind == "sqlite":
        pytest.skip("its writers take turns")
    tasks = manager()
    ship = await started(tasks)
    failures: list[BaseException] = []

    async def second(session: AsyncSession, number: int, key: str) -> None:
        try:
            await tasks.enqueue(ship, number, session=session, idempotency_key=key)
            await session.commit()
        except StoreUnavailable as exc:
            failures.append(exc)
            if shop.kind == "mysql":
                with pytest.raises(PendingRollbackError):
                    await session.commit()
            await session.rollback()
            # It goes on as a new one.
            await session.execute(ordering(9))
            await session.rollback()

    async with AsyncSession(shop.async_engine) as one, AsyncSession(shop.async_engine) as two:
        for number, session in ((1, one), (2, two)):
            if shop.kind == "postgresql":
                await session.execute(sa.text("SET LOCAL deadlock_timeout = '20ms'"))
            await session.execute(ordering(number))
            await tasks.enqueue(ship, number, session=session, idempotency_key=f"D{number}")
        await asyncio.gather(second(one, 2, "D2"), second(two, 1, "D1"))

    assert len(failures) == 1
    assert "eadlock" in str(failures[0])
    assert "eadlock" in str(failures[0].__cause__)
    assert len(shop.orders()) == 1


async def test_a_transaction_that_may_only_read_is_named(shop: Shop, manager: Make) -> None:
    if shop.kind == "sqlite":
        pytest.skip("its transactions all write")
    tasks = manager()
    ship = await started(tasks)

    async with AsyncSession(shop.async_engine) as session:
        if shop.kind == "postgresql":
            await session.execute(sa.text("SET TRANSACTION READ ONLY"))
        else:
            await session.execute(sa.text("COMMIT"))
            await session.execute(sa.text("START TRANSACTION READ ONLY"))
        with pytest.raises(ConfigurationError, match="may only read"):
            await tasks.enqueue(ship, 1, session=session)
        await session.rollback()
