"""A store file as the older package leaves it, with the tables that it makes."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

_TABLES = """
CREATE TABLE task_snapshots (
    task_id TEXT PRIMARY KEY, func_name TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT,
    start_time TEXT, end_time TEXT, duration REAL, retries_used INTEGER, error TEXT,
    snapshotted_at TEXT, args_json TEXT, kwargs_json TEXT, logs_json TEXT, stacktrace TEXT,
    encrypted_payload TEXT, source TEXT, executor TEXT, queue TEXT, priority INTEGER
);
CREATE TABLE task_pending_requeue (
    task_id TEXT PRIMARY KEY, func_name TEXT NOT NULL, created_at TEXT, retries_used INTEGER,
    args_json TEXT, kwargs_json TEXT, encrypted_payload TEXT, queue TEXT
);
CREATE TABLE task_idempotency_keys (
    idem_key TEXT PRIMARY KEY, task_id TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE task_scheduled_once (
    run_key TEXT PRIMARY KEY, func_name TEXT NOT NULL, fire_at TEXT NOT NULL
);
"""
# In UTC, of which it says nothing.
BEGUN = datetime(2026, 11, 30, 12, 0, 0, 250_000)  # noqa: DTZ001
ENDED = BEGUN + timedelta(seconds=2)


class OlderStore:
    """Writes rows as the older package would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)

    def ended(
        self, func_name: str = "work", *args: Any, status: str = "success", **more: Any
    ) -> str:
        """A task that ended; ``more`` are columns."""
        return self._insert(
            "task_snapshots",
            {
                "func_name": func_name,
                "status": status,
                "created_at": BEGUN.replace(tzinfo=UTC).isoformat(),
                "start_time": BEGUN.isoformat(),
                "end_time": ENDED.isoformat(),
                "duration": 2.0,
                "retries_used": 0,
                "snapshotted_at": ENDED.isoformat(),
                "args_json": json.dumps(args),
                "kwargs_json": "{}",
                "logs_json": "[]",
                "source": "manual",
                "executor": "async",
                "queue": "default",
                **more,
            },
        )

    def waiting(self, func_name: str = "work", *args: Any, **more: Any) -> str:
        """A task that waited at its shutdown."""
        return self._insert(
            "task_pending_requeue",
            {
                "func_name": func_name,
                "created_at": BEGUN.isoformat(),
                "retries_used": 0,
                "args_json": json.dumps(args),
                "kwargs_json": "{}",
                "queue": "default",
                **more,
            },
        )

    def key(self, key: str, task_id: str) -> None:
        """A key that a task holds."""
        row = {"idem_key": key, "task_id": task_id, "created_at": ENDED.isoformat()}
        self._insert("task_idempotency_keys", row)

    def content(self) -> dict[str, list[Any]]:
        """All rows of the older tables."""
        with closing(sqlite3.connect(self.path)) as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_master WHERE name LIKE 'task\\_%' ESCAPE '\\' "
                "AND type = 'table' ORDER BY name"
            ).fetchall()
            return {
                name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
                for (name,) in tables
            }

    def tables(self) -> set[str]:
        """Names of all tables in the file."""
        with closing(sqlite3.connect(self.path)) as connection:
            return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}

    def _insert(self, table: str, row: dict[str, Any]) -> str:
        row = {"task_id": str(uuid4()), **row}
        places = ", ".join(f":{name}" for name in row)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})",  # noqa: S608
                row,
            )
        return str(row["task_id"])
