"""Verbs in transactions of callers, on an engine of SQLAlchemy that shares the store's lock.

The verbs are those of the writer: a transaction that has begun to write is as alone as its.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from fastapi_taskflow.backends import callers, storable
from fastapi_taskflow.backends.base import (
    Admission,
    IsOver,
    Joined,
    NewBatch,
    NewTask,
    Outcome,
    Settled,
)
from fastapi_taskflow.backends.rules.settlement import holds
from fastapi_taskflow.backends.sqlite import batches, changing
from fastapi_taskflow.backends.sqlite.admission import Terms, insert
from fastapi_taskflow.backends.sqlite.faults import public
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.leases import Leases
from fastapi_taskflow.backends.sqlite.loading import load
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["SHARED", "SqliteTransactions"]

T = TypeVar("T")

SHARED = "taskflow_shared"
"""In the ``info`` of a connection that shares: the path of its database."""


class SqliteTransactions(callers.CallersTransactions):
    """Of sessions on the store's own file."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def _join(self, instance: str, step: Callable[[Joined], T], sql: sa.Connection) -> T:
        database = self._handle.database.resolved()
        self._check_shared(sql, database.path)
        borrowed = cast("sqlite3.Connection", _Borrowed(sql))
        clock = self._handle.clock
        # What is known of leases is the writer's.
        tx = Transaction(borrowed, database.texts, clock, Leases(), careful=True)
        try:
            if instance not in tx.alive:
                raise _elsewhere(sql, database.path)
            answer = step(_SqliteJoined(sql, tx))
            tx.settle()
        except sqlite3.Error as exc:
            raise public(exc, database.path) from exc
        return answer

    def _check_shared(self, sql: sa.Connection, path: str) -> None:
        if sql.dialect.name != "sqlite":
            raise _elsewhere(sql, path)
        shared = sql.info.get(SHARED)
        if shared is None:
            raise ConfigurationError(
                "session= is on a SQLite engine that does not keep out of the task store's way: "
                "call share(engine), of fastapi_taskflow.backends.sharing, where the engine is "
                "made."
            )
        if shared != path:
            raise _elsewhere(sql, path)


class _SqliteJoined(Joined):
    def __init__(self, sql: sa.Connection, tx: Transaction) -> None:
        self._sql = sql
        self._tx = tx

    def insert(
        self,
        tasks: Sequence[NewTask],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        storable.check_groups([tasks])
        terms = Terms(tuple((limits or {}).items()), key_ttl)
        (answer,) = insert(self._tx, terms, [tasks])
        return answer

    def add_batch(
        self,
        batch: NewBatch,
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        storable.check_batches([batch])
        terms = Terms(tuple((limits or {}).items()), key_ttl)
        (answer,) = batches.add(self._tx, terms, [batch])
        return answer

    def finish(self, outcome: Outcome) -> Settled | None:
        storable.check_outcomes([outcome])
        row = load(self._tx, [outcome.lease.task_id]).get(outcome.lease.task_id)
        if row is None or not holds(row, outcome.lease):
            return None
        (settled,) = changing.finish(self._tx, [outcome])
        return settled

    def before_commit(self, told: Callable[[IsOver], None]) -> None:
        callers.before_commit(self._sql, told)


class _Borrowed:
    """A caller's connection, as verbs see one of the driver; it is its own cursor."""

    text_factory: object = str

    def __init__(self, sql: sa.Connection) -> None:
        self._sql = sql

    def cursor(self) -> _Borrowed:
        return self

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> sa.CursorResult[Any]:
        how = {"preserve_rowcount": True}
        try:
            return self._sql.exec_driver_sql(text, tuple(parameters), execution_options=how)
        except DBAPIError as exc:
            if isinstance(exc.orig, sqlite3.Error):
                raise exc.orig from exc
            raise

    def close(self) -> None:
        """The caller's business."""


def _elsewhere(sql: sa.Connection, path: str) -> ConfigurationError:
    url = sql.engine.url.set(query={}).render_as_string(hide_password=True)
    return ConfigurationError(
        f"session= is on {url}, and the tasks are stored in {path}: one transaction cannot hold "
        "both. Use the tasks' database for the session, or leave session= out."
    )
