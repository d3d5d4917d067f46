"""What is particular to stores on servers: how they are reached, started and shared."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fastapi_taskflow import (
    Backend,
    ConfigurationError,
    MySQLBackend,
    PostgresBackend,
    RedisBackend,
    StoreUnavailable,
    TaskArgumentError,
    TaskManager,
)
from fastapi_taskflow.backends.sql.dialects import servers
from fastapi_taskflow.testing.conformance.harness import (
    A,
    B,
    accept,
    beat,
    begin,
    claim,
    find,
    ids,
    ignore,
    instance,
    task,
)
from tests.support.databases import DRIVERS, KINDS, TestDatabase
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def kind(server: TestDatabase) -> str:
    server.empty()
    return "postgresql" if server.url.startswith("postgresql") else "mysql"


def backend_on(server: TestDatabase, **how: Any) -> Backend:
    return KINDS[make_url(server.url).drivername](server.url, **how)


async def test_ten_instances_that_start_at_once_make_one_store(kind, server):
    stores = [backend_on(server, table_prefix="ten_", pool_size=2) for _ in range(10)]

    await asyncio.gather(*(one.open(ignore) for one in stores))
    await stores[0].enlist(instance(A))
    await accept(stores[1], task())

    assert len(await claim(stores[0])) == 1
    await asyncio.gather(*(one.close() for one in stores))


async def test_who_makes_a_store_next_sees_what_was_made(kind, server):
    if kind == "postgresql":
        pytest.skip("its lock goes with the transaction")
    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    other = sa.create_engine(make_url(server.url).set(drivername="mysql+pymysql"))
    seen: list[int] = []

    def look(_sql: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "release_lock" in statement:
            with other.connect() as sql:
                count = sql.scalar(text("SELECT count(*) FROM taskflow_facts"))
                seen.append(count or 0)

    sa.event.listen(engine.sync_engine, "after_cursor_execute", look)
    store = MySQLBackend(engine=engine)
    await store.open(ignore)
    await store.close()
    await engine.dispose()
    other.dispose()

    assert seen == [2]


async def test_two_prefixes_are_two_stores(kind, server):
    one, other = backend_on(server), backend_on(server, table_prefix="Other_")
    for store in (one, other):
        await store.open(ignore)
        await store.enlist(instance(A))
    mine, theirs = task(), task()
    await accept(one, mine)
    await accept(other, theirs)

    assert ids(await claim(one)) == [mine.task_id]
    assert ids(await claim(other)) == [theirs.task_id]
    await one.close()
    await other.close()


async def test_the_servers_clock_decides(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    await store.enlist(instance(A))
    new = task()
    await accept(store, new)
    (got,) = await claim(store)
    started = await begin(store, got.lease)
    await store.close()

    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    asks = "SELECT extract(epoch FROM now())" if kind == "postgresql" else "SELECT unix_timestamp()"
    async with engine.connect() as sql:
        now = float(await sql.scalar(text(asks)) or 0)
    await engine.dispose()
    # A busy machine needs some seconds between the two; a clock of another kind is hours off.
    assert abs(started.timestamp() - now) < 600


async def test_an_engine_of_the_users_is_used_and_left_open(kind, server):
    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    store = KINDS[kind](engine=engine)
    await store.open(ignore)
    await store.enlist(instance(A))
    new = task()
    await accept(store, new)
    assert await beat(store, A)
    used = engine.pool.checkedin()
    await store.close()

    assert used > 0
    assert engine.pool.checkedin() == used
    assert await isolation_of(engine) != "AUTOCOMMIT"
    await engine.dispose()


async def isolation_of(engine: AsyncEngine) -> str:
    async with engine.connect() as sql:
        return await sql.get_isolation_level()


async def test_a_connection_that_the_server_ended_is_replaced(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    await store.enlist(instance(A))
    first, second = task(), task()
    await accept(store, first)

    await end_connections(kind, server)
    await accept(store, second)
    await end_connections(kind, server)

    assert (await find(store, second.task_id)).record.task_id == second.task_id
    assert await beat(store, A)
    await store.close()


async def end_connections(kind: str, server: TestDatabase) -> None:
    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    async with engine.connect() as sql:
        if kind == "postgresql":
            await sql.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        else:
            found = await sql.execute(
                text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = database() AND id <> connection_id()"
                )
            )
            for number in found.scalars().all():
                await sql.execute(text(f"KILL CONNECTION {number}"))
    await engine.dispose()


async def test_a_claim_holds_up_no_heartbeat(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    await store.enlist(instance(A))
    await store.enlist(instance(B))

    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    rows = sa.table("taskflow_instances", sa.column("instance_id"))
    async with engine.begin() as sql:
        await sql.execute(sa.select(rows).with_for_update(read=True))
        assert await beat(store, A)

    await engine.dispose()
    await store.close()


async def test_who_was_stopped_in_a_heartbeat_holds_up_no_other(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    await store.enlist(instance(A))

    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    async with engine.begin() as sql:
        await sql.execute(text("UPDATE taskflow_facts SET value = 1 WHERE name = 'clock'"))
        assert await beat(store, A)

    await engine.dispose()
    await store.close()


WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx JOIN"
    " information_schema.processlist ON id = trx_mysql_thread_id"
    " WHERE db = database() AND trx_state = 'LOCK WAIT'",
}


async def test_who_waits_to_take_over_from_the_dead_accepts_and_claims_meanwhile(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    for name in (A, B):
        await store.enlist(instance(name))
    engine = create_async_engine(
        make_url(server.url).set(drivername=DRIVERS[kind]), isolation_level="AUTOCOMMIT"
    )

    async def waits() -> bool:
        async with engine.connect() as sql:
            return bool(await sql.scalar(text(WAITING[kind])))

    # As one that was stopped in a claim.
    stopped = engine.execution_options(isolation_level="READ COMMITTED")
    rows = sa.table("taskflow_instances", sa.column("instance_id"))
    async with stopped.begin() as sql:
        of_b = sa.select(rows).where(rows.c.instance_id == B)
        await sql.execute(of_b.with_for_update(read=True))
        taking_over = asyncio.create_task(store.recover(A, B, limit=10))
        await wait_until(waits)

        of_a = sa.select(rows).where(rows.c.instance_id == A)
        await sql.execute(of_a.with_for_update(read=True, nowait=True))
        await accept(store, task(owner=A), task())

        assert len(await claim(store)) == 1
        assert not taking_over.done()

    assert await taking_over == []
    await engine.dispose()
    await store.close()


async def test_no_transaction_sees_more_than_what_is_committed(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    new = task()
    async with engine.connect() as sql:
        await accept(store, new)
        found = await store.get([new.task_id])
        await sql.rollback()

    assert found != [None]
    await engine.dispose()
    await store.close()


async def test_a_server_that_is_not_there_is_a_store_that_is_unavailable(kind, server):
    nobody = make_url(server.url).set(port=1).render_as_string(hide_password=False)
    store = KINDS[kind](nobody)

    with pytest.raises(StoreUnavailable, match=r":1/"):
        await store.open(ignore)


async def test_a_server_that_cannot_prove_itself_is_a_store_that_is_unavailable(kind, server):
    proof = "sslmode=verify-full" if kind == "postgresql" else "ssl=true"
    store = KINDS[kind](f"{server.url}?{proof}")

    with pytest.raises(StoreUnavailable):
        await store.open(ignore)


@pytest.mark.parametrize("driver", [PostgresBackend, MySQLBackend])
async def test_nothing_is_connected_when_one_is_made(driver):
    name = "postgresql" if driver is PostgresBackend else "mysql"
    store = driver(f"{name}://ada:secret@nowhere.invalid/tasks")

    assert "secret" not in store.place
    assert "nowhere.invalid" in store.place
    with pytest.raises(StoreUnavailable) as found:
        await store.open(ignore)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("name", ["tasks", "lines"])
async def test_a_table_of_somebody_else_is_left_as_it_is(server, kind, name):
    engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
    async with engine.begin() as sql:
        await sql.execute(text(f"CREATE TABLE own{name}_{name} (id INTEGER, wood VARCHAR(9))"))

    with pytest.raises(ConfigurationError, match="another table_prefix"):
        await backend_on(server, table_prefix=f"own{name}_").open(ignore)

    async with engine.begin() as sql:
        found = await sql.run_sync(lambda sync: sa.inspect(sync).get_columns(f"own{name}_{name}"))
        assert [one["name"] for one in found] == ["id", "wood"]
        names = await sql.run_sync(lambda sync: sa.inspect(sync).get_table_names())
        assert [one for one in names if one.startswith(f"own{name}_")] == [f"own{name}_{name}"]
    await engine.dispose()


async def test_who_waits_for_a_connection_in_vain_learns_of_the_pool(server, kind, monkeypatch):
    monkeypatch.setattr(servers, "_POOL_WAIT_SECONDS", 0)
    store = backend_on(server, pool_size=1)
    await store.open(ignore)

    found = await asyncio.gather(*(store.get([A]) for _ in range(5)), return_exceptions=True)
    await store.close()

    failures = [one for one in found if isinstance(one, BaseException)]
    assert failures
    assert all(isinstance(one, StoreUnavailable) and "pool_size=" in str(one) for one in failures)


async def test_an_address_may_have_options(server, kind):
    named = "application_name" if kind == "postgresql" else "program_name"
    store = KINDS[kind](f"{server.url}?{named}=shop&connect_timeout=5")

    await store.open(ignore)

    if kind == "postgresql":
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop'"
        engine = create_async_engine(make_url(server.url).set(drivername=DRIVERS[kind]))
        async with engine.connect() as sql:
            assert await sql.scalar(text(f"{asked} AND datname = current_database()"))
        await engine.dispose()
    await store.close()


@pytest.mark.parametrize(
    ("driver", "given"),
    [
        (PostgresBackend, {}),
        (PostgresBackend, {"url": "mysql://host/db"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@host"}),
        (PostgresBackend, {"url": "no address"}),
        (PostgresBackend, {"url": "postgresql://host/db", "table_prefix": "a b"}),
        (PostgresBackend, {"engine": "an engine"}),
        (MySQLBackend, {}),
        (MySQLBackend, {"url": "postgresql://ada:secret@host/db"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@host/db?bogus=1"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@host/db?connect_timeout=soon"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@host:abc/db"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@host:99999/db"}),
        (PostgresBackend, {"url": "postgresql://ada:secret@one:1,two:2/db"}),
        (MySQLBackend, {"url": "mysql://ada:secret@host/db?bogus=1"}),
        (RedisBackend, {"url": "redis://:secret@host/0?bogus=1"}),
        (RedisBackend, {"url": "redis://:secret@host/0?decode_responses=true"}),
        (RedisBackend, {"url": "redis://:secret@host/abc"}),
        (RedisBackend, {"url": "redis://:secret@host:abc/0"}),
        (RedisBackend, {"url": "redis://:secret@host:99999/0"}),
    ],
    ids=[
        *("nothing", "another server", "no database", "no address", "prefix", "no engine"),
        *("nothing for mysql", "another server for mysql"),
        *("option", "timeout", "port", "high port", "hosts", "option of mysql"),
        *("option of redis", "replies of redis", "path of redis", "port of redis"),
        "high port of redis",
    ],
)
async def test_what_cannot_be_a_store_is_refused(driver, given):
    with pytest.raises(ConfigurationError) as found:
        driver(**given)

    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    "address",
    ["postgresql://u:p@host/db", "postgres://host/db", "mysql://host/db", "mariadb://h/d"],
)
async def test_a_manager_takes_the_address_of_a_server(address):
    manager = TaskManager(snapshot_backend=address)

    assert manager is not None


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("PostgresBackend", "asyncpg", "postgres"), ("MySQLBackend", "asyncmy", "mysql")],
)
async def test_a_missing_extra_is_named_when_a_store_is_made(name, package, extra):
    program = f"""
import sys
sys.modules[{package!r}] = None
import fastapi_taskflow
backend = fastapi_taskflow.{name}
try:
    backend("{"postgresql" if extra == "postgres" else "mysql"}://host/db")
except ImportError as exc:
    print(exc)
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert f"fastapi-taskflow[{extra}]" in told.stdout


async def test_values_that_no_column_holds_are_refused_and_spoil_nothing(kind, server):
    store = backend_on(server)
    await store.open(ignore)
    await store.enlist(instance(A))
    kept = task()

    with pytest.raises(TaskArgumentError):
        await accept(store, task(queue="q" * 5000), kept)

    assert await store.get([kept.task_id]) == [None]
    await store.close()


def test_a_beat_of_another_thread_leaves_no_connection(kind, server):
    async def main() -> None:
        store = backend_on(server)
        await store.open(ignore)
        await store.enlist(instance(A))
        threads = [threading.Thread(target=asyncio.run, args=(store.beat(A, 0.0),)) for _ in "abc"]
        for one in threads:
            one.start()
        for one in threads:
            await asyncio.to_thread(one.join)
        signals = await store.signals(A)
        assert signals.peers[0].counter == 3
        await store.close()

    asyncio.run(main())
