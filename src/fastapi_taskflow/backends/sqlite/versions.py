"""The version of the tables in a store: brought up to this release's, or refused."""

from __future__ import annotations

import re

from fastapi_taskflow.backends.sqlite.schema import MIGRATIONS, VERSION
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["check_version", "migrate", "missing", "too_new"]

_NAMED = re.compile(r"\s*CREATE (?:TABLE|(?:UNIQUE )?INDEX) (@\w+)")
_KNOWN = "SELECT name FROM sqlite_master WHERE type IN ('table', 'index')"
"""That this release writes."""


def check_version(session: Session) -> None:
    """This release may write to the store, which another process may have migrated.

    Raises:
        StoreUnavailable: it may not any more.
    """
    version = session.one("SELECT max(version) FROM @schema")[0] or 0
    if version > VERSION:
        raise too_new(version)


def too_new(version: int) -> StoreUnavailable:
    """Why nothing is written to a store that was migrated while it was open."""
    return StoreUnavailable(
        f"Another process has brought the task store to schema version {version}; this release of "
        f"fastapi-taskflow writes version {VERSION} and stores nothing any more. Restart this "
        "process with the newer release."
    )


def migrate(session: Session, path: str) -> None:
    """Bring the tables to this version.

    Raises:
        ConfigurationError: the tables are of a later version of the library.
    """
    session.run("CREATE TABLE IF NOT EXISTS @schema (version INTEGER NOT NULL)")
    version = session.one("SELECT max(version) FROM @schema")[0] or 0
    if version > len(MIGRATIONS):
        raise ConfigurationError(
            f"The task store {path!r} has schema version {version}, but this release of "
            f"fastapi-taskflow knows versions up to {len(MIGRATIONS)}. Upgrade the library."
        )
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements:
            session.run(statement)
        session.run("INSERT INTO @schema VALUES (?)", (number,))


def missing(session: Session, prefix: str) -> list[str]:
    """Tables and indexes of this version that somebody has removed."""
    known = {row[0] for row in session.all(_KNOWN)}
    found = (_NAMED.match(text) for statements in MIGRATIONS for text in statements)
    names = [match[1].replace("@", prefix) for match in found if match]
    return [name for name in names if name not in known]
