"""What verbs decide on, read from the tables and locked until the transaction ends.

Locks are taken in one order everywhere: instances, then turns, then tasks by id, then keys, then
gates and the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Lease, NewTask, StoredTask
from fastapi_taskflow.backends.rules import facts as rules
from fastapi_taskflow.backends.rules.claiming import is_paused, rank
from fastapi_taskflow.backends.rules.duetimes import NEVER
from fastapi_taskflow.backends.rules.looking import ending_of
from fastapi_taskflow.backends.rules.rows import Row, read, shown
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql import turns
from fastapi_taskflow.backends.sql.statements import (
    IDS,
    MOST,
    OF,
    Found,
    find,
    locked,
    pick,
    shared,
)
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.words.loglines import unpacked
from fastapi_taskflow.words.models import TaskStatus

WHOLE = [t.tasks.c[name] for name in Row.__dataclass_fields__ if name in t.tasks.c]
HEAD = [column for column in WHOLE if column.name not in ("payload", "emitted", "result")]
BRIEF = [column for column in HEAD if column.name != "stacktrace"]

_GIVEN = [column for column in WHOLE if column.name != "arrival"]
_LINES = (
    sa.select(t.lines.c.task_id, t.lines.c.lines)
    .where(t.lines.c.task_id.in_(IDS))
    .order_by(t.lines.c.number)
)
_ROWS = locked(sa.select(*HEAD).where(t.tasks.c.task_id.in_(IDS)).order_by(t.tasks.c.task_id))
_PARKED = locked(
    sa.select(*HEAD)
    .where(t.tasks.c.batch_id == OF, t.tasks.c.due_at == NEVER)
    .where(t.tasks.c.status == TaskStatus.PENDING)
    .order_by(t.tasks.c.task_id)
)
_BATCHES = locked(
    sa.select(t.batches).where(t.batches.c.batch_id.in_(IDS)).order_by(t.batches.c.batch_id)
)
_ALIASES = sa.select(t.aliases.c.alias, t.aliases.c.task_id).where(t.aliases.c.alias.in_(IDS))
_HOLDERS = locked(sa.select(t.keys).where(t.keys.c.key.in_(IDS)).order_by(t.keys.c.key))
_STORED = sa.select(t.tasks.c.task_id).where(t.tasks.c.task_id.in_(IDS))
_GATES = locked(sa.select(t.gates).where(t.gates.c.name.in_(IDS)).order_by(t.gates.c.name))
_WAITING = (
    sa.select(t.tasks.c.queue, sa.func.count().label("number"))
    .where(t.tasks.c.queue.in_(IDS), t.tasks.c.waiting == sa.true())
    .group_by(t.tasks.c.queue)
)
# Nobody who is given a task now is declared dead before it is known to be theirs.
_ALIVE = shared(
    sa.select(t.instances.c.instance_id)
    .where(t.instances.c.instance_id.in_(IDS), t.instances.c.alive == sa.true())
    .order_by(t.instances.c.instance_id)
)
_SETTINGS = sa.select(t.queues.c.queue, t.queues.c.settings).where(t.queues.c.queue.in_(IDS))
_HISTORY = sa.select(t.attempts.c.task_id, t.attempts.c.fence, t.attempts.c.late).where(
    t.attempts.c.task_id.in_(IDS)
)
_CLAIMED = locked(sa.select(*WHOLE).where(t.tasks.c.claim_id == OF).order_by(t.tasks.c.task_id))
_OWNED = locked(
    sa.select(*WHOLE).where(t.tasks.c.owner == OF).order_by(t.tasks.c.task_id).limit(MOST)
)


_MICROS_PER_SECOND = 1_000_000


def values_of(row: Row) -> dict[str, Any]:
    """All columns of a task but its number of arrival, which is the database's."""
    values: dict[str, Any] = {column.name: getattr(row, column.name) for column in _GIVEN}
    return values | {
        "free": row.free,
        "waiting": row.waiting,
        "place": rank(row.priority),
        "ending": ending_of(row.task_id),
    }


async def with_lines(sql: AsyncConnection, rows: Iterable[Row]) -> dict[str, StoredTask]:
    """Tasks as they are shown, by id."""
    kept = {row.task_id: row for row in rows}
    logs: dict[str, list[str]] = {task_id: [] for task_id in kept}
    for one in await pick(sql, _LINES, kept):
        if type(one["lines"]) is tuple:
            logs[one["task_id"]] += unpacked(map(str, one["lines"]))
    return {task_id: shown(row, logs[task_id]) for task_id, row in kept.items()}


async def load(tx: Writing, task_ids: Iterable[str]) -> dict[str, Row]:
    """Tasks by id, without payloads."""
    return {one["task_id"]: read(one) for one in await pick(tx.sql, _ROWS, task_ids)}


async def canonical(sql: AsyncConnection, task_ids: Iterable[str]) -> dict[str, str]:
    """The tasks' ids of those that are aliases."""
    return {one["alias"]: one["task_id"] for one in await pick(sql, _ALIASES, task_ids)}


async def facts(
    tx: Writing, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> tuple[rules.Facts, dict[str, Row], set[str]]:
    """What decides about new tasks.

    With the rows that were loaded for it, and the holders of keys that have no record any more.
    """
    wanted = rules.needs(groups, limits)
    owners = {task.owner for group in groups for task in group if task.owner is not None}
    alive = {one["instance_id"] for one in await pick(tx.sql, _ALIVE, owners)}
    of = await canonical(tx.sql, [*wanted.ids, *wanted.retried])
    await turns.lock(tx, wanted.turns)
    mates = await turns.mates(tx, wanted.turns)
    beside = (one for ids in mates.values() for one in ids)
    rows = await load(tx, {*wanted.ids, *wanted.retried, *of.values(), *beside})
    ordered = in_order(rows, mates)
    found = rules.facts_of(rows, of, {}, {}, alive, ordered)
    # Before any key, as in whatever ends tasks.
    await lock_batches(tx.sql, {row.batch_id for row in rows.values() if row.batch_id})
    retried = {one: found.originals.get(of.get(one, one)) for one in wanted.retried}
    for one in await pick(tx.sql, _HOLDERS, rules.keys_of(groups, retried)):
        tx.locked_keys.add(one["key"])
        if rules.is_held(one["expires_at"], tx.now):
            found.holders[one["key"]] = rules.Holder(one["task_id"], one["fingerprint"])
    holders = {one.task_id for one in found.holders.values() if one is not None}
    stored = {one["task_id"] for one in await pick(tx.sql, _STORED, holders)}
    found.waiting.update(await _waiting(tx, wanted.queues))
    return found, rows, holders - stored


async def lock_batches(sql: AsyncConnection, ids: Iterable[str]) -> list[Found]:
    """Batches by id, and that nobody changes them before this is over."""
    return await pick(sql, _BATCHES, ids)


async def parked(sql: AsyncConnection, batch_id: str) -> list[Row]:
    """The parked tasks of a chain."""
    return [read(one) for one in await find(sql, _PARKED, of=batch_id)]


def key_row(key: str, task_id: str, fingerprint: bytes | None, ttl: float) -> dict[str, Any]:
    """All columns of a key that a task takes; ``ttl`` in seconds."""
    return {
        "key": key,
        "task_id": task_id,
        "fingerprint": fingerprint,
        "ttl_micros": round(ttl * _MICROS_PER_SECOND),
        "expires_at": None,
    }


def in_order(rows: Mapping[str, Row], mates: Mapping[str, Iterable[str]]) -> dict[str, list[Row]]:
    """The rows of tasks by order key, as they came."""
    return {
        key: sorted((rows[one] for one in ids), key=attrgetter("arrival"))
        for key, ids in mates.items()
    }


async def _waiting(tx: Writing, queues: set[str]) -> dict[str, int]:
    """How many tasks wait in each of some queues. Nobody adds to them before this is over."""
    if not queues:
        return {}
    await enter(tx, [f"queue:{name}" for name in queues])
    return await count(tx, queues)


async def count(tx: Writing, queues: set[str]) -> dict[str, int]:
    """How many tasks wait in each of some queues; others may add to them meanwhile."""
    found = await pick(tx.sql, _WAITING, queues)
    return dict.fromkeys(queues, 0) | {one["queue"]: one["number"] for one in found}


async def enter(tx: Writing, names: Iterable[str]) -> None:
    """Wait until nobody else is behind these gates, and keep others out to the end.

    For what is decided by a count, or because something is not there: no row can be locked then.
    """
    wanted = sorted(names)
    there = {one["name"] for one in await pick(tx.sql, _GATES, wanted)}
    missing = [name for name in wanted if name not in there]
    if missing:
        made = tx.database.unless_there(t.gates, "name")
        await tx.sql.execute(made, [{"name": name} for name in missing])
        await pick(tx.sql, _GATES, wanted)


async def is_alive(tx: Writing, instance: str) -> bool:
    """Whether it has enlisted, and was not declared dead."""
    return bool(await pick(tx.sql, _ALIVE, [instance]))


async def paused(sql: AsyncConnection, names: Iterable[str]) -> set[str]:
    """Those of some queues that are paused."""
    found = await pick(sql, _SETTINGS, names)
    return {one["queue"] for one in found if is_paused(one["settings"])}


async def history(tx: Writing, task_ids: Iterable[str]) -> dict[Lease, bool]:
    """Of the leases of some tasks whose attempts are kept, whether they were late."""
    found = await pick(tx.sql, _HISTORY, task_ids)
    return {Lease(one["task_id"], one["fence"]): one["late"] for one in found}


async def claimed(tx: Writing, claim_id: str) -> list[Row]:
    """What is held under a claim and not started."""
    return [read(one) for one in await find(tx.sql, _CLAIMED, of=claim_id)]


async def owned(tx: Writing, instance: str, limit: int) -> list[Row]:
    """Tasks that an instance holds."""
    return [read(one) for one in await find(tx.sql, _OWNED, of=instance, most=limit)]
