"""What happened, as the oracle reads it: three independent accounts of one run.

* the evidence of tasks and clients (`trust.evidence`),
* the changes of every row, written by triggers of the database itself, so that the library
  can neither forget nor embellish one,
* the rows at the end.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fastapi_taskflow import SqliteBackend
from trust.evidence import read_lines
from trust.workload import KINDS, Kind

__all__ = ["Change", "Death", "History", "Life", "Request", "Row", "Run", "prepare", "read"]

# States as the database numbers them.
PENDING, RUNNING, SUCCESS, FAILED, INTERRUPTED, CANCELLED, REJECTED = range(7)

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


class Change(NamedTuple):
    """One change of one row. ``old_state`` None: inserted; ``state`` None: deleted."""

    seq: int
    at: float
    task: str
    old_state: int | None
    state: int | None
    old_fence: int | None
    fence: int | None
    old_owner: str | None
    owner: str | None
    old_failures: int | None
    failures: int | None
    old_interruptions: int | None
    interruptions: int | None
    due_at: int | None


class Row(NamedTuple):
    """A task at the end. ``late`` counts the outcomes that came without a lease."""

    task: str
    func: str
    state: int
    fence: int
    owner: str | None
    failures: int
    interruptions: int
    rid: str | None
    late: int = 0

    @property
    def kind(self) -> Kind:
        return KINDS.get(self.func, Kind())


class Run(NamedTuple):
    """A task's word: ``start``, ``effect``, ``fail`` or ``done``."""

    what: str
    at: float
    pid: int
    task: str
    attempt: int
    fence: int


@dataclass
class Request:
    """One POST: how many tasks it wants, and which it was told are accepted."""

    rid: str
    wanted: int
    sent_at: float
    acked_at: float | None = None
    tasks: list[str] = field(default_factory=list)


class Life(NamedTuple):
    """An instance that enlisted."""

    instance: str
    pid: int
    at: float


class Death(NamedTuple):
    """A signal that the harness sent to a process."""

    pid: int
    at: float
    how: str


@dataclass
class History:
    """Everything that is known of one run."""

    changes: list[Change] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)


async def prepare(db: Path) -> None:
    """Create a store, and install the triggers before anybody uses it."""
    backend = SqliteBackend(str(db))
    await backend.open(lambda: None)
    await backend.close()
    connection = sqlite3.connect(db)
    try:
        connection.executescript(_TRIGGERS)
    finally:
        connection.close()


def read(db: Path, effects: Path, acks: Path, deaths: list[Death]) -> History:
    """The history of a run that is over."""
    history = History(deaths=deaths)
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    try:
        history.changes = [
            Change(*row) for row in connection.execute("SELECT * FROM trust_changes ORDER BY seq")
        ]
        history.lives = [
            Life(*row) for row in connection.execute("SELECT * FROM trust_lives ORDER BY at")
        ]
        history.rows = {row[0]: Row(*row) for row in connection.execute(ROWS)}
    finally:
        connection.close()
    history.runs = [
        Run(line["what"], line["at"], line["pid"], line["task"], line["attempt"], line["fence"])
        for line in read_lines(effects)
        if line["what"] in ("start", "effect", "fail", "done")
    ]
    history.requests = _requests(acks)
    return history


ROWS = """
SELECT t.id, t.func, t.state, t.fence, t.owner, t.failures, t.interruptions,
    (SELECT g.value FROM taskflow_tags AS g WHERE g.task = t.seq AND g.key = 'rid'),
    (SELECT count(*) FROM taskflow_attempts AS a WHERE a.task = t.seq AND a.late)
FROM taskflow_tasks AS t
"""


def _requests(acks: Path) -> list[Request]:
    found: dict[str, Request] = {}
    for line in read_lines(acks):
        if line["what"] == "intent":
            found[line["rid"]] = Request(line["rid"], line["wanted"], line["at"])
        elif line["what"] == "ack":
            found[line["rid"]].acked_at = line["at"]
            found[line["rid"]].tasks = line["tasks"]
    return list(found.values())
