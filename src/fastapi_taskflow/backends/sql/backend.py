"""A SQL database as a backend."""

from __future__ import annotations

from collections.abc import Callable

from fastapi_taskflow.backends.base import Backend, Batches, Finding, Grade
from fastapi_taskflow.backends.base.migration import Migration
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.base.schedules import Schedules
from fastapi_taskflow.backends.base.transactions import Transactions
from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.backends.sql.batches import SqlBatches
from fastapi_taskflow.backends.sql.changing import SqlTasks
from fastapi_taskflow.backends.sql.checkup import findings
from fastapi_taskflow.backends.sql.dialects.base import Database
from fastapi_taskflow.backends.sql.fleet import SqlFleet
from fastapi_taskflow.backends.sql.joined import SqlTransactions
from fastapi_taskflow.backends.sql.logins import SqlLogins
from fastapi_taskflow.backends.sql.migrating import SqlMigration
from fastapi_taskflow.backends.sql.reading import SqlReads
from fastapi_taskflow.backends.sql.rotation import SqlRotation
from fastapi_taskflow.backends.sql.schedules import SqlSchedules
from fastapi_taskflow.backends.sql.store import Store
from fastapi_taskflow.backends.sql.tables import PREFIX, checked_prefix
from fastapi_taskflow.backends.sql.upkeep import SqlUpkeep
from fastapi_taskflow.words.clock import Clock

__all__ = ["SqlBackend"]


class SqlBackend(SqlTasks, SqlReads, SqlFleet, SqlUpkeep, Backend):
    """Tasks in a SQL database, through SQLAlchemy.

    Args:
        database: How it is reached.
        table_prefix: Starts the names of all tables and indexes.
        clock: What the store's own clock goes by; for tests. None: the database's clock.

    Raises:
        ConfigurationError: no table can be called so.
    """

    def __init__(
        self, database: Database, *, table_prefix: str = PREFIX, clock: Clock | None = None
    ) -> None:
        super().__init__(Store(database, clock, prefix=checked_prefix(table_prefix)))
        self._clock = clock

    @property
    def grade(self) -> Grade:
        return Grade.A

    @property
    def place(self) -> str:
        return self._store.place

    @property
    def sign_in(self) -> Logins:
        return SqlLogins(self._store)

    @property
    def schedules(self) -> Schedules:
        return SqlSchedules(self._store)

    @property
    def batches(self) -> Batches:
        return SqlBatches(self._store)

    @property
    def rotation(self) -> Rotation:
        return SqlRotation(self._store)

    @property
    def migration(self) -> Migration:
        return SqlMigration(self._store)

    @property
    def transactions(self) -> Transactions | None:
        return SqlTransactions(self._store)

    async def vitals(self) -> list[Finding]:
        return await findings(self._store, thorough=False)

    async def _examined(self) -> list[Finding]:
        return await findings(self._store, thorough=True)

    def onlooker(self) -> Backend:
        store = self._store
        return _Onlooker(Store(store.database, self._clock, prefix=store.prefix, looks=True))

    async def open(self, on_change: Callable[[], None]) -> None:
        await self._store.open(on_change)

    async def close(self) -> None:
        await self._store.close()


class _Onlooker(SqlBackend):
    """The same tables, to look at."""

    def __init__(self, store: Store) -> None:
        super(SqlTasks, self).__init__(store)
        self._clock = None

    def onlooker(self) -> Backend:
        return self
