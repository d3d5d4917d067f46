"""Databases of the tests' own on the servers that run here, or are named in the environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fastapi_taskflow import MySQLBackend, PostgresBackend
from fastapi_taskflow.backends.sql.tables import metadata

KINDS = {"postgresql": PostgresBackend, "mysql": MySQLBackend}
DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}

# Where they are if the environment names no other. Each needs a user who may make databases.
SERVERS = {
    "postgresql": ("TASKFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mysql": ("TASKFLOW_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql"),
}
_START_SECONDS = 60.0
_EMPTYING = (
    *[
        str(sa.delete(table))
        for table in metadata.tables.values()
        if table.name != "taskflow_facts"
    ],
    "UPDATE taskflow_facts SET value = 0 WHERE name = 'clock'",
)


class TestDatabase:
    """An empty database that only this process uses.

    Attributes:
        url: Its address, as users write it.
    """

    __test__ = False

    def __init__(self, kind: str) -> None:
        variable, default = SERVERS[kind]
        self._server = sa.make_url(os.environ.get(variable) or default)
        self._kind = kind
        self.name = f"taskflow_test_{os.getpid()}_{uuid4().hex[:8]}"
        self.url = self._server.set(database=self.name).render_as_string(hide_password=False)
        # Of our own, for plain tests; it keeps one connection to the database.
        self._runner = asyncio.Runner()
        self._engine: AsyncEngine | None = None
        self._is_made = False

    def make(self) -> None:
        self._runner.run(self._admin(f"CREATE DATABASE {self.name}", wait=True))
        if self._kind == "postgresql":
            # What the suites prove is not the disk's.
            self._runner.run(
                self._admin(f"ALTER DATABASE {self.name} SET synchronous_commit TO off")
            )

    def drop(self) -> None:
        if self._engine is not None:
            self._runner.run(self._engine.dispose())
        force = " WITH (FORCE)" if self._kind == "postgresql" else ""
        self._runner.run(self._admin(f"DROP DATABASE {self.name}{force}"))
        self._runner.close()

    def empty(self) -> None:
        """Delete all rows of the store, if there is one, so that it is as good as new."""
        self._runner.run(self._empty())

    def tables(self) -> list[str]:
        """All tables that are there, by name."""
        return self._runner.run(self._tables())

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement answers."""
        return self._runner.run(self._run(statement))

    async def _admin(self, statement: str, *, wait: bool = False) -> None:
        url = self._server.set(drivername=DRIVERS[self._kind])
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                async with engine.connect() as sql:
                    await sql.execute(sa.text(statement))
                return
            except (DBAPIError, OSError):
                if not wait or time.monotonic() > deadline:
                    raise
                start_server(self._kind)
                await asyncio.sleep(0.2)

    def _connection(self) -> AsyncEngine:
        if self._engine is None:
            url = sa.make_url(self.url).set(drivername=DRIVERS[self._kind])
            self._engine = create_async_engine(url, pool_size=1, pool_pre_ping=True)
        return self._engine

    async def _empty(self) -> None:
        async with self._connection().begin() as sql:
            if not self._is_made:
                self._is_made = "taskflow_facts" in await _names(sql)
            if self._is_made:
                for statement in _EMPTYING:
                    await sql.exec_driver_sql(statement)

    async def _tables(self) -> list[str]:
        async with self._connection().connect() as sql:
            return sorted(await _names(sql))

    async def _run(self, statement: str) -> list[tuple[object, ...]]:
        async with self._connection().begin() as sql:
            found = await sql.execute(sa.text(statement))
            return [tuple(one) for one in found] if found.returns_rows else []


async def _names(sql: AsyncConnection) -> set[str]:
    return set(await sql.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


@contextmanager
def database(kind: str) -> Iterator[TestDatabase]:
    """A database on the server of a kind, which is started if it is installed and down."""
    made = TestDatabase(kind)
    made.make()
    try:
        yield made
    finally:
        made.drop()


def start_server(kind: str) -> None:
    """Start an installed server on its standard port, unless the environment names another.

    Nothing is done for one that runs already; whoever asked finds out whether it answers.
    """
    if os.environ.get(SERVERS[kind][0]):
        return
    if kind == "postgresql" and (folder := Path("/etc/postgresql")).is_dir():
        for version in sorted(one.name for one in folder.iterdir()):
            command = ["pg_ctlcluster", "--skip-systemctl-redirect", version, "main", "start"]
            subprocess.run(command, check=False, capture_output=True)
    elif kind == "mysql" and (server := shutil.which("mariadbd", path="/usr/sbin:/usr/bin")):
        command = ["start-stop-daemon", "--start", "--oknodo", "--background", "--exec", server]
        subprocess.run(command, check=False, capture_output=True)
