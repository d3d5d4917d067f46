"""What verbs decide on, read from the tables and locked until the transaction ends.

Locks are taken in one order everywhere: tasks by id, then keys, then the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Lease, NewTask, StoredTask
from fastapi_taskflow.backends.rules import facts as rules
from fastapi_taskflow.backends.rules.claiming import Look, is_paused, order, rank
from fastapi_taskflow.backends.rules.looking import ending_of
from fastapi_taskflow.backends.rules.rows import Row, read, shown
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.statements import IDS, MOST, NOW, OF, find, locked, pick
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

WHOLE = [t.tasks.c[name] for name in Row.__dataclass_fields__ if name in t.tasks.c]
HEAD = [column for column in WHOLE if column.name != "payload"]
BRIEF = [column for column in HEAD if column.name != "stacktrace"]

_GIVEN = [column for column in WHOLE if column.name != "arrival"]
_LINES = (
    sa.select(t.lines.c.task_id, t.lines.c.lines)
    .where(t.lines.c.task_id.in_(IDS))
    .order_by(t.lines.c.number)
)
_ROWS = locked(sa.select(*HEAD).where(t.tasks.c.task_id.in_(IDS)).order_by(t.tasks.c.task_id))
_ALIASES = sa.select(t.aliases.c.alias, t.aliases.c.task_id).where(t.aliases.c.alias.in_(IDS))
_HOLDERS = (
    sa.select(t.keys, t.tasks.c.arrival)
    .outerjoin(t.tasks, t.tasks.c.task_id == t.keys.c.task_id)
    .where(t.keys.c.key.in_(IDS))
    .order_by(t.keys.c.key)
    .with_for_update(key_share=True, of=t.keys)
)
_WAITING = (
    sa.select(t.tasks.c.queue, sa.func.count().label("number"))
    .where(t.tasks.c.queue.in_(IDS), t.tasks.c.waiting == sa.true())
    .group_by(t.tasks.c.queue)
)
_ALIVE = sa.select(t.instances.c.instance_id).where(
    t.instances.c.instance_id.in_(IDS), t.instances.c.alive == sa.true()
)
_SETTINGS = sa.select(t.queues.c.queue, t.queues.c.settings).where(t.queues.c.queue.in_(IDS))
_HISTORY = sa.select(t.attempts.c.task_id, t.attempts.c.fence, t.attempts.c.late).where(
    t.attempts.c.task_id.in_(IDS)
)
_CLAIMED = locked(sa.select(*WHOLE).where(t.tasks.c.claim_id == OF).order_by(t.tasks.c.task_id))
_OWNED = locked(
    sa.select(*WHOLE).where(t.tasks.c.owner == OF).order_by(t.tasks.c.task_id).limit(MOST)
)


def _free(*, suspects: bool) -> sa.Select[tuple[object, ...]]:
    near = t.tasks.c.interruptions >= QUARANTINE_FROM
    return locked(
        sa.select(*WHOLE)
        .where(t.tasks.c.queue == sa.bindparam("queue"), t.tasks.c.free == sa.true())
        .where(t.tasks.c.due_at <= NOW, near if suspects else ~near)
        .where(t.tasks.c.func_name.in_(IDS))
        .order_by(t.tasks.c.place, t.tasks.c.due_at, t.tasks.c.arrival)
        .limit(MOST),
        skip=True,
    )


_FREE = {suspects: _free(suspects=suspects) for suspects in (False, True)}


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
            logs[one["task_id"]] += map(str, one["lines"])
    return {task_id: shown(row, logs[task_id]) for task_id, row in kept.items()}


async def load(tx: Writing, task_ids: Iterable[str]) -> dict[str, Row]:
    """Tasks by id, without payloads."""
    return {one["task_id"]: read(one) for one in await pick(tx.sql, _ROWS, task_ids)}


async def canonical(sql: AsyncConnection, task_ids: Iterable[str]) -> dict[str, str]:
    """The tasks' ids of those that are aliases."""
    return {one["alias"]: one["task_id"] for one in await pick(sql, _ALIASES, task_ids)}


async def facts(
    tx: Writing, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> tuple[rules.Facts, set[str]]:
    """What decides about new tasks; and which holders of keys have no record any more."""
    wanted = rules.needs(groups, limits)
    of = await canonical(tx.sql, [*wanted.ids, *wanted.retried])
    rows = await load(tx, {*wanted.ids, *wanted.retried, *of.values()})
    waiting = dict.fromkeys(wanted.queues, 0)
    waiting |= {one["queue"]: one["number"] for one in await pick(tx.sql, _WAITING, waiting)}
    owners = {task.owner for group in groups for task in group if task.owner is not None}
    alive = {one["instance_id"] for one in await pick(tx.sql, _ALIVE, owners)}
    found = rules.facts_of(rows, of, {}, waiting, alive)
    retried = {one: found.originals.get(of.get(one, one)) for one in wanted.retried}
    unstored = set()
    for one in await pick(tx.sql, _HOLDERS, rules.keys_of(groups, retried)):
        if rules.is_held(one["expires_at"], tx.now):
            found.holders[one["key"]] = rules.Holder(one["task_id"], one["fingerprint"])
            if one["arrival"] is None:
                unstored.add(one["task_id"])
    return found, unstored


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
    """What is held under a claim and not started, in its order."""
    return sorted(map(read, await find(tx.sql, _CLAIMED, of=claim_id)), key=order)


async def owned(tx: Writing, instance: str, limit: int) -> list[Row]:
    """Tasks that an instance holds."""
    return [read(one) for one in await find(tx.sql, _OWNED, of=instance, most=limit)]


async def candidates(tx: Writing, looks: Iterable[Look], functions: Iterable[str]) -> list[Row]:
    """Free and due tasks, as many as may be of use."""
    of = {"now": tx.now, "ids": sorted(functions)}
    return [
        read(one)
        for look in looks
        for one in await find(tx.sql, _FREE[look.suspects], queue=look.queue, most=look.most, **of)
    ]
