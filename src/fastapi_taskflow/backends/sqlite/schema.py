"""The tables, and what makes newer ones of older ones.

Times are microseconds since the epoch, ids text. `CODES` gives the numbers of states.

Finished tasks, which are nearly all, are in no index that a claim, a heartbeat or a
recovery reads: those indexes are partial. ``seq`` is the order of arrival.
"""

from __future__ import annotations

from fastapi_taskflow.backends.sqlite.steps import STEPS
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "CODES",
    "FIRST_TERMINAL",
    "FREE",
    "MIGRATIONS",
    "STATES",
    "VERSION",
    "WAITING",
    "status_of",
]

STATES = (
    TaskStatus.PENDING,
    TaskStatus.RUNNING,
    TaskStatus.SUCCESS,
    TaskStatus.FAILED,
    TaskStatus.INTERRUPTED,
    TaskStatus.CANCELLED,
    TaskStatus.REJECTED,
)
"""By number. Stored, and in partial indexes: never reorder."""

CODES = {state: number for number, state in enumerate(STATES)}

_BY_CODE = dict(enumerate(STATES))


def status_of(code: object) -> TaskStatus:
    """The state of this number; of any other nobody can say how its task went."""
    return _BY_CODE.get(code, TaskStatus.INTERRUPTED)  # type: ignore[call-overload, no-any-return]


FIRST_TERMINAL = 2
"""States from this number on are terminal; in partial indexes too."""

WAITING = -1
"""In ``counters`` the rows of a queue (function '') that are PENDING and never started."""

# Priorities are stored negated (``rank``), so that one direction of an index serves claims.
# ``owner`` holds the task now; ``instance`` started it last; ``born`` was its first fence.
_TASKS = """
CREATE TABLE @tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    state INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT,
    claim_id TEXT,
    born INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    retries_used INTEGER NOT NULL DEFAULT 0,
    cancel_asked INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    start_at INTEGER,
    end_at INTEGER,
    elapsed REAL,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    func TEXT NOT NULL,
    rank INTEGER NOT NULL,
    priority INTEGER,
    persist INTEGER NOT NULL,
    requeue INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    instance TEXT,
    source TEXT NOT NULL,
    executor TEXT,
    idempotency_key TEXT,
    fingerprint BLOB,
    retry_of TEXT,
    retried_as TEXT,
    tags TEXT,
    error TEXT,
    stacktrace TEXT,
    payload BLOB
)
"""

FREE = "state = 0 AND owner IS NULL AND persist = 1 AND behind = 0"
"""What a claim may take, in the words of the indexes that hold it."""

_FREE_AT_FIRST = "state = 0 AND owner IS NULL AND persist = 1"

_TAGS = """
CREATE TABLE @tags (
    key TEXT,
    value TEXT,
    task INTEGER,
    PRIMARY KEY (value, key, task)
) WITHOUT ROWID
"""

# expires_at is NULL while the task lives; ttl is what it will get.
_KEYS = """
CREATE TABLE @keys (
    key TEXT PRIMARY KEY,
    task_id TEXT NOT NULL,
    fingerprint BLOB,
    ttl INTEGER NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID
"""

_ATTEMPTS = """
CREATE TABLE @attempts (
    id INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    number INTEGER NOT NULL,
    instance TEXT,
    start_at INTEGER,
    end_at INTEGER NOT NULL,
    elapsed REAL,
    move TEXT NOT NULL,
    error TEXT,
    stacktrace TEXT,
    late INTEGER NOT NULL,
    UNIQUE (task, fence)
)
"""

_COUNTERS = """
CREATE TABLE @counters (
    queue TEXT,
    func TEXT,
    state INTEGER,
    rows INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (queue, func, state)
) WITHOUT ROWID
"""

_QUEUES = """
CREATE TABLE @queues (
    name TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    paused INTEGER NOT NULL
) WITHOUT ROWID
"""

_INSTANCES = """
CREATE TABLE @instances (
    id TEXT PRIMARY KEY,
    info TEXT NOT NULL,
    counter INTEGER NOT NULL,
    lag REAL NOT NULL,
    dead INTEGER NOT NULL
) WITHOUT ROWID
"""

_AUDIT = """
CREATE TABLE @audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    action TEXT NOT NULL,
    task_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    detail TEXT NOT NULL
)
"""

_FIRST = (
    _TASKS,
    f"CREATE INDEX @tasks_free ON @tasks (queue, func, rank, due_at) WHERE {_FREE_AT_FIRST}",
    f"CREATE INDEX @tasks_due ON @tasks (queue, due_at) WHERE {_FREE_AT_FIRST}",
    "CREATE INDEX @tasks_held ON @tasks (owner, claim_id) WHERE owner IS NOT NULL",
    "CREATE INDEX @tasks_asked ON @tasks (owner) WHERE cancel_asked = 1 AND owner IS NOT NULL",
    # For lists: what counts is the row number, which stands at the end of every entry.
    "CREATE INDEX @tasks_live ON @tasks (end_at) WHERE state < 2",
    "CREATE INDEX @tasks_ended ON @tasks (state) WHERE state >= 2",
    "CREATE INDEX @tasks_func ON @tasks (func)",
    "CREATE INDEX @tasks_unsuccessful ON @tasks (state, func) WHERE state > 2",
    "CREATE INDEX @tasks_queue ON @tasks (queue) WHERE queue <> 'default'",
    "CREATE INDEX @tasks_source ON @tasks (source) WHERE source <> 'manual'",
    _TAGS,
    "CREATE INDEX @tags_task ON @tags (task)",
    _KEYS,
    "CREATE INDEX @keys_expiry ON @keys (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE @aliases (id TEXT PRIMARY KEY, task_id TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX @aliases_task ON @aliases (task_id)",
    _ATTEMPTS,
    "CREATE TABLE @logs (id INTEGER PRIMARY KEY, task INTEGER NOT NULL, lines TEXT NOT NULL)",
    "CREATE INDEX @logs_task ON @logs (task)",
    _COUNTERS,
    _QUEUES,
    _INSTANCES,
    _AUDIT,
)

# One entry per version: the statements that lead to it from the one before.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, *STEPS)

VERSION = len(MIGRATIONS)
