"""Insert: which groups of tasks are accepted, and storing them.

Plain groups (no key, no limit, no retry) cannot be refused and go straight to a few large
statements. For the others everything that decides is read first, then each group is judged
in memory against that and against the groups before it, then all is written. That one of
them fails takes nothing back, so no savepoints are needed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastapi_taskflow.backends.base import Admission, Lease, NewTask
from fastapi_taskflow.backends.rules.admission import Desk, Draft, Entry, is_plain
from fastapi_taskflow.backends.rules.facts import (
    Facts,
    Holder,
    Known,
    Original,
    keys_of,
    needs,
)
from fastapi_taskflow.backends.sqlite.leases import Held
from fastapi_taskflow.backends.sqlite.rows import (
    INSERT,
    INSERT_PLAIN,
    has_few_columns,
    new_row,
    plain_row,
)
from fastapi_taskflow.backends.sqlite.schema import CODES, status_of
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import MustLook, Transaction
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Terms", "insert", "write_tags"]

_KNOWN = Rows("SELECT id, state, born FROM @tasks WHERE id IN ({rows})", 1)
_ALIASES = Rows("SELECT id, task_id FROM @aliases WHERE id IN ({rows})", 1)
_ORIGINALS = Rows(
    "SELECT id, state, retried_as, idempotency_key, fingerprint, queue, func"
    " FROM @tasks WHERE id IN ({rows})",
    1,
)
_KEYS = Rows("SELECT key, task_id, fingerprint, expires_at FROM @keys WHERE key IN ({rows})", 1)
_TAKE = Rows(
    "INSERT INTO @keys (key, task_id, fingerprint, ttl, expires_at) VALUES {rows}"
    " ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id,"
    " fingerprint = excluded.fingerprint, ttl = excluded.ttl, expires_at = NULL",
    5,
    padded=False,
)
# Few at a time, by whoever takes keys: so the table stays small and nobody waits for it.
_EXPIRE = (
    "DELETE FROM @keys WHERE key IN (SELECT key FROM @keys WHERE expires_at <= ?"
    " ORDER BY expires_at LIMIT 100)"
)
# Not of a purged task whose key is still held: nothing would ever delete such an alias.
_ALIAS = Rows(
    "INSERT INTO @aliases (id, task_id) SELECT v.column1, v.column2 FROM (VALUES {rows}) AS v"
    " WHERE EXISTS (SELECT 1 FROM @tasks WHERE id = v.column2)",
    2,
)
_LINK = "UPDATE @tasks SET retried_as = ? WHERE id = ?"
_DELETE = (
    "DELETE FROM @tags WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @logs WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @attempts WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @aliases WHERE task_id = ?",
    "DELETE FROM @tasks WHERE id = ?",
)
_TAG = Rows("INSERT OR IGNORE INTO @tags (key, value, task) VALUES {rows}", 3, padded=False)

_PENDING = CODES[TaskStatus.PENDING]
_REJECTED = CODES[TaskStatus.REJECTED]


class Terms(NamedTuple):
    """What holds for all groups of a call."""

    limits: tuple[tuple[str, int], ...]
    # Microseconds.
    key_ttl: int


def insert(tx: Transaction, terms: Terms, groups: Sequence[Sequence[NewTask]]) -> list[Admission]:
    """Judge and store groups of tasks, see `Backend.insert`.

    Raises:
        MustLook: a task of a plain group is stored already; run again, carefully.
    """
    limits = dict(terms.limits)
    careful = tx.careful or any(task.retry_of is not None for group in groups for task in group)
    plain = [not careful and is_plain(group, limits) for group in groups]
    judged = [group for group, free in zip(groups, plain, strict=True) if not free]
    facts = _facts(tx, judged, limits) if judged else Facts({}, {}, {}, {}, {}, tx.alive)
    desk = Desk(facts, limits)
    answers = [
        desk.accept(group) if free else desk.judge(group)
        for group, free in zip(groups, plain, strict=True)
    ]
    _write(tx, desk.draft, terms.key_ttl)
    return answers


def write_tags(tx: Transaction, tasks: Sequence[tuple[int, NewTask]]) -> None:
    """Make new tasks findable by their tags."""
    tags = [(key, value, seq) for seq, task in tasks for key, value in task.tags.items()]
    if tags:
        tx.write(_TAG, tags)


def _facts(
    tx: Transaction, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> Facts:
    ids, retried, queues = needs(groups, limits)
    known: dict[str, Known | None] = {
        task_id: Known(status_of(state), born) for task_id, state, born in tx.find(_KNOWN, ids)
    }
    aliases: dict[str, str | None] = dict(tx.find(_ALIASES, [*ids, *retried]))
    found: dict[str, Original | None] = {
        row[0]: Original(row[0], status_of(row[1]), *row[2:])
        for row in tx.find(_ORIGINALS, [aliases.get(one) or one for one in retried])
    }
    holders: dict[str, Holder | None] = {
        key: Holder(task_id, fingerprint)
        for key, task_id, fingerprint, expires_at in tx.find(_KEYS, list(keys_of(groups, found)))
        # A damaged time is none: the key is held until somebody mends it.
        if not isinstance(expires_at, int) or expires_at > tx.now
    }
    waiting = {queue: tx.waiting(queue) for queue in queues}
    return Facts(known, aliases, found, holders, waiting, tx.alive)


def _write(tx: Transaction, draft: Draft, key_ttl: int) -> None:
    entries = list(zip(tx.arrivals(len(draft.entries)), draft.entries, strict=True))
    try:
        _write_rows(tx, entries)
    except sqlite3.IntegrityError as exc:
        if tx.careful:
            raise
        # A task that was taken for new is known: the insert was sent again.
        raise MustLook from exc
    tx.given_out([_held(number, task) for number, (task, _) in entries if task.owner is not None])
    write_tags(tx, [(number, task) for number, (task, _) in entries if task.tags])
    kinds = Counter(
        (entry.task.queue, entry.task.func_name, entry.status is TaskStatus.PENDING)
        for entry in draft.entries
    )
    for (queue, func, pending), times in kinds.items():
        if pending:
            tx.counters.move((queue, func), None, _PENDING, waits=1, times=times)
        else:
            tx.counters.move((queue, func), None, _REJECTED, times=times)
    _take_keys(tx, draft.entries, key_ttl)
    tx.write(_ALIAS, list(draft.aliases.items()))
    for original, retried_as in draft.linked:
        tx.run(_LINK, (retried_as, original.task_id))
    for original in draft.replaced:
        for statement in _DELETE:
            tx.run(statement, (original.task_id,))
        tx.counters.move((original.queue, original.func), CODES[original.status], None)


def _write_rows(tx: Transaction, entries: Sequence[tuple[int, Entry]]) -> None:
    plain, others = [], []
    for number, entry in entries:
        if has_few_columns(entry):
            plain.append(plain_row(number, entry.task, tx.present))
        else:
            others.append(new_row(number, entry, tx.present))
    tx.write(INSERT_PLAIN, plain)
    tx.write(INSERT, others)


def _held(seq: int, task: NewTask) -> tuple[Lease, Held]:
    keyed = task.idempotency_key is not None
    return Lease(task.task_id, 1), Held(seq, task.queue, task.func_name, keyed=keyed, fresh=True)


def _take_keys(tx: Transaction, entries: Sequence[Entry], ttl: int) -> None:
    taken = [
        (task.idempotency_key, task.task_id, task.fingerprint, ttl, None)
        for task, status in entries
        if task.idempotency_key is not None and status is TaskStatus.PENDING
    ]
    if taken:
        tx.run(_EXPIRE, (tx.now,))
        tx.write(_TAKE, taken)
