"""What a store says of its own state: its server's settings, or its file's."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from fastapi_taskflow import (
    Backend,
    MySQLBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
    StoreUnavailable,
)
from fastapi_taskflow.backends.base import Finding, Level
from fastapi_taskflow.backends.base.forwarding import Forwarding
from fastapi_taskflow.testing.conformance.harness import ignore
from tests.support.databases import TestDatabase, database
from tests.support.waiting import wait_until
from trust.servers import own_server

WELL = {Level.OK, Level.NOTE}


@pytest.fixture(scope="module")
def postgres() -> Iterator[TestDatabase]:
    with database("postgresql") as made:
        yield made


@pytest.fixture(scope="module")
def mariadb() -> Iterator[TestDatabase]:
    with database("mysql") as made:
        yield made


def made(store: Backend) -> Backend:
    """The store, which is there and closed."""

    async def main() -> None:
        await store.open(ignore)
        await store.close()

    asyncio.run(main())
    return store


def vitals(store: Backend) -> dict[str, Finding]:
    return {one.check: one for one in asyncio.run(store.vitals())}


def vitals_with(store: Backend, check: str, level: Level) -> dict[str, Finding]:
    """The first ones that say so."""

    def ask() -> dict[str, Finding] | None:
        found = vitals(store)
        return found if check in found and found[check].level is level else None

    told: dict[str, Finding] = asyncio.run(wait_until(lambda: asyncio.to_thread(ask), every=0.1))
    return told


def test_a_postgres_that_is_well_tells_of_its_tables_and_transactions(postgres):
    found = vitals(made(PostgresBackend(postgres.url)))

    # How long others keep their transactions and flush is theirs to say.
    bad = {name for name, one in found.items() if one.level not in WELL}
    assert bad <= {"durability", "transactions"}
    names = {"schema", "durability", "transactions", "bloat", "replication", "clock", "isolation"}
    assert found.keys() >= names
    assert "READ COMMITTED" in found["isolation"].detail
    assert "taskflow_" in found["bloat"].detail


def test_rows_that_nobody_cleans_up_are_a_warning(postgres):
    store = made(PostgresBackend(postgres.url))
    postgres.run("ALTER TABLE taskflow_facts SET (autovacuum_enabled = false)")
    postgres.run(
        "INSERT INTO taskflow_facts (name, value) "
        "SELECT 'dead ' || n, n FROM generate_series(1, 60000) AS n"
    )
    postgres.run("DELETE FROM taskflow_facts WHERE name LIKE 'dead %'")

    # Else the server counts when the session has been idle for ten seconds.
    postgres.run("SELECT pg_stat_force_next_flush()")
    found = (vitals_with(store, "bloat", Level.WARNING))["bloat"]
    assert "60000 dead rows" in found.detail
    assert "VACUUM ANALYZE taskflow_facts" in str(found.mend)


def test_a_mariadb_that_is_well_tells_of_its_history(mariadb):
    found = vitals(made(MySQLBackend(mariadb.url)))

    bad = {name for name, one in found.items() if one.level not in WELL}
    assert bad <= {"durability", "transactions", "history"}
    assert found.keys() >= {"schema", "durability", "history", "replication", "isolation"}
    assert "READ COMMITTED" in found["isolation"].detail


def test_what_a_user_may_not_see_is_no_problem(mariadb):
    made(MySQLBackend(mariadb.url))
    url, user = make_url(mariadb.url), f"vitals_{os.getpid()}"
    mariadb.run(f"CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY 'few'")
    try:
        mariadb.run(f"GRANT ALL ON {url.database}.* TO {user}@'%'")
        few = url.set(username=user, password="few")  # noqa: S106

        found = vitals(MySQLBackend(few.render_as_string(hide_password=False)))
    finally:
        mariadb.run(f"DROP USER {user}@'%'")

    assert found["history"].level is Level.NOTE
    assert "not told to this user" in found["history"].detail
    assert found["schema"].level is Level.OK


def test_a_redis_that_evicts_is_a_problem_that_says_what_to_set():
    with own_server("redis", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server:
        found = vitals(made(RedisBackend(server.url)))

    assert found["eviction"].level is Level.PROBLEM
    assert "allkeys-lru" in found["eviction"].detail
    assert "maxmemory-policy noeviction" in str(found["eviction"].mend)


def test_a_redis_says_whether_its_replicas_follow():
    with own_server("redis", "--repl-diskless-sync-delay", "0") as primary:
        store = made(RedisBackend(primary.url))
        alone = vitals(store)
        with own_server("redis", "--replicaof", f"127.0.0.1 {primary.port}") as replica:
            both = vitals_with(store, "replicas", Level.OK)
            with pytest.raises(StoreUnavailable, match="address of the primary"):
                made(RedisBackend(replica.url))

    assert "replicas" not in alone
    assert both["replicas"].detail.startswith("1 of 1 follow")


def test_a_log_that_a_reader_keeps_long_is_told_and_so_are_free_pages(tmp_path, monkeypatch):
    for bound in ("_LONG_LOG_BYTES", "_EMPTY_BYTES"):
        monkeypatch.setattr(f"fastapi_taskflow.backends.sqlite.vitals.{bound}", 2**20)
    path = tmp_path / "tasks.db"
    store = made(SqliteBackend(path))
    before = vitals(store)
    reader, writer = sqlite3.connect(path), sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    writer.execute("CREATE TABLE others (value)")
    writer.execute("PRAGMA synchronous = OFF")
    with writer:
        writer.execute("INSERT INTO others VALUES (zeroblob(?))", (2 * 2**20,))
    during = vitals(store)
    with writer:
        writer.execute("DROP TABLE others")
    reader.close()
    writer.close()
    after = vitals(store)

    assert {one.level for one in before.values()} == {Level.OK}
    assert during["log"].level is Level.WARNING
    assert during["pages"].level is Level.OK
    assert after["pages"].level is Level.NOTE
    assert "VACUUM" in str(after["pages"].mend)


def test_a_backend_around_another_one_is_examined_as_that_is(tmp_path):
    path = tmp_path / "tasks.db"
    made(SqliteBackend(path))

    around = [one.check for one in Forwarding(SqliteBackend(path)).examine()]

    assert around == [one.check for one in SqliteBackend(path).examine()]
