"""What the older package of this name left in a SQLite file: counted and read, never written.

It kept ended tasks, idempotency keys, tasks that waited at its shutdown, and one-off
schedules in tables of its own, which the tables here do not touch. Arguments are JSON,
where a value without a form in JSON was replaced by its ``repr``; encrypted ones are
pickles, which nothing here opens.
"""

from __future__ import annotations

import json
import logging
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from fastapi_taskflow.backends.sqlite.faults import translated
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["OlderCounts", "OlderFile", "command_for", "left_over", "notice"]

logger = logging.getLogger(__name__)

_ENDED_TABLE = "task_snapshots"
_TABLES = (
    _ENDED_TABLE,
    "task_pending_requeue",
    "task_idempotency_keys",
    "task_scheduled_once",
)
# Not NOT IN: its primary keys may be NULL, and one of those would leave out every row.
_WAITING = (
    "SELECT * FROM task_pending_requeue AS w WHERE NOT EXISTS (SELECT 1 FROM task_snapshots AS s"
    " WHERE s.task_id = w.task_id AND s.status = 'success') ORDER BY created_at"
)
_ENDED = "SELECT *, NULL AS idem_key FROM task_snapshots ORDER BY created_at"
_ENDED_WITH_KEYS = (
    "SELECT s.*, k.idem_key FROM task_snapshots AS s"
    " LEFT JOIN task_idempotency_keys AS k ON k.task_id = s.task_id ORDER BY s.created_at"
)
_KEYS = (
    "SELECT * FROM task_idempotency_keys AS k"
    " WHERE NOT EXISTS (SELECT 1 FROM task_snapshots AS s WHERE s.task_id = k.task_id)"
)
_KNOWN = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_LAST_IMPORT = "SELECT detail FROM @audit WHERE action = 'import' ORDER BY seq DESC LIMIT 1"


class OlderCounts(NamedTuple):
    """How much of each kind there is."""

    ended: int = 0
    waiting: int = 0
    held_keys: int = 0
    schedules: int = 0

    @classmethod
    def read(cls, rows: Callable[[str], list[Any]]) -> OlderCounts | None:
        """From a database whose queries ``rows`` answers; None where it has no such tables."""
        known = {row[0] for row in rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if _ENDED_TABLE not in known:
            return None
        # Its first versions had fewer.
        return cls(
            *(
                rows(f"SELECT count(*) FROM {table}")[0][0] if table in known else 0  # noqa: S608
                for table in _TABLES
            )
        )

    def __str__(self) -> str:
        return (
            f"ended tasks: {self.ended}, waiting tasks: {self.waiting}, idempotency keys: "
            f"{self.held_keys}, one-off schedules: {self.schedules}"
        )


def left_over(session: Session, prefix: str) -> OlderCounts | None:
    """What of an older store is in the same file and was not imported since it was written."""
    found = OlderCounts.read(session.all)
    if found is None or not any(found):
        return None
    if session.one(_KNOWN, (f"{prefix}audit",)) is not None:
        last = session.one(_LAST_IMPORT)
        if last is not None and json.loads(last[0]).get("found") == list(found):
            return None
    return found


def command_for(path: str) -> str:
    """What takes it over."""
    return f"fastapi-taskflow import --store {shlex.quote(f'sqlite:///{quote(path)}')}"


def notice(session: Session, prefix: str, path: str) -> None:
    """Say aloud what is left over, and how it is taken over."""
    try:
        found = left_over(session, prefix)
    except (sqlite3.Error, ValueError, AttributeError) as exc:
        # Tables that are not ours must not keep ours from being used, whatever is in them.
        logger.warning("What the older fastapi-taskflow left in %s cannot be read: %s", path, exc)
        return
    if found is not None:
        logger.warning(
            "The file %s holds a store of the older fastapi-taskflow (%s). None of it is used or "
            "touched. To take it over, stop the app and run: %s",
            path,
            found,
            command_for(path),
        )


class OlderFile:
    """The older package's tables in a file, for ``with``; read-only."""

    def __init__(self, path: str) -> None:
        self.path = str(Path(path).resolve())
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        if not Path(self.path).is_file():
            raise StoreUnavailable(f"There is no file {self.path!r}.")
        url = f"{Path(self.path).as_uri()}?mode=ro"
        self._connection = sqlite3.connect(url, uri=True, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def counts(self) -> OlderCounts:
        """How much there is.

        Raises:
            StoreUnavailable: the file holds no such store, or cannot be read.
        """
        found = OlderCounts.read(lambda query: list(self._rows(query)))
        if found is None:
            raise StoreUnavailable(f"{self.path!r} holds no store of the older fastapi-taskflow.")
        return found

    def ended(self) -> Iterator[dict[str, Any]]:
        """Ended tasks, the oldest first, with ``idem_key`` where they hold one."""
        return self._dicts(_ENDED_WITH_KEYS if self.counts().held_keys else _ENDED)

    def waiting(self) -> Iterator[dict[str, Any]]:
        """Tasks that waited when it was shut down and did not succeed since, the oldest first."""
        return self._dicts(_WAITING) if self.counts().waiting else iter(())

    def lone_keys(self) -> Iterator[dict[str, Any]]:
        """Keys whose task it has no record of."""
        return self._dicts(_KEYS) if self.counts().held_keys else iter(())

    def _dicts(self, query: str) -> Iterator[dict[str, Any]]:
        return (dict(row) for row in self._rows(query))

    def _rows(self, query: str) -> Iterator[Any]:
        assert self._connection is not None  # noqa: S101  (used within `with`)
        try:
            yield from self._connection.execute(query)
        except sqlite3.Error as exc:
            raise translated(exc, self.path) from exc
