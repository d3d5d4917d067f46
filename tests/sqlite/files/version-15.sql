BEGIN TRANSACTION;
CREATE TABLE taskflow_aliases (id TEXT PRIMARY KEY, task_id TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "taskflow_aliases" VALUES('018f0000-0000-7000-8000-000000000004','018f0000-0000-7000-8000-000000000001');
CREATE TABLE taskflow_attempts (
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
    late INTEGER NOT NULL, failure TEXT,
    UNIQUE (task, fence)
);
INSERT INTO "taskflow_attempts" VALUES(1,2,1,0,'instance-a',1767225600000000,1767225601000000,0.25,'retry','E: first',NULL,0,NULL);
CREATE TABLE taskflow_audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    action TEXT NOT NULL,
    task_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    detail TEXT NOT NULL
, previous TEXT NOT NULL DEFAULT '', hash TEXT NOT NULL DEFAULT '');
INSERT INTO "taskflow_audit" VALUES(1,'018f0000-0000-7000-8000-0000000000aa','retry','018f0000-0000-7000-8000-000000000002','ann',1767225602000000,'{"n": 1}','','');
CREATE TABLE taskflow_batches (
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
);
CREATE TABLE taskflow_buckets (
    name TEXT PRIMARY KEY,
    clear_at INTEGER NOT NULL,
    strikes INTEGER NOT NULL
) WITHOUT ROWID
;
INSERT INTO "taskflow_buckets" VALUES('c4cb6041b99ce0b7965120d1f7a00b3698683b64f346fda585672d5dcbf6eab3',1767225614000000,0);
CREATE TABLE taskflow_calls (
    task_id TEXT PRIMARY KEY,
    batch TEXT NOT NULL,
    kind TEXT NOT NULL,
    task TEXT NOT NULL,
    payload BLOB
) WITHOUT ROWID
;
CREATE TABLE taskflow_clock (id INTEGER PRIMARY KEY CHECK (id = 0), at INTEGER NOT NULL);
INSERT INTO "taskflow_clock" VALUES(0,1767225600000000);
CREATE TABLE taskflow_counters (
    queue TEXT,
    func TEXT,
    state INTEGER,
    rows INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (queue, func, state)
) WITHOUT ROWID
;
INSERT INTO "taskflow_counters" VALUES('default','',-1,1,0,0.0);
INSERT INTO "taskflow_counters" VALUES('default','counted',0,0,0,0.0);
INSERT INTO "taskflow_counters" VALUES('default','counted',1,0,0,0.0);
INSERT INTO "taskflow_counters" VALUES('default','counted',2,2,2,0.75);
INSERT INTO "taskflow_counters" VALUES('default','f',0,1,0,0.0);
INSERT INTO "taskflow_counters" VALUES('default','f',1,0,0,0.0);
INSERT INTO "taskflow_counters" VALUES('default','f',2,1,1,0.5);
INSERT INTO "taskflow_counters" VALUES('default','f',3,1,1,0.25);
CREATE TABLE taskflow_ends (
    start INTEGER,
    func TEXT,
    state INTEGER,
    bin INTEGER,
    n INTEGER NOT NULL,
    seconds REAL NOT NULL, waited INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (start, func, state, bin)
) WITHOUT ROWID
;
INSERT INTO "taskflow_ends" VALUES(1767225660,'counted',2,154,1,0.5,0);
CREATE TABLE taskflow_failed (
    span INTEGER,
    start INTEGER,
    name TEXT,
    n INTEGER NOT NULL,
    PRIMARY KEY (span, start, name)
) WITHOUT ROWID
;
CREATE TABLE taskflow_failures (
    name TEXT PRIMARY KEY,
    func TEXT NOT NULL,
    kind TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    task_id TEXT NOT NULL
) WITHOUT ROWID
;
CREATE TABLE taskflow_instances (
    id TEXT PRIMARY KEY,
    info TEXT NOT NULL,
    counter INTEGER NOT NULL,
    lag REAL NOT NULL,
    dead INTEGER NOT NULL
, running INTEGER NOT NULL DEFAULT 0, draining INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID
;
CREATE TABLE taskflow_keys (
    key TEXT PRIMARY KEY,
    task_id TEXT NOT NULL,
    fingerprint BLOB,
    ttl INTEGER NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID
;
INSERT INTO "taskflow_keys" VALUES('key','018f0000-0000-7000-8000-000000000001',X'73616D65',86400000000,1767312001000000);
CREATE TABLE taskflow_logs (id INTEGER PRIMARY KEY, task INTEGER NOT NULL, lines TEXT NOT NULL);
INSERT INTO "taskflow_logs" VALUES(1,1,'["one", "two"]');
CREATE TABLE taskflow_queues (
    name TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    paused INTEGER NOT NULL
) WITHOUT ROWID
;
INSERT INTO "taskflow_queues" VALUES('default','{"concurrency": 4}',0);
CREATE TABLE taskflow_rollups (
    span INTEGER,
    start INTEGER,
    func TEXT,
    state INTEGER,
    bin INTEGER,
    n INTEGER NOT NULL,
    seconds REAL NOT NULL, waited INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (span, start, func, state, bin)
) WITHOUT ROWID
;
INSERT INTO "taskflow_rollups" VALUES(0,0,'counted',2,146,1,0.25,0);
INSERT INTO "taskflow_rollups" VALUES(60,1767225600,'counted',2,146,1,0.25,0);
INSERT INTO "taskflow_rollups" VALUES(3600,1767225600,'counted',2,146,1,0.25,0);
INSERT INTO "taskflow_rollups" VALUES(86400,1767225600,'counted',2,146,1,0.25,0);
CREATE TABLE taskflow_schedules (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    state TEXT NOT NULL,
    payload BLOB,
    next_at INTEGER
) WITHOUT ROWID
;
INSERT INTO "taskflow_schedules" VALUES('s:nightly',1767225600000000,'{}','{}',NULL,NULL);
CREATE TABLE taskflow_schema (version INTEGER NOT NULL);
INSERT INTO "taskflow_schema" VALUES(1);
INSERT INTO "taskflow_schema" VALUES(2);
INSERT INTO "taskflow_schema" VALUES(3);
INSERT INTO "taskflow_schema" VALUES(4);
INSERT INTO "taskflow_schema" VALUES(5);
INSERT INTO "taskflow_schema" VALUES(6);
INSERT INTO "taskflow_schema" VALUES(7);
INSERT INTO "taskflow_schema" VALUES(8);
INSERT INTO "taskflow_schema" VALUES(9);
INSERT INTO "taskflow_schema" VALUES(10);
INSERT INTO "taskflow_schema" VALUES(11);
INSERT INTO "taskflow_schema" VALUES(12);
INSERT INTO "taskflow_schema" VALUES(13);
INSERT INTO "taskflow_schema" VALUES(14);
INSERT INTO "taskflow_schema" VALUES(15);
CREATE TABLE taskflow_sessions (
    seq INTEGER PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
INSERT INTO "taskflow_sessions" VALUES(1,'5f78c33274e43fa9de5659265c1d917e25c03722dcb0b8d27db8d5feaa813953','ann','viewer',1767225602000000,1767268802000000,1767225602000000);
CREATE TABLE taskflow_signing (
    seq INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE taskflow_tags (
    key TEXT,
    value TEXT,
    task INTEGER,
    PRIMARY KEY (value, key, task)
) WITHOUT ROWID
;
INSERT INTO "taskflow_tags" VALUES('k','v',1);
CREATE TABLE taskflow_tasks (
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
, progress TEXT, emitted TEXT, result BLOB, result_missing TEXT, result_until INTEGER, title TEXT, summary TEXT, order_key TEXT, behind INTEGER NOT NULL DEFAULT 0, batch_id TEXT, batch_place INTEGER, after TEXT, failure TEXT);
INSERT INTO "taskflow_tasks" VALUES(1,2,1,NULL,NULL,1,0,0,0,0,1767225600000000,1767225600000000,1767225601000000,0.5,'018f0000-0000-7000-8000-000000000001','default','f',0,NULL,1,0,1767225600000000,'instance-a','manual',NULL,'key',X'73616D65',NULL,NULL,'{"k": "v"}',NULL,NULL,X'7061796C6F6164','[7, 9, "seven"]','{"first":1,"data":[1]}',X'37',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "taskflow_tasks" VALUES(2,3,2,NULL,NULL,1,2,0,1,0,1767225601000000,1767225602000000,1767225602000000,0.25,'018f0000-0000-7000-8000-000000000002','default','f',0,NULL,1,0,1767225600000000,'instance-a','manual',NULL,NULL,NULL,NULL,NULL,NULL,'E: second','Traceback',X'7061796C6F6164',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "taskflow_tasks" VALUES(3,0,0,NULL,NULL,0,0,0,0,0,1767225600000000,NULL,NULL,NULL,'018f0000-0000-7000-8000-000000000003','default','f',5,-5,1,0,1767225600000000,NULL,'manual',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'7061796C6F6164',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "taskflow_tasks" VALUES(4,2,1,NULL,NULL,0,0,0,0,0,1767225600000000,1767225600000000,1767225600000000,0.25,'018f0000-0000-7000-8000-000000000005','default','counted',0,NULL,1,0,1767225600000000,'instance-a','manual',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'7061796C6F6164',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "taskflow_tasks" VALUES(5,2,1,NULL,NULL,0,0,0,0,0,1767225660000000,1767225660000000,1767225660000000,0.5,'018f0000-0000-7000-8000-000000000006','default','counted',0,NULL,1,0,1767225600000000,'instance-a','manual',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'7061796C6F6164',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE INDEX taskflow_tasks_held ON taskflow_tasks (owner, claim_id) WHERE owner IS NOT NULL;
CREATE INDEX taskflow_tasks_asked ON taskflow_tasks (owner) WHERE cancel_asked = 1 AND owner IS NOT NULL;
CREATE INDEX taskflow_tasks_live ON taskflow_tasks (end_at) WHERE state < 2;
CREATE INDEX taskflow_tasks_ended ON taskflow_tasks (state) WHERE state >= 2;
CREATE INDEX taskflow_tasks_func ON taskflow_tasks (func);
CREATE INDEX taskflow_tasks_unsuccessful ON taskflow_tasks (state, func) WHERE state > 2;
CREATE INDEX taskflow_tasks_queue ON taskflow_tasks (queue) WHERE queue <> 'default';
CREATE INDEX taskflow_tasks_source ON taskflow_tasks (source) WHERE source <> 'manual';
CREATE INDEX taskflow_tags_task ON taskflow_tags (task);
CREATE INDEX taskflow_keys_expiry ON taskflow_keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX taskflow_aliases_task ON taskflow_aliases (task_id);
CREATE INDEX taskflow_logs_task ON taskflow_logs (task);
CREATE INDEX taskflow_tasks_end ON taskflow_tasks (end_at) WHERE state >= 2;
CREATE INDEX taskflow_sessions_user ON taskflow_sessions (user);
CREATE INDEX taskflow_sessions_seen ON taskflow_sessions (seen_at);
CREATE INDEX taskflow_buckets_clear ON taskflow_buckets (clear_at);
CREATE INDEX taskflow_schedules_next ON taskflow_schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX taskflow_tasks_results ON taskflow_tasks (result_until) WHERE result_until IS NOT NULL;
CREATE INDEX taskflow_tasks_free ON taskflow_tasks (queue, func, rank, due_at) WHERE state = 0 AND owner IS NULL AND persist = 1 AND behind = 0;
CREATE INDEX taskflow_tasks_due ON taskflow_tasks (queue, due_at) WHERE state = 0 AND owner IS NULL AND persist = 1 AND behind = 0;
CREATE INDEX taskflow_tasks_turn ON taskflow_tasks (order_key) WHERE order_key IS NOT NULL AND state < 2;
CREATE INDEX taskflow_tasks_behind ON taskflow_tasks (order_key) WHERE behind = 1;
CREATE INDEX taskflow_tasks_batch ON taskflow_tasks (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX taskflow_batches_end ON taskflow_batches (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX taskflow_calls_batch ON taskflow_calls (batch);
CREATE INDEX taskflow_tasks_failure ON taskflow_tasks (failure) WHERE failure IS NOT NULL;
CREATE INDEX taskflow_tasks_unretried ON taskflow_tasks (failure) WHERE failure IS NOT NULL AND retried_as IS NULL;
CREATE INDEX taskflow_failures_last ON taskflow_failures (last_at);
CREATE INDEX taskflow_tasks_key ON taskflow_tasks (order_key, state) WHERE order_key IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('taskflow_tasks',5);
INSERT INTO "sqlite_sequence" VALUES('taskflow_audit',1);
COMMIT;
