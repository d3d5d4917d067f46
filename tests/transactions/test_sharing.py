"""An app's engine on the task store's SQLite file, in turns with the store."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from fastapi_taskflow import ConfigurationError, StoreUnavailable, TaskManager
from fastapi_taskflow.backends.sharing import share
from fastapi_taskflow.backends.sqlite.lockfiles import comes_free
from tests.support.shops import ORDERS, ordering
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def is_free(file: Path) -> bool:
    return comes_free(Path(f"{file}-taskflow/write.lock"), 0.0)


def test_the_lock_is_held_for_the_time_of_a_transaction(file: Path) -> None:
    engine = share(share(sa.create_engine(f"sqlite:///{file}")))
    held = []

    with engine.begin() as sql:
        held.append(not is_free(file))
        ORDERS.create(sql)
    with engine.connect() as sql:
        for end in (sql.commit, sql.rollback):
            sql.execute(ordering(1))
            held.append(not is_free(file))
            end()
            held.append(is_free(file))
            sql.execute(sa.delete(ORDERS))
            sql.commit()
        sql.execute(ordering(2))
    held.append(is_free(file))
    with Session(engine) as session, pytest.raises(IntegrityError):
        session.execute(sa.insert(ORDERS), [{"number": 3}, {"number": 3}])
    held.append(is_free(file))
    sql = engine.connect()
    sql.execute(ordering(4))
    sql.invalidate()
    held.append(is_free(file))
    sql.close()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
        sql.execute(ordering(5))
        held.append(is_free(file))
    with engine.connect() as sql:
        found = list(sql.scalars(sa.select(ORDERS.c.number)))
    engine.dispose()

    assert held == [True] * len(held)
    assert found == [5]


async def test_the_event_loop_goes_on_while_a_transaction_waits(file: Path) -> None:
    plain = share(sa.create_engine(f"sqlite:///{file}"))
    awaited = share(create_async_engine(f"sqlite+aiosqlite:///{file}"))
    ORDERS.create(plain)
    order: list[str] = []

    async def second() -> None:
        async with awaited.begin() as sql:
            order.append("second")
            await sql.execute(ordering(2))

    with plain.begin() as sql:
        sql.execute(ordering(1))
        waiting = asyncio.create_task(second())
        for _ in range(5):
            await asyncio.sleep(0.002)
        order.append("first")
    await waiting
    # Who is cancelled meanwhile keeps nothing.
    with plain.begin():
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.002)
        waiting.cancel()
        await asyncio.wait([waiting])
    free = is_free(file)
    plain.dispose()
    await awaited.dispose()

    assert order == ["first", "second"]
    assert free


async def test_a_transaction_that_lasts_is_an_outage_for_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = share(sa.create_engine(f"sqlite:///{file}"))
    monkeypatch.setattr("fastapi_taskflow.backends.sharing.WRITE_SECONDS", 0.05)

    with engine.begin(), pytest.raises(StoreUnavailable, match="too long"), engine.begin():
        pass
    with engine.begin():
        pass
    engine.dispose()


async def test_threads_and_the_store_write_in_turns(file: Path) -> None:
    engine = share(sa.create_engine(f"sqlite:///{file}"))
    ORDERS.create(engine)
    tasks = TaskManager(snapshot_db=file)
    ran: list[int] = []

    @tasks.task(persist=True)
    async def ship(number: int) -> None:
        ran.append(number)

    def write(first: int) -> None:
        for number in range(first, first + 20):
            with Session(engine) as session, session.begin():
                # Reads first: without turns, another's write between the two would be an error.
                session.execute(sa.select(ORDERS)).all()
                session.execute(ordering(number))
                tasks.enqueue_sync(ship, number, session=session)

    async with tasks:
        threads = [threading.Thread(target=write, args=(n * 100,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for number in range(1000, 1020):
            await tasks.enqueue(ship, number)
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await wait_until(lambda: len(ran) >= 80)
    with engine.connect() as sql:
        orders = list(sql.scalars(sa.select(ORDERS.c.number)))
    engine.dispose()

    assert sorted(ran) == sorted(orders) + list(range(1000, 1020))


async def test_an_engine_that_does_not_share_is_refused(file: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{file}")
    tasks = TaskManager(snapshot_db=file)

    @tasks.task(persist=True)
    async def ship() -> None: ...

    async with tasks:
        with Session(engine) as session, pytest.raises(ConfigurationError, match="share"):
            await tasks.enqueue(ship, session=session)
    engine.dispose()


@pytest.mark.parametrize(
    "engine",
    [
        sa.create_engine("sqlite://"),
        sa.create_engine("postgresql+psycopg://u:secret@host/db"),
        create_async_engine("sqlite+aiosqlite://"),
        "sqlite:///shop.db",
    ],
    ids=["memory", "server", "async memory", "text"],
)
def test_only_engines_on_files_can_share(engine: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes an engine") as caught:
        share(engine)
    assert "secret" not in str(caught.value)


def test_a_lock_file_that_is_replaced_is_taken_anew(file: Path) -> None:
    engine = share(sa.create_engine(f"sqlite:///{file}"))
    with engine.begin():
        pass
    Path(f"{file}-taskflow/write.lock").unlink()

    with engine.begin():
        held = not is_free(file)
    engine.dispose()

    assert held
