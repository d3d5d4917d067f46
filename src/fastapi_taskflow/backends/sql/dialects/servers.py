"""What servers have in common: an address or an engine of the user's, and pools of connections."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from fastapi_taskflow.backends.options import HIGHEST_PORT, check_options
from fastapi_taskflow.backends.sql.dialects.base import Database
from fastapi_taskflow.backends.tries import CLOSE_SECONDS
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["CONNECT_SECONDS", "DEADLINE_SECONDS", "IDLE_SECONDS", "LOCK_SECONDS", "Server"]

CONNECT_SECONDS = 10
"""The longest that it may take to connect."""

DEADLINE_SECONDS = 14
"""The longest that a statement may take, by the server's clock: a little less than a verb."""

LOCK_SECONDS = 4
"""The longest that a statement waits for a lock. Then its verb begins again."""

IDLE_SECONDS = 10
"""The longest that a transaction waits for its next statement: who is stopped or cut off in
one keeps nobody from its rows."""

# A little less than a verb has, whose own error would not tell of the pool.
_POOL_WAIT_SECONDS = 19
_NO_PORT = (
    f"The address has a port that is no number of 1 to {HIGHEST_PORT}, or more than one host "
    "('postgresql://host:port/database')."
)
# Below what servers, proxies and firewalls keep an idle connection for.
_RECYCLE_SECONDS = 1800


class Server(Database):
    """A server, at an address or behind an engine of the user's.

    A connection that was lost while it was idle is found by the verb that uses it, which then
    begins again on a new one: so nobody asks before each use whether it is still there.

    Args:
        url: Its address.
        engine: An engine to use instead; it stays the user's to dispose of.
        pool_size: The most connections that are open at a time, beside that of the heartbeat.
        connect_args: Handed to the driver for each connection.

    Raises:
        ConfigurationError: neither or both of the address and the engine are given, or an
            address of something else.
    """

    names: tuple[str, ...]
    """How addresses may begin."""
    driver: str
    options: frozenset[str]
    """Of addresses: those that `understood` leaves for the driver."""

    def __init__(
        self,
        url: str | None,
        *,
        engine: AsyncEngine | None = None,
        pool_size: int = 10,
        connect_args: Mapping[str, Any] | None = None,
    ) -> None:
        if (url is None) == (engine is None):
            raise ConfigurationError(
                f"A store on {self.names[0]} takes an address ('{self.names[0]}://user:password@"
                "host/database') or engine=, one of the two."
            )
        self._engine = engine
        self._pool_size = pool_size
        if engine is None:
            self._url, self._connect_args = self._parsed(url or "", dict(connect_args or {}))
        else:
            self._check_engine(engine)
            self._url, self._connect_args = engine.url, {}
        self.place = self._url.set(query={}).render_as_string(hide_password=True)

    def _parsed(self, url: str, connect_args: dict[str, Any]) -> tuple[sa.URL, dict[str, Any]]:
        try:
            found = sa.make_url(url)
        except ArgumentError:
            found = None
        except ValueError:
            raise ConfigurationError(_NO_PORT) from None
        # It may hold a password, and is not repeated.
        name = "" if found is None else found.drivername.partition("+")[0]
        if found is None or name not in self.names or not found.database:
            raise ConfigurationError(
                f"Expected an address such as '{self.names[0]}://user:password@host/database', "
                "got something else."
            )
        if found.port is not None and not 0 < found.port <= HIGHEST_PORT:
            raise ConfigurationError(_NO_PORT)
        left, connect_args = self.understood(found.set(drivername=self.driver), connect_args)
        check_options(left.query, self.options)
        return left, connect_args

    def _check_engine(self, engine: object) -> None:
        name = self.driver.partition("+")[2]
        if not isinstance(engine, AsyncEngine) or engine.dialect.driver != name:
            found = engine.dialect.driver if isinstance(engine, AsyncEngine) else quoted(engine)
            raise ConfigurationError(
                f"engine= takes an AsyncEngine on {name}, as create_async_engine('{self.driver}"
                f"://...') makes one, got {found}."
            )

    @abstractmethod
    def understood(
        self, url: sa.URL, connect_args: dict[str, Any]
    ) -> tuple[sa.URL, dict[str, Any]]:
        """An address without the options that the driver knows by other names."""

    def pool(self) -> dict[str, Any]:
        """How an engine of our own keeps its connections."""
        return {
            "pool_size": self._pool_size,
            "max_overflow": 0,
            "pool_timeout": _POOL_WAIT_SECONDS,
            "pool_recycle": _RECYCLE_SECONDS,
            # Those that were used last know the statements.
            "pool_use_lifo": True,
            "connect_args": self._connect_args,
        }

    def on_users(self, engine: AsyncEngine) -> tuple[AsyncEngine, AsyncEngine]:
        """Writer and reader on the pool of an engine, which otherwise is left as it is."""
        writer = engine.execution_options(isolation_level="READ COMMITTED")
        return writer, engine.execution_options(isolation_level="AUTOCOMMIT")

    async def disconnect(self, engines: Sequence[AsyncEngine]) -> None:
        if self._engine is None:
            for engine in engines:
                await _disposed(engine)

    def pulse(self, writer: AsyncEngine) -> AsyncEngine:
        # The same connections in a pool of its own, for the loop of the heartbeat.
        engine = writer.sync_engine
        alike = sa.Engine(engine.pool.recreate(), engine.dialect, engine.url)
        return self.on_users(AsyncEngine(alike))[0]


async def _disposed(engine: AsyncEngine) -> None:
    """Close what an engine has connected, politely while the server answers."""
    patience = CLOSE_SECONDS
    while True:
        try:
            async with asyncio.timeout(patience):
                return await engine.dispose()
        except TimeoutError:
            # One was given up, and is closed. The next ones would be as silent.
            patience = 0.0
