"""What the hot verbs ask uses indexes, however much history there is.

Each statement that the verbs send is recorded, and explained by its own database.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_taskflow import Backend, MySQLBackend, PostgresBackend, RedisBackend, SqliteBackend
from fastapi_taskflow.backends.base import (
    FailureQuery,
    Grain,
    Lease,
    LogChunk,
    Outcome,
    Query,
    RollupQuery,
)
from fastapi_taskflow.testing.conformance.harness import A, B, fresh_id, ignore, instance, task
from fastapi_taskflow.testing.conformance.harness import beat as send_beat
from fastapi_taskflow.testing.conformance.harness import claim as take
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move
from tests.support.databases import TestDatabase, database
from trust.servers import own_server

pytestmark = pytest.mark.slow

COPIES = 20_000
# Their rows grow with history; a look through all of any other table costs nothing.
LONG = ("taskflow_tasks", "taskflow_attempts", "taskflow_tags", "taskflow_lines", "taskflow_logs")
Asked = list[tuple[str, Any]]


async def run_some(store: Backend, number: int) -> None:
    """Tasks that have run twice: one of ten failed, each with a tag and a line of its log."""
    made = [task(fresh_id(), owner=A, tags={"customer": str(n)}) for n in range(number)]
    await store.insert([made])
    leases = [Lease(one.task_id, 1) for one in made]
    await store.start(leases)
    await store.append_logs([LogChunk(lease, ("line",)) for lease in leases])
    await store.finish([Outcome(lease, Move.RETRY, error="ValueError: no") for lease in leases])
    leases = [one.lease for one in await take(store)]
    await store.start(leases)
    ends = [Move.FAIL if n % 10 == 0 else Move.SUCCEED for n in range(number)]
    await store.finish([Outcome(*one) for one in zip(leases, ends, strict=True)])


async def first_tasks(store: Backend) -> None:
    await store.open(ignore)
    await store.enlist(instance(A))
    await run_some(store, 10)
    await store.close()


async def hot_verbs(store: Backend) -> None:
    """What instances and open pages of the dashboard ask all the time."""
    await store.open(ignore)
    for name in (A, B):
        await store.enlist(instance(name))
    await store.insert([[task(tags={"customer": "one"})] for _ in range(20)])
    await store.insert([[task(idempotency_key="key", fingerprint=b"x")]], {"default": 1000})
    leases = [one.lease for one in await take(store, limit=10)]
    await store.start(leases)
    await store.append_logs([LogChunk(leases[0], ("line",))])
    await store.finish([Outcome(leases[0], Move.SUCCEED), Outcome(leases[1], Move.FAIL)])
    await store.cancel([leases[2].task_id])
    await store.attempts(leases[0].task_id)
    await store.get([leases[0].task_id])
    await send_beat(store, A)
    await store.signals(A)
    await store.owned(A)
    await store.next_due(["default"])
    await store.recover(B, A, limit=5)
    await store.retire(B)
    await looks(store)
    await store.close()


async def looks(store: Backend) -> None:
    """First pages, and what is counted."""
    failed = frozenset({TaskStatus.FAILED})
    now = SYSTEM_CLOCK.now()
    for query in (
        Query(),
        Query(statuses=failed),
        Query(statuses=frozenset({TaskStatus.RUNNING})),
        Query(func_name="f"),
        Query(queue="default"),
        Query(tag=("customer", "1")),
        Query(order_key="customer:1"),
    ):
        await store.search(query, limit=50)
    await store.tally()
    await store.rollups(RollupQuery(grain=Grain.MINUTE, since=now - timedelta(hours=1)))
    await store.failures(FailureQuery())
    await store.purge(now - timedelta(days=30), limit=100)


def assert_served_by_indexes(asked: Asked, scans: Sequence[str]) -> None:
    assert len({statement for statement, _ in asked}) > 20
    assert not scans, "\n".join(scans)


# PostgreSQL and MariaDB

COPYING = {
    "taskflow_tasks": {"task_id": "concat('c', n, '-', task_id)"},
    "taskflow_attempts": {"task_id": "concat('c', n, '-', task_id)"},
    "taskflow_tags": {"task_id": "concat('c', n, '-', task_id)", "value": "concat(value, n)"},
    "taskflow_lines": {"task_id": "concat('c', n, '-', task_id)"},
}
NUMBERS = {
    "postgresql": "generate_series(1, {0}) AS n",
    "mysql": "(SELECT seq AS n FROM seq_1_to_{0}) AS s",
}
SCHEMAS = {"postgresql": "current_schema()", "mysql": "database()"}
SERVERS = {"postgresql": PostgresBackend, "mysql": MySQLBackend}
DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}


def copy_history(server: TestDatabase, kind: str) -> None:
    numbers = NUMBERS[kind].format(COPIES // 10)
    quote = '"' if kind == "postgresql" else "`"
    for table, changed in COPYING.items():
        names = [
            str(name)
            for (name,) in server.run(
                "SELECT column_name FROM information_schema.columns "  # noqa: S608
                f"WHERE table_name = '{table}' AND table_schema = {SCHEMAS[kind]}"
            )
            if name != ("number" if table == "taskflow_lines" else "arrival")
        ]
        quoted = [f"{quote}{name}{quote}" for name in names]
        values = [changed.get(name, own) for name, own in zip(names, quoted, strict=True)]
        server.run(
            f"INSERT INTO {table} ({', '.join(quoted)}) "  # noqa: S608
            f"SELECT {', '.join(values)} FROM {table}, {numbers}"
        )
        server.run(f"ANALYZE {'' if kind == 'postgresql' else 'TABLE '}{table}")


def recorded(url: str, kind: str) -> Asked:
    """The statements of the hot verbs, with what they were given."""
    asked: Asked = []

    def note(_: Any, __: Any, statement: str, given: Any, ___: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            asked.append((statement, given[0] if many else given))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        asyncio.run(hot_verbs(SERVERS[kind](url)))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    return asked


async def plans(url: str, kind: str, asked: Asked) -> list[tuple[str, Any]]:
    """Each statement with its plan."""
    engine = create_async_engine(sa.make_url(url).set(drivername=DRIVERS[kind]))
    how = "(FORMAT JSON)" if kind == "postgresql" else "FORMAT=JSON"
    found = []
    async with engine.connect() as sql:
        for statement, given in {one: given for one, given in asked}.items():  # noqa: C416
            told = await sql.exec_driver_sql(f"EXPLAIN {how} {statement}", given)
            plan = told.scalar_one()
            found.append((statement, json.loads(plan) if isinstance(plan, str) else plan))
    await engine.dispose()
    return found


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """All objects within."""
    if isinstance(plan, dict):
        yield plan
    for one in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ():
        yield from nodes(one)


def scans(planned: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Long tables that a plan reads from end to end; in an index is well, up to a limit."""
    for statement, plan in planned:
        for node in nodes(plan):
            name = node.get("Relation Name", node.get("table_name"))
            how = node.get("Node Type", node.get("access_type"))
            whole = how in ("Seq Scan", "ALL") or (how == "index" and "LIMIT" not in statement)
            if name in LONG and whole:
                yield f"{name}: {how} in {statement}"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_reads_no_history_to_go_on(kind):
    with database(kind) as server:
        asyncio.run(first_tasks(SERVERS[kind](server.url)))
        copy_history(server, kind)
        asked = recorded(server.url, kind)
        found = list(scans(asyncio.run(plans(server.url, kind, asked))))

    assert_served_by_indexes(asked, found)


# SQLite

COPIED_ROWS = {
    "taskflow_tasks": {"seq": "seq + 1000 * n", "id": "'c' || n || '-' || id"},
    "taskflow_attempts": {"id": "NULL", "task": "task + 1000 * n"},
    "taskflow_tags": {"task": "task + 1000 * n"},
    "taskflow_logs": {"id": "NULL", "task": "task + 1000 * n"},
}


def copy_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table, changed in COPIED_ROWS.items():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = [changed.get(name, f'"{name}"') for name in names]
            connection.execute(
                "WITH RECURSIVE numbers(n) AS "  # noqa: S608
                f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {COPIES // 10}) "
                f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table}, numbers"
            )


def test_a_file_reads_no_history_to_go_on(tmp_path, monkeypatch):
    path = tmp_path / "tasks.db"
    asyncio.run(first_tasks(SqliteBackend(path)))
    copy_rows(path)
    asked: Asked = []
    connect = sqlite3.connect

    def traced(*args: Any, **how: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **how)
        connection.set_trace_callback(lambda statement: asked.append((statement, ())))
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", traced)
        asyncio.run(hot_verbs(SqliteBackend(path)))

    found = []
    with closing(sqlite3.connect(path)) as connection:
        for statement in {one for one, _ in asked}:
            if statement.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")):
                steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
                found += [
                    f"{step} in {statement}"
                    for step in steps
                    if step.startswith(tuple(f"SCAN {table}" for table in LONG))
                    and "LIMIT" not in statement
                ]
    assert_served_by_indexes(asked, found)


# Redis


def commands(server: redis.Redis) -> int:
    told = server.info("commandstats")
    return sum(each["calls"] for name, each in told.items() if name != "cmdstat_info")


def test_a_claim_in_redis_costs_the_same_with_and_without_history():
    async def cost(url: str) -> int:
        store = RedisBackend(url)
        await store.open(ignore)
        await store.enlist(instance(A))
        await store.insert([[task()] for _ in range(10)])
        with redis.Redis.from_url(url) as server:
            before = commands(server)
            claimed = await take(store, limit=10, claim_id=fresh_id())
            spent = commands(server) - before
        leases = [one.lease for one in claimed]
        await store.start(leases)
        await store.finish([Outcome(lease, Move.SUCCEED) for lease in leases])
        await run_some(store, 200)
        await store.close()
        assert len(leases) == 10
        return spent

    with own_server("redis") as server:
        costs = [asyncio.run(cost(server.url)) for _ in range(3)]

    assert max(costs) < 1.5 * min(costs)
