"""Which driver an address of a store means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["backend_at", "not_yet", "without_password"]

# Stores that are not there yet.
_PLANNED = frozenset({"postgresql", "postgres", "mysql", "mariadb", "redis", "rediss"})


def without_password(url: str) -> str:
    """All of an address that may be shown."""
    return quoted(url.partition("://")[0] + "://...")


def not_yet(url: str) -> str:
    """What to say of an address of a store that is planned; empty for others."""
    planned = _split(url).scheme.partition("+")[0] in _PLANNED
    return " Only SQLite is there yet." if planned else ""


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
            f"snapshot_backend takes 'sqlite:///relative.db' or 'sqlite:////absolute/path.db', got "
            f"{found}. The path of a file goes to snapshot_db=...{not_yet(url)}"
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


# A further driver is a line here; one of an extra names it in the error of its import.
_DRIVERS: Mapping[str, Callable[[SplitResult, str], Backend]] = {"sqlite": _sqlite}
