"""The connections, and the transactions on them. What a driver raises ends here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from fastapi_taskflow.backends.base.migration import Planned
from fastapi_taskflow.backends.keeping import Keeper
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.serverclock import StoreClock
from fastapi_taskflow.backends.sql import schema
from fastapi_taskflow.backends.sql.dialects.base import Database, Fate
from fastapi_taskflow.backends.sql.dialects.notices import Notices
from fastapi_taskflow.backends.sql.statements import OF, locked
from fastapi_taskflow.backends.sql.tables import PREFIX, facts
from fastapi_taskflow.backends.tries import CLOSE_SECONDS, Collided, Tried, deadline
from fastapi_taskflow.words import errors
from fastapi_taskflow.words.clock import Clock

__all__ = ["OnStore", "Store", "Writing"]

_EARLIER = facts.c.name == OF, facts.c.value < sa.bindparam("to")
_FREE = locked(sa.select(facts.c.name).where(*_EARLIER), skip=True)
_NOTE = sa.update(facts).where(*_EARLIER).values(value=sa.bindparam("to"))
_KINDS = {
    Fate.COLLIDED: Collided,
    Fate.DEMOTED: Collided,
    Fate.FULL: errors.StoreFull,
    Fate.SILENT: errors.StoreUnavailable,
}


class Writing(NamedTuple):
    """A transaction that writes, and the store's time in it.

    Attributes:
        locked_keys: Idempotency keys whose rows it has locked, and so may replace.
        hints: Not empty: it leaves something that other instances should look at.
        turns: Order keys that nobody else adds to or passes on before it ends.
    """

    sql: AsyncConnection
    database: Database
    now: datetime
    lead: timedelta
    locked_keys: set[str]
    turns: set[str]
    hints: set[str]


class Store:
    """One database, as one backend uses it.

    Args:
        database: How it is reached.
        clock: For tests, what its own clock goes by. None: the database's.
        prefix: Of its tables.
        looks: Nothing is written.
    """

    def __init__(
        self, database: Database, clock: Clock | None, *, prefix: str, looks: bool = False
    ) -> None:
        self.database = database
        self.place = database.place
        self.prefix = prefix
        self.looks = looks
        self.clock = StoreClock(clock)
        # Tasks with order keys have been ended here: whose turn it is may be asked before.
        self.keyed = False
        self.keeper: Keeper[Row] = Keeper(most=5_000)  # some 10 MB
        # Invariant: both are None until it is opened, and after it was closed.
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._notices: Notices | None = None

    async def open(self, heard: Callable[[], None] | None = None) -> None:
        """Connect, and make the tables that are missing.

        Args:
            heard: Called on this event loop when another instance left something to do.
        """
        self._writer, self._reader = map(self._named, self.database.connect())
        try:
            await self._prepare()
        except BaseException:
            await self._disconnect()
            raise
        if heard is not None and not self.looks:
            self._notices = self.database.notices(self._writer, self.prefix, heard)
            if self._notices is not None:
                self._notices.start()

    async def _prepare(self) -> None:
        async with deadline(self.place), self.reading() as sql:
            known = await schema.known(sql, self.prefix)
        if not schema.is_current(known, self.place):
            if self.looks:
                raise errors.StoreUnavailable(
                    f"{self.place} has no tables {self.prefix}... of this release."
                )
            # However long it takes.
            async with self._on(self._writer) as sql, self.database.alone(sql):
                known = await schema.migrate(sql, self.prefix, self.place)
        self.clock.reach((known or {}).get("clock", 0))

    async def planned(self) -> Planned:
        """What opening it would do to the tables."""
        async with self.looking() as sql:
            return await schema.plan(sql, self.prefix, self.place)

    @asynccontextmanager
    async def looking(self, *, as_writer: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection for somebody who has not opened the store."""
        engines = self.database.connect()
        try:
            async with self._on(self._named(engines[not as_writer]), begin=False) as sql:
                yield sql
        finally:
            await self.database.disconnect(engines)

    async def close(self) -> None:
        """Disconnect, when those who wait to write have done so."""
        if self._writer is not None and not self.looks:
            with suppress(errors.StoreUnavailable):
                async with deadline(self.place, CLOSE_SECONDS), self.writing() as tx:
                    await self.note_time(tx)
        await self._disconnect()

    async def _disconnect(self) -> None:
        notices, self._notices = self._notices, None
        if notices is not None:
            await notices.stop()
        engines = [engine for engine in (self._writer, self._reader) if engine is not None]
        self._writer = self._reader = None
        await self.database.disconnect(engines)

    def _named(self, engine: AsyncEngine) -> AsyncEngine:
        """The engine, for tables of another prefix than that of the statements if need be."""
        if (renaming := self.renaming()) is not None:
            # Only those who use what this gives are told, should the engine be the user's.
            engine = engine.execution_options()
            sa.event.listen(engine.sync_engine, "before_cursor_execute", renaming, retval=True)
        return engine

    def renaming(self) -> Callable[..., tuple[str, Any]] | None:
        """Gives statements the store's prefix, before they are executed; None: it is theirs."""
        if self.prefix == PREFIX:
            return None
        prefix = self.prefix

        def renamed(
            _: object, __: object, statement: str, given: Any, context: Any, ___: object
        ) -> tuple[str, Any]:
            # In a statement that was made of ours, nothing else is called so: values are
            # never in it.
            made = context is not None and context.compiled is not None
            return statement.replace(PREFIX, prefix) if made else statement, given

        return renamed

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only looks; each statement sees a state of its own."""
        async with self._on(self._reader, begin=False) as sql:
            await self._set_clock(sql)
            yield sql

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Writing]:
        """A transaction that is committed at the end, or else nothing of it happened."""
        async with self._on(self._opened(self._writer, writes=True)) as sql:
            tx = await self.begun(sql)
            yield tx
        if tx.hints:
            self.tell()

    async def now(self) -> tuple[datetime, timedelta]:
        """The store's time, and its lead."""
        if self.clock.is_stale:
            async with self.reading():
                pass
        now = self.clock.now()
        return now, self.clock.lead(now)

    async def at_once(self, statement: sa.Executable, given: Any) -> Sequence[Any]:
        """What a statement answers that writes, and is a transaction by itself."""
        engine = self._opened(self._reader, writes=True).sync_engine
        with self.translating():
            # All of it in one greenlet: each costs as much as sending the statement.
            return await greenlet_spawn(self._sent, engine, statement, given)

    def _sent(self, engine: sa.Engine, statement: sa.Executable, given: Any) -> Sequence[Any]:
        with engine.connect() as sql:
            try:
                return sql.execute(statement, given).all()
            except DBAPIError as exc:
                if self.database.fate(exc) is Fate.DEMOTED:
                    sql.invalidate()
                raise

    def tell(self) -> None:
        """There is something that other instances should look at."""
        if self._notices is not None:
            self._notices.tell()

    def _opened(self, engine: AsyncEngine | None, *, writes: bool = False) -> AsyncEngine:
        if writes and self.looks:
            raise errors.StoreUnavailable(f"{self.place} was opened to look at, not to write.")
        if engine is None:
            raise errors.StoreUnavailable(f"{self.place} is not open.")
        return engine

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Writing]:
        """As `writing`, on a connection of its own and on any event loop."""
        engine = self._named(self.database.pulse(self._opened(self._writer)))
        try:
            async with self._on(engine) as sql:
                yield await self.begun(sql)
        finally:
            await engine.dispose()

    async def begun(self, sql: AsyncConnection) -> Writing:
        """The transaction on a connection, as verbs write in it."""
        await self._set_clock(sql)
        now = self.clock.now()
        return Writing(sql, self.database, now, self.clock.lead(now), set(), set(), set())

    async def _set_clock(self, sql: AsyncConnection) -> None:
        while self.clock.is_stale:
            since = time.monotonic()
            micros: Any = await sql.scalar(sa.select(self.database.now))
            self.clock.learn(int(micros), took=time.monotonic() - since)

    async def note_time(self, tx: Writing) -> None:
        """Keep the time: who opens the store later shows no earlier one.

        Unless somebody else does so now, who may stand still: heartbeats do not wait for that.
        """
        note = {"of": "clock", "to": self.clock.micros()}
        if (await tx.sql.execute(_FREE, note)).first() is not None:
            await tx.sql.execute(_NOTE, note)

    @asynccontextmanager
    async def _on(
        self, engine: AsyncEngine | None, *, begin: bool = True
    ) -> AsyncIterator[AsyncConnection]:
        engine = self._opened(engine)
        with self.translating():
            async with engine.begin() if begin else engine.connect() as sql:
                try:
                    yield sql
                except DBAPIError as exc:
                    if self.database.fate(exc) is Fate.DEMOTED:
                        await sql.invalidate()
                    raise

    @contextmanager
    def translating(self) -> Iterator[None]:
        """What a driver raises is an error of ours."""
        try:
            yield
        except DBAPIError as exc:
            raise self._translated(exc) from exc
        except NoConnection as exc:
            raise errors.StoreUnavailable(
                f"{self.place}: no connection of this process was free in time. A larger "
                "pool_size= allows more at a time."
            ) from exc
        except OSError as exc:
            raise errors.StoreUnavailable(f"{self.place} cannot be reached: {exc}.") from exc

    def _translated(self, exc: DBAPIError) -> errors.TaskflowError:
        fate = self.database.fate(exc)
        if fate is Fate.REFUSED:
            return errors.TaskArgumentError(f"{self.place} cannot store a value: {exc.orig}.")
        told = f"{self.place} did not answer: {exc.orig}."
        return _KINDS[fate](f"{told} Make room on its disk." if fate is Fate.FULL else told)


class OnStore(Tried):
    """Verbs that use a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def place(self) -> str:
        return self._store.place
