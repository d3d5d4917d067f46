"""The connections, and the transactions on them. What a driver raises ends here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fastapi_taskflow.backends.sql import dialect
from fastapi_taskflow.backends.sql.tables import VERSION, facts, metadata
from fastapi_taskflow.words import errors
from fastapi_taskflow.words.clock import Clock, SteadyClock

__all__ = ["OnStore", "Store", "Writing"]

_FACTS = sa.select(facts.c.name, facts.c.value)
_NOTE = sa.update(facts).where(facts.c.name == sa.bindparam("of")).values(value=sa.bindparam("to"))


class Writing(NamedTuple):
    """A transaction that writes, and the store's time in it."""

    sql: AsyncConnection
    now: datetime
    lead: timedelta


class Store:
    """One database, as one backend uses it.

    Args:
        path: Of the file.
        clock: What its own clock goes by.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = SteadyClock(clock)
        # Invariant: both are None until it is opened, and after it was closed.
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect, and make the tables that are missing."""
        self._writer, self._reader = dialect.writer(self.path), dialect.reader(self.path)
        try:
            await self._prepare()
        except BaseException:
            await self._disconnect()
            raise

    async def _prepare(self) -> None:
        async with self.writing() as tx:
            await tx.sql.run_sync(metadata.create_all)
            known = dict([tuple(one) for one in await tx.sql.execute(_FACTS)])
            if not known:
                rows = [{"name": "version", "value": VERSION}, {"name": "clock", "value": 0}]
                await tx.sql.execute(sa.insert(facts), rows)
            elif known["version"] != VERSION:
                raise errors.ConfigurationError(
                    f"{self.path} has tables of version {known['version']}, expected {VERSION}."
                )
            self.clock.reach(known.get("clock", 0))

    async def close(self) -> None:
        """Disconnect, when those who wait to write have done so."""
        if self._writer is not None:
            with suppress(errors.StoreUnavailable):
                async with self.writing() as tx:
                    await self.note_time(tx)
        await self._disconnect()

    async def _disconnect(self) -> None:
        engines = self._writer, self._reader
        self._writer = self._reader = None
        for engine in engines:
            if engine is not None:
                await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only looks. Each statement sees a state of its own, as in servers."""
        async with _on(self._reader, self.path, begin=False) as sql:
            yield sql

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Writing]:
        """A transaction that is committed at the end, or else nothing of it happened."""
        async with _on(self._writer, self.path) as sql:
            yield self._begun(sql)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Writing]:
        """As `writing`, on a connection of its own and on any event loop."""
        async with _on(dialect.pulse(self.path), self.path) as sql:
            yield self._begun(sql)

    def _begun(self, sql: AsyncConnection) -> Writing:
        return Writing(sql, self.clock.now(), self.clock.lead)

    async def note_time(self, tx: Writing) -> None:
        """Keep the time: who opens the store later shows no earlier one."""
        await tx.sql.execute(_NOTE, {"of": "clock", "to": self.clock.micros()})


class OnStore:
    """Verbs that use a store."""

    def __init__(self, store: Store) -> None:
        self._store = store


@asynccontextmanager
async def _on(
    engine: AsyncEngine | None, path: Path, *, begin: bool = True
) -> AsyncIterator[AsyncConnection]:
    if engine is None:
        raise errors.StoreUnavailable(f"{path} is not open.")
    try:
        async with engine.begin() if begin else engine.connect() as sql:
            yield sql
    except (DataError, IntegrityError) as exc:
        raise errors.TaskArgumentError(f"{path} cannot store a value: {exc.orig}.") from exc
    except DBAPIError as exc:
        error = errors.StoreFull if dialect.is_full(exc) else errors.StoreUnavailable
        raise error(f"{path} did not answer: {exc.orig}.") from exc
    except NoConnection as exc:
        raise errors.StoreUnavailable(f"{path} is busy: {exc}.") from exc
