"""What each later version of the tables added to the first; see `schema`."""

from __future__ import annotations

__all__ = ["STEPS"]

_PURGE = ("CREATE INDEX @tasks_end ON @tasks (end_at) WHERE state >= 2",)

# Sign-in, see `backends.logins`. A bucket that is clear has no row.
_SESSIONS = """
CREATE TABLE @sessions (
    seq INTEGER PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
)
"""

_BUCKETS = """
CREATE TABLE @buckets (
    name TEXT PRIMARY KEY,
    clear_at INTEGER NOT NULL,
    strikes INTEGER NOT NULL
) WITHOUT ROWID
"""

_LOGINS = (
    _SESSIONS,
    "CREATE INDEX @sessions_user ON @sessions (user)",
    "CREATE INDEX @sessions_seen ON @sessions (seen_at)",
    _BUCKETS,
    "CREATE INDEX @buckets_clear ON @buckets (clear_at)",
)

# How many tasks ended in one state, and the seconds that they took, by the second in which a
# minute begins, or another span of so many seconds; ``bin`` is one of `durations`.
_ENDS = """
CREATE TABLE @ends (
    start INTEGER,
    func TEXT,
    state INTEGER,
    bin INTEGER,
    n INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (start, func, state, bin)
) WITHOUT ROWID
"""

_SUMS = """
CREATE TABLE @rollups (
    span INTEGER,
    start INTEGER,
    func TEXT,
    state INTEGER,
    bin INTEGER,
    n INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (span, start, func, state, bin)
) WITHOUT ROWID
"""

_ROLLUPS = (_ENDS, _SUMS)

# The latest time that the store's clock is known to have shown; it never runs backwards.
_CLOCK = ("CREATE TABLE @clock (id INTEGER PRIMARY KEY CHECK (id = 0), at INTEGER NOT NULL)",)

# When and how is the caller's text; ``next_at`` is when somebody has to look.
_SCHEDULES = """
CREATE TABLE @schedules (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    state TEXT NOT NULL,
    payload BLOB,
    next_at INTEGER
) WITHOUT ROWID
"""
_AGENDA = (
    _SCHEDULES,
    "CREATE INDEX @schedules_next ON @schedules (next_at) WHERE next_at IS NOT NULL",
)

# Keys that sign what is given to people without an account.
_SIGNING = """
CREATE TABLE @signing (
    seq INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    created_at INTEGER NOT NULL
)
"""

# What functions tell while they run, and what they give; see `rules.telling`.
_RESULTS = (
    "ALTER TABLE @tasks ADD COLUMN progress TEXT",
    "ALTER TABLE @tasks ADD COLUMN emitted TEXT",
    "ALTER TABLE @tasks ADD COLUMN result BLOB",
    "ALTER TABLE @tasks ADD COLUMN result_missing TEXT",
    "ALTER TABLE @tasks ADD COLUMN result_until INTEGER",
    "CREATE INDEX @tasks_results ON @tasks (result_until) WHERE result_until IS NOT NULL",
    _SIGNING,
)

# What people read instead of a function's name and its arguments.
_READABLE = (
    "ALTER TABLE @tasks ADD COLUMN title TEXT",
    "ALTER TABLE @tasks ADD COLUMN summary TEXT",
)

# Tasks that wait for others of their order key are in no index that a claim reads.
_FREE = "state = 0 AND owner IS NULL AND persist = 1 AND behind = 0"
_TURNS = (
    "ALTER TABLE @tasks ADD COLUMN order_key TEXT",
    "ALTER TABLE @tasks ADD COLUMN behind INTEGER NOT NULL DEFAULT 0",
    "DROP INDEX @tasks_free",
    "DROP INDEX @tasks_due",
    f"CREATE INDEX @tasks_free ON @tasks (queue, func, rank, due_at) WHERE {_FREE}",
    f"CREATE INDEX @tasks_due ON @tasks (queue, due_at) WHERE {_FREE}",
    "CREATE INDEX @tasks_turn ON @tasks (order_key) WHERE order_key IS NOT NULL AND state < 2",
    "CREATE INDEX @tasks_behind ON @tasks (order_key) WHERE behind = 1",
)

# Batches, and those of their callbacks that are not due yet; see `rules.batching`.
_BATCH = """
CREATE TABLE @batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    chain INTEGER NOT NULL,
    tags TEXT,
    total INTEGER NOT NULL,
    success INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    ended_at INTEGER
)
"""
_CALLS = """
CREATE TABLE @calls (
    task_id TEXT PRIMARY KEY,
    batch TEXT NOT NULL,
    kind TEXT NOT NULL,
    task TEXT NOT NULL,
    payload BLOB
) WITHOUT ROWID
"""
_BATCHES = (
    "ALTER TABLE @tasks ADD COLUMN batch_id TEXT",
    "ALTER TABLE @tasks ADD COLUMN batch_place INTEGER",
    "ALTER TABLE @tasks ADD COLUMN after TEXT",
    "CREATE INDEX @tasks_batch ON @tasks (batch_id) WHERE batch_id IS NOT NULL",
    _BATCH,
    "CREATE INDEX @batches_end ON @batches (ended_at) WHERE ended_at IS NOT NULL",
    _CALLS,
    "CREATE INDEX @calls_batch ON @calls (batch)",
)

# Attempts that failed alike, and how often by span of time; see `failures`.
_FAILED = """
CREATE TABLE @failures (
    name TEXT PRIMARY KEY,
    func TEXT NOT NULL,
    kind TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    task_id TEXT NOT NULL
) WITHOUT ROWID
"""
_FAILED_WHEN = """
CREATE TABLE @failed (
    span INTEGER,
    start INTEGER,
    name TEXT,
    n INTEGER NOT NULL,
    PRIMARY KEY (span, start, name)
) WITHOUT ROWID
"""
_UNRETRIED = (
    "CREATE INDEX @tasks_unretried ON @tasks (failure)"
    " WHERE failure IS NOT NULL AND retried_as IS NULL"
)
_FAILURES = (
    "ALTER TABLE @tasks ADD COLUMN failure TEXT",
    "CREATE INDEX @tasks_failure ON @tasks (failure) WHERE failure IS NOT NULL",
    _UNRETRIED,
    "ALTER TABLE @attempts ADD COLUMN failure TEXT",
    _FAILED,
    "CREATE INDEX @failures_last ON @failures (last_at)",
    _FAILED_WHEN,
)

_LOADS = (
    "ALTER TABLE @instances ADD COLUMN running INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE @instances ADD COLUMN draining INTEGER NOT NULL DEFAULT 0",
)

# See `backends.rules.auditing`; entries from before have neither.
_CHAIN = (
    "ALTER TABLE @audit ADD COLUMN previous TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE @audit ADD COLUMN hash TEXT NOT NULL DEFAULT ''",
)

# Those of one state stand in order of arrival.
_BY_KEY = ("CREATE INDEX @tasks_key ON @tasks (order_key, state) WHERE order_key IS NOT NULL",)

# Beside how many tasks had such a length, how many had such a wait before they started.
_WAITS = (
    "ALTER TABLE @ends ADD COLUMN waited INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE @rollups ADD COLUMN waited INTEGER NOT NULL DEFAULT 0",
)

STEPS: tuple[tuple[str, ...], ...] = (
    _PURGE,
    _LOGINS,
    _ROLLUPS,
    _CLOCK,
    _AGENDA,
    _RESULTS,
    _READABLE,
    _TURNS,
    _BATCHES,
    _FAILURES,
    _LOADS,
    _CHAIN,
    _BY_KEY,
    _WAITS,
)
"""From the second version on."""
