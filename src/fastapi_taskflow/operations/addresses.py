"""Which driver an address of a store means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.mysql import MySQLBackend
from fastapi_taskflow.backends.postgres import PostgresBackend
from fastapi_taskflow.backends.redis import RedisBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["backend_at", "without_password"]

# Of tables, and of keys: what an address has if nobody names another one.
_OF_TABLES, _OF_KEYS = "taskflow_", "fastapi_taskflow"


def without_password(url: str) -> str:
    """All of an address that may be shown."""
    return quoted(url.partition("://")[0] + "://...")


def backend_at(url: str, table_prefix: str) -> Backend:
    """The driver of an address, not opened.

    Raises:
        ConfigurationError: an address of no known kind. Repeats no password.
    """
    parts = _split(url)
    driver = _DRIVERS.get(parts.scheme)
    if driver is None:
        is_address = "://" in url
        found = f"the address {without_password(url)}" if is_address else "text that is no address"
        raise ConfigurationError(
            "snapshot_backend takes 'sqlite:///relative.db', 'sqlite:////absolute/path.db', "
            "'postgresql://user@host/database', 'mysql://user@host/database' or "
            f"'redis://host:6379/0', got {found}. The path of a file goes to snapshot_db=..."
        )
    return driver(parts, table_prefix)


def _split(url: str) -> SplitResult:
    """The parts of an address; all empty for what is none, such as ``x://[half``."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _sqlite(parts: SplitResult, table_prefix: str) -> Backend:
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise ConfigurationError(
            "The address 'sqlite://...' names no file. Three slashes stand before a relative path "
            "('sqlite:///tasks.db'), four before an absolute one."
        )
    return SqliteBackend(path, table_prefix=table_prefix)


def _postgres(parts: SplitResult, table_prefix: str) -> Backend:
    return PostgresBackend(parts.geturl(), table_prefix=table_prefix)


def _mysql(parts: SplitResult, table_prefix: str) -> Backend:
    return MySQLBackend(parts.geturl(), table_prefix=table_prefix)


def _redis(parts: SplitResult, table_prefix: str) -> Backend:
    prefix = _OF_KEYS if table_prefix == _OF_TABLES else table_prefix
    return RedisBackend(parts.geturl(), prefix)


# A further driver is a line here; one of an extra names it in the error of its import.
_DRIVERS: Mapping[str, Callable[[SplitResult, str], Backend]] = {
    "sqlite": _sqlite,
    **dict.fromkeys(("postgresql", "postgres", "postgresql+asyncpg"), _postgres),
    **dict.fromkeys(("mysql", "mariadb", "mysql+asyncmy", "mariadb+asyncmy"), _mysql),
    **dict.fromkeys(("redis", "rediss", "unix"), _redis),
}
