"""Verbs in transactions of callers, who began them on connections of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends import base, callers, storable
from fastapi_taskflow.backends.base.transactions import IsOver, Joined
from fastapi_taskflow.backends.rules import accepting
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.batching import begin
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.batchrows import follow_batches
from fastapi_taskflow.backends.sql.changing import end
from fastapi_taskflow.backends.sql.dialects.base import Fate
from fastapi_taskflow.backends.sql.openfacts import is_there, open_facts
from fastapi_taskflow.backends.sql.store import Store, Writing
from fastapi_taskflow.backends.tries import Collided
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["SqlTransactions"]

T = TypeVar("T")

# No such table, in the drivers' words.
_MISSING = re.compile(r"42P01|1146|does ?n.?t exist|does not exist")


class SqlTransactions(callers.CallersTransactions):
    """Of sessions on the server that the store is on, by whatever driver."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _join(self, instance: str, step: Callable[[Joined], T], sql: sa.Connection) -> T:
        store = self._store
        if sql.dialect.name not in store.database.dialects:
            raise _elsewhere(sql, store.place)
        try:
            with store.translating(), _named(sql, store):
                self._check_there(sql, instance)
                return step(_SqlJoined(store, sql))
        except Collided as exc:
            cause = exc.__cause__
            if isinstance(cause, DBAPIError) and store.database.fate(cause) is Fate.DEMOTED:
                raise ConfigurationError(
                    f"session= is in a transaction that may only read, so no task can be stored in "
                    f"it: begin one that writes, on {store.place}. {cause.orig}"
                ) from cause
            raise StoreUnavailable(
                f"Another transaction on {store.place} was in the way of this one, which has to be "
                f"begun again: {getattr(cause, 'orig', exc)}"
            ) from (cause or exc)

    def _check_there(self, sql: sa.Connection, instance: str) -> None:
        place = self._store.place
        try:
            there = _driven(is_there(_awaitable(sql), instance))
        except DBAPIError as exc:
            if _MISSING.search(f"{getattr(exc.orig, 'sqlstate', '')} {exc.orig}"):
                raise _elsewhere(sql, place) from exc
            raise
        if not there:
            raise _elsewhere(sql, place)


class _SqlJoined(Joined):
    def __init__(self, store: Store, sql: sa.Connection) -> None:
        self._store = store
        self._sql = sql

    def insert(
        self,
        tasks: Sequence[base.NewTask],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> base.Admission:
        storable.check_groups([tasks])
        return _driven(self._insert(tasks, limits or {}, key_ttl))

    def add_batch(
        self,
        batch: base.NewBatch,
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> base.Admission:
        storable.check_batches([batch])
        return _driven(self._insert(batch.tasks, limits or {}, key_ttl, batch))

    def finish(self, outcome: base.Outcome) -> base.Settled | None:
        storable.check_outcomes([outcome])
        return _driven(self._finish(outcome))

    def before_commit(self, told: Callable[[IsOver], None]) -> None:
        callers.before_commit(self._sql, told)

    async def _insert(
        self,
        group: Sequence[base.NewTask],
        limits: Mapping[str, int],
        key_ttl: float,
        batch: base.NewBatch | None = None,
    ) -> base.Admission:
        """Only what inserts: no row of the store is locked in somebody else's transaction, but
        that of a key which is taken.
        """
        tx = await self._begun()
        facts, rows = await open_facts(tx, group, limits, key_ttl)
        desk, plan = Desk(facts, limits, tx.now), Plan(tx.now)
        answer = desk.judge(group)
        if isinstance(answer, base.Stored):
            accepting.write(plan, desk.draft, rows, lead=tx.lead, key_ttl=key_ttl, unstored=())
            # They are taken already.
            plan.taken.clear()
            begun = None if batch is None else begin(batch, answer)
            await follow_batches(tx, plan, {} if begun is None else {begun.batch_id: begun})
            await apply(tx, plan)
            for telling in tx.database.telling(self._store.prefix) if tx.hints else ():
                await tx.sql.execute(telling)
        return answer

    async def _finish(self, outcome: base.Outcome) -> base.Settled | None:
        tx = await self._begun()
        try:
            (settled,), plan = await end(tx, self._store, [outcome])
        except Collided:
            # It has an order key, of which the store has learned by that.
            (settled,), plan = await end(tx, self._store, [outcome])
        return settled if plan.changed else None

    async def _begun(self) -> Writing:
        return await self._store.begun(_awaitable(self._sql))


class _Awaitable:
    """A connection that blocks, as what awaits one sees it: nothing has to be waited for."""

    def __init__(self, sql: sa.Connection) -> None:
        self._sql = sql

    async def execute(self, *args: Any) -> Any:
        return self._sql.execute(*args)

    async def scalar(self, *args: Any) -> Any:
        return self._sql.scalar(*args)


def _awaitable(sql: sa.Connection) -> AsyncConnection:
    # Of which the verbs use no more than this.
    return cast("AsyncConnection", _Awaitable(sql))


def _driven(steps: Coroutine[Any, Any, T]) -> T:
    """What steps give that never wait."""
    try:
        steps.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    steps.close()
    raise RuntimeError("A step in a caller's transaction waited for something.")


@contextmanager
def _named(sql: sa.Connection, store: Store) -> Iterator[None]:
    """Statements are for the store's tables, whatever their prefix."""
    renamed = store.renaming()
    if renamed is None:
        yield
        return
    sa.event.listen(sql, "before_cursor_execute", renamed, retval=True)
    try:
        yield
    finally:
        sa.event.remove(sql, "before_cursor_execute", renamed)


def _elsewhere(sql: sa.Connection, place: str) -> ConfigurationError:
    url = sql.engine.url.set(query={}).render_as_string(hide_password=True)
    return ConfigurationError(
        f"session= is on {url}, and the tasks are stored in {place}: one transaction cannot hold "
        "both. Use the tasks' database for the session, or leave session= out."
    )
