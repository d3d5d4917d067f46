"""Sessions and connections of callers, through SQLAlchemy: what is done in their transactions.

All of it runs on the plain `Connection` under a session: with an async one that is inside of its
`run_sync`, which waits without blocking the event loop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from fastapi_taskflow.backends.base.transactions import IsOver, Joined, Transactions
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "CallersTransactions",
    "before_commit",
    "is_async",
    "is_autocommit",
    "run",
    "run_async",
]

T = TypeVar("T")

_Told = Callable[[IsOver], None]

# By transaction who is told of its commit. The listeners go with their connections.
_told: WeakKeyDictionary[Any, dict[_Told, None]] = WeakKeyDictionary()
_heard: WeakSet[sa.Connection] = WeakSet()


class CallersTransactions(Transactions):
    """Joins by SQLAlchemy; a store says what it does on the plain connection."""

    def is_async(self, session: object) -> bool:
        return is_async(session)

    def run(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        return run(session, partial(self._join, instance, step))

    async def run_async(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        return await run_async(session, partial(self._join, instance, step))

    @abstractmethod
    def _join(self, instance: str, step: Callable[[Joined], T], sql: sa.Connection) -> T:
        """Do it in the transaction of this connection, if the instance's store is behind it."""


def is_async(session: object) -> bool:
    """It has to be awaited.

    Raises:
        ConfigurationError: it is neither a session nor a connection.
    """
    return isinstance(_behind(session), AsyncSession | AsyncConnection)


def run(session: object, step: Callable[[sa.Connection], T]) -> T:
    """Do something in the transaction of a session or connection; if it raises, nothing of it is.

    The transaction begins if it has not.
    """
    return _nested(_behind(session), step)


async def run_async(session: object, step: Callable[[sa.Connection], T]) -> T:
    """As `run`, of any session or connection."""
    found = _behind(session)
    if isinstance(found, AsyncSession | AsyncConnection):
        # Each of them hands in what it stands for.
        return await found.run_sync(lambda sync: _nested(sync, step))
    return _nested(found, step)


def is_autocommit(sql: sa.Connection) -> bool:
    """Each statement is committed by itself: said to its engine, to it, or to its driver."""
    if sql.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driven = sql.connection.dbapi_connection
    try:
        return driven is not None and bool(sql.dialect.detect_autocommit_setting(driven))
    except NotImplementedError:
        # Of a driver that SQLAlchemy does not bring.
        return False


def before_commit(sql: sa.Connection, told: _Told) -> None:
    """See `Joined.before_commit`.

    On the connection, and not its session: that would tell of savepoints, and of the commits of
    one that was joined to an outer transaction.
    """
    root = sql.get_transaction()
    if root is None:
        return
    _told.setdefault(root, {})[told] = None
    if sql not in _heard:
        _heard.add(sql)
        sa.event.listen(sql, "commit", _committing)


def _committing(sql: sa.Connection) -> None:
    root = sql.get_transaction()
    if root is not None:
        for told in _told.pop(root, ()):
            told(lambda: not root.is_active)


def _behind(session: object) -> Session | sa.Connection | AsyncSession | AsyncConnection:
    found = session
    if isinstance(found, scoped_session | async_scoped_session):
        found = found.registry()
    if isinstance(found, Session | sa.Connection | AsyncSession | AsyncConnection):
        return found
    raise ConfigurationError(
        "session= takes a Session, AsyncSession or connection of SQLAlchemy or SQLModel, got "
        f"{quoted(session)}."
    )


def _nested(sync: Any, step: Callable[[sa.Connection], T]) -> T:
    sql = sync if isinstance(sync, sa.Connection) else _connection(sync)
    if is_autocommit(sql):
        raise ConfigurationError(
            "session= is in autocommit: there is no transaction to be a part of. Leave session= "
            "out, or use another isolation level, for its connection or where its engine is made."
        )
    with _savepoint(sql):
        return step(sql)


@contextmanager
def _savepoint(sql: sa.Connection) -> Iterator[None]:
    """As the connection's own, but a transaction that has lost its begin is never committed."""
    savepoint = sql.begin_nested()
    try:
        yield
        savepoint.commit()
    except BaseException as exc:
        try:
            savepoint.rollback()
        except DBAPIError:
            # MySQL takes back all of a deadlock's victim, and what came next would be committed
            # without what came before. So SQLAlchemy takes nothing but a rollback now.
            sql.invalidate(exc)
        raise


def _connection(session: Session) -> sa.Connection:
    try:
        return session.connection()
    except UnboundExecutionError as exc:
        raise ConfigurationError(
            "session= has several databases or none: give its connection to the one where the "
            "tasks are, session.connection(bind_arguments={...})."
        ) from exc
