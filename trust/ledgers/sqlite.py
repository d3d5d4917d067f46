"""What a SQLite file says: triggers write down each change."""

from __future__ import annotations

import sqlite3
from typing import Any

from trust.history import Change, Life, Row
from trust.stores import make

__all__ = ["ROWS", "SqliteLedger"]

_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_TRIGGERS = f"""
CREATE TABLE trust_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, task TEXT,
    old_state INTEGER, state INTEGER, old_fence INTEGER, fence INTEGER,
    old_owner TEXT, owner TEXT, old_failures INTEGER, failures INTEGER,
    old_interruptions INTEGER, interruptions INTEGER, due_at INTEGER
);
CREATE TABLE trust_lives (instance TEXT, pid INTEGER, at REAL);
CREATE TRIGGER trust_insert AFTER INSERT ON taskflow_tasks BEGIN
    INSERT INTO trust_changes VALUES (NULL, {_NOW}, NEW.id, NULL, NEW.state, NULL, NEW.fence,
        NULL, NEW.owner, NULL, NEW.failures, NULL, NEW.interruptions, NEW.due_at);
END;
CREATE TRIGGER trust_update
AFTER UPDATE OF id, state, fence, owner, failures, interruptions, due_at, end_at, error
ON taskflow_tasks BEGIN
    INSERT INTO trust_changes VALUES (NULL, {_NOW}, NEW.id, OLD.state, NEW.state, OLD.fence,
        NEW.fence, OLD.owner, NEW.owner, OLD.failures, NEW.failures, OLD.interruptions,
        NEW.interruptions, NEW.due_at);
END;
CREATE TRIGGER trust_delete AFTER DELETE ON taskflow_tasks BEGIN
    INSERT INTO trust_changes VALUES (NULL, {_NOW}, OLD.id, OLD.state, NULL, OLD.fence, NULL,
        OLD.owner, NULL, OLD.failures, NULL, OLD.interruptions, NULL, NULL);
END;
CREATE TRIGGER trust_life AFTER INSERT ON taskflow_instances BEGIN
    INSERT INTO trust_lives VALUES (NEW.id, json_extract(NEW.info, '$.pid'), {_NOW});
END;
"""  # noqa: S608  (our own text)

ROWS = """
SELECT t.id, t.func, t.state, t.fence, t.owner, t.failures, t.interruptions,
    (SELECT g.value FROM taskflow_tags AS g WHERE g.task = t.seq AND g.key = 'rid'),
    (SELECT count(*) FROM taskflow_attempts AS a WHERE a.task = t.seq AND a.late)
FROM taskflow_tasks AS t
"""


class SqliteLedger:
    """The ledger of a file."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def prepare(self) -> None:
        await make(self._path)
        connection = sqlite3.connect(self._path)
        try:
            connection.executescript(_TRIGGERS)
        finally:
            connection.close()

    async def left(self) -> int:
        ((found,),) = self.ask("SELECT count(*) FROM taskflow_tasks WHERE state < 2")
        return int(found)

    async def held(self, task: str) -> tuple[int, str | None]:
        ((fence, owner),) = self.ask("SELECT fence, owner FROM taskflow_tasks WHERE id = ?", task)
        return fence, owner

    async def changes(self) -> list[Change]:
        return [Change(*row) for row in self.ask("SELECT * FROM trust_changes ORDER BY seq")]

    async def lives(self) -> list[Life]:
        return [Life(*row) for row in self.ask("SELECT * FROM trust_lives ORDER BY at")]

    async def rows(self) -> list[Row]:
        return [Row(*row) for row in self.ask(ROWS)]

    async def close(self) -> None:
        pass

    def ask(self, sql: str, *parameters: object) -> list[Any]:
        """What the file holds right now."""
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()
