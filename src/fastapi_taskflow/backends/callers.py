"""Sessions and connections of callers, through SQLAlchemy: what is done in their transactions.

All of it runs on the plain `Connection` under a session: with an async one that is inside of its
`run_sync`, which waits without blocking the event loop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from fastapi_taskflow.backends.base.transactions import IsOver, Joined, Transactions
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["CallersTransactions", "before_commit", "is_async", "run", "run_async"]

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
    if sql.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        raise ConfigurationError(
            "session= is in autocommit: there is no transaction to be a part of. Leave session= "
            "out, or use another isolation level."
        )
    with sql.begin_nested():
        return step(sql)


def _connection(session: Session) -> sa.Connection:
    try:
        return session.connection()
    except UnboundExecutionError as exc:
        raise ConfigurationError(
            "session= has several databases or none: give its connection to the one where the "
            "tasks are, session.connection(bind_arguments={...})."
        ) from exc
