"""A SQLite file that holds an app's own tables and its tasks: the app's engine takes turns."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, TypeVar
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from fastapi_taskflow.backends.sqlite.connections import WRITE_SECONDS
from fastapi_taskflow.backends.sqlite.joined import SHARED
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.locks import WriteLock
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["share"]

E = TypeVar("E", sa.Engine, AsyncEngine)

_LOCK = "taskflow_lock"
_sharing: WeakSet[sa.Engine] = WeakSet()


def share(engine: E) -> E:
    """Let an engine on the task store's SQLite file write in turns with the store.

    Each of its transactions then begins as one that writes, and waits for the others of all
    processes; what two of them would have collided over they do one after the other. So keep them
    short: no task starts or ends while one is open. In autocommit nothing is held.

    Args:
        engine: On ``sqlite:///path`` or ``sqlite+aiosqlite:///path``; before its first use.

    Returns:
        The same engine. To share it again changes nothing.

    Raises:
        ConfigurationError: it is on something else than a SQLite file.
    """
    sync = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if not isinstance(sync, sa.Engine):
        raise ConfigurationError(f"share() takes an engine of SQLAlchemy, got {quoted(engine)}.")
    path = sync.url.database
    if sync.dialect.name != "sqlite" or not path or path.startswith((":memory:", "file:")):
        raise ConfigurationError(
            "share() takes an engine on a SQLite file, as create_engine('sqlite:///shop.db') makes "
            f"one, got one on {sync.url.set(query={}).render_as_string(hide_password=True)}."
        )
    if sync not in _sharing:
        _sharing.add(sync)
        _Turns(os.path.realpath(path)).listen(sync)
    return engine


class _Turns:
    """The store's write lock, held from the begin of a transaction to its end.

    SQLAlchemy tells of an end before it comes, so it is made here.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def listen(self, engine: sa.Engine) -> None:
        listeners: dict[str, Callable[..., None]] = {
            "begin": self._begin,
            "commit": self._commit,
            "rollback": self._rollback,
            # Of connections that are let go in the middle.
            "checkin": self._dropped,
            "close": self._dropped,
            "invalidate": self._dropped,
        }
        for name, listener in listeners.items():
            sa.event.listen(engine, name, listener)

    def _begin(self, sql: sa.Connection) -> None:
        if sql.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        if _in_transaction(sql):
            raise ConfigurationError(
                "A transaction of a shared engine was begun by something else: leave its driver's "
                "isolation_level and autocommit as they are, and remove own listeners that begin."
            )
        lock = WriteLock(store_directory(self._path))
        with closing(lock.waits(WRITE_SECONDS)) as waits:
            _wait(waits, sql)
        sql.info[_LOCK], sql.info[SHARED] = lock, self._path
        try:
            sql.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            _release(sql.info)
            raise

    def _commit(self, sql: sa.Connection) -> None:
        if _LOCK in sql.info:
            # If that fails a rollback follows.
            sql.exec_driver_sql("COMMIT")
            _release(sql.info)

    def _rollback(self, sql: sa.Connection) -> None:
        if sql.closed or sql.invalidated or _LOCK not in sql.info:
            return
        try:
            if _in_transaction(sql):
                sql.exec_driver_sql("ROLLBACK")
        finally:
            _release(sql.info)

    def _dropped(self, connection: Any, record: Any, *_: object) -> None:
        if record is not None:
            _release(record.info)


def _release(info: dict[Any, Any]) -> None:
    info.pop(SHARED, None)
    lock: WriteLock | None = info.pop(_LOCK, None)
    if lock is not None:
        with suppress(OSError):
            lock.close()


def _wait(waits: Iterator[float], sql: sa.Connection) -> None:
    for pause in waits:
        if sql.dialect.is_async:
            # It runs in a greenlet of its own, and the event loop goes on.
            await_only(asyncio.sleep(pause))
        else:
            time.sleep(pause)


def _in_transaction(sql: sa.Connection) -> bool:
    return bool(getattr(sql.connection.driver_connection, "in_transaction", False))
