"""What verbs decide on, read from the tables and locked until the transaction ends.

Locks are taken in one order everywhere: tasks by id, then keys, then the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Lease, NewTask
from fastapi_taskflow.backends.rules.claiming import Look
from fastapi_taskflow.backends.rules.facts import (
    Facts,
    Holder,
    Known,
    Original,
    is_held,
    keys_of,
    needs,
)
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql.rowreading import HEAD, WHOLE, read_row
from fastapi_taskflow.backends.sql.selecting import IDS, selected
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import (
    aliases,
    attempts,
    instances,
    keys,
    queues,
    tasks,
)
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

__all__ = [
    "candidates",
    "canonical",
    "claimed",
    "facts_of",
    "history",
    "is_alive",
    "load",
    "owned",
    "paused",
]


def _locked(statement: Select[Any], *, skip: bool = False) -> Select[Any]:
    return statement.with_for_update(key_share=True, skip_locked=skip)


_ROWS = _locked(select(*HEAD).where(tasks.c.task_id.in_(IDS)).order_by(tasks.c.task_id))
_ALIASES = select(aliases.c.alias, aliases.c.task_id).where(aliases.c.alias.in_(IDS))
_HOLDERS = (
    select(keys, tasks.c.arrival)
    .outerjoin(tasks, tasks.c.task_id == keys.c.task_id)
    .where(keys.c.key.in_(IDS))
    .order_by(keys.c.key)
    .with_for_update(key_share=True, of=keys)
)
_WAITING = (
    select(tasks.c.queue, func.count())
    .where(tasks.c.queue.in_(IDS), tasks.c.waiting == true())
    .group_by(tasks.c.queue)
)
_ALIVE = select(instances.c.instance_id).where(
    instances.c.instance_id.in_(IDS), instances.c.alive == true()
)
_PAUSES = select(queues.c.queue, queues.c.settings).where(queues.c.queue.in_(IDS))
_HISTORY = select(attempts.c.task_id, attempts.c.fence, attempts.c.late).where(
    attempts.c.task_id.in_(IDS)
)
_CLAIMED = _locked(select(*WHOLE).where(tasks.c.claim_id == bindparam("of")))
_OWNED = _locked(
    select(*WHOLE)
    .where(tasks.c.owner == bindparam("of"))
    .order_by(tasks.c.task_id)
    .limit(bindparam("most"))
)


def _free(*, suspects: bool) -> Select[Any]:
    near = tasks.c.interruptions >= QUARANTINE_FROM
    return _locked(
        select(*WHOLE)
        .where(
            and_(tasks.c.queue == bindparam("queue"), tasks.c.free == true()),
            tasks.c.due_at <= bindparam("now"),
            tasks.c.func_name.in_(bindparam("functions", expanding=True)),
            near if suspects else ~near,
        )
        .order_by(tasks.c.place, tasks.c.due_at, tasks.c.arrival)
        .limit(bindparam("most")),
        skip=True,
    )


_FREE = {suspects: _free(suspects=suspects) for suspects in (False, True)}


async def load(tx: Writing, task_ids: Iterable[str]) -> dict[str, Row]:
    """Tasks by id, without payloads."""
    found = [read_row(one) for one in await selected(tx.sql, _ROWS, task_ids)]
    return {row.task_id: row for row in found}


async def canonical(sql: AsyncConnection, task_ids: Iterable[str]) -> dict[str, str]:
    """The tasks' ids of those that are aliases."""
    return {one["alias"]: one["task_id"] for one in await selected(sql, _ALIASES, task_ids)}


async def facts_of(
    tx: Writing, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> tuple[Facts, set[str]]:
    """What decides about new tasks; and which holders of keys have no record any more."""
    wanted = needs(groups, limits)
    of = await canonical(tx.sql, [*wanted.ids, *wanted.retried])
    rows = await load(tx, {*wanted.ids, *wanted.retried, *of.values()})
    originals = {task_id: _original(row) for task_id, row in rows.items()}
    retried = {one: originals.get(of.get(one, one)) for one in wanted.retried}
    found = await selected(tx.sql, _HOLDERS, keys_of(groups, retried))
    holders = {
        one["key"]: Holder(one["task_id"], one["fingerprint"])
        for one in found
        if is_held(one["expires_at"], tx.now)
    }
    waiting = {
        one["queue"]: one["count"] for one in await selected(tx.sql, _WAITING, wanted.queues)
    }
    owners = {task.owner for group in groups for task in group if task.owner is not None}
    facts = Facts(
        known={task_id: Known(row.status, row.born) for task_id, row in rows.items()},
        aliases={**of},
        originals={**originals},
        holders={**holders},
        waiting={queue: waiting.get(queue, 0) for queue in wanted.queues},
        alive={one["instance_id"] for one in await selected(tx.sql, _ALIVE, owners)},
    )
    return facts, {one["task_id"] for one in found if one["arrival"] is None}


def _original(row: Row) -> Original:
    return Original(
        row.task_id,
        row.status,
        row.retried_as,
        row.idempotency_key,
        row.fingerprint,
        row.queue,
        row.func_name,
    )


async def is_alive(tx: Writing, instance: str) -> bool:
    """Whether it has enlisted, and was not declared dead."""
    return bool(await selected(tx.sql, _ALIVE, [instance]))


async def paused(sql: AsyncConnection, names: Iterable[str]) -> set[str]:
    """Those of some queues that are paused."""
    found = await selected(sql, _PAUSES, names)
    return {one["queue"] for one in found if one["settings"].get("paused")}


async def history(tx: Writing, task_ids: Iterable[str]) -> dict[Lease, bool]:
    """Of the leases of some tasks whose attempts are kept, whether they were late."""
    found = await selected(tx.sql, _HISTORY, task_ids)
    return {Lease(one["task_id"], one["fence"]): one["late"] for one in found}


async def claimed(tx: Writing, claim_id: str) -> list[Row]:
    """What is held under a claim, and not started."""
    found = await tx.sql.execute(_CLAIMED, {"of": claim_id})
    return [read_row(one) for one in found.mappings()]


async def owned(tx: Writing, instance: str, limit: int) -> list[Row]:
    """Tasks that an instance holds."""
    found = await tx.sql.execute(_OWNED, {"of": instance, "most": limit})
    return [read_row(one) for one in found.mappings()]


async def candidates(tx: Writing, looks: Iterable[Look], functions: Iterable[str]) -> list[Row]:
    """Free and due tasks, as many as may be of use."""
    found: list[Row] = []
    for look in looks:
        values = {
            "queue": look.queue,
            "now": tx.now,
            "functions": sorted(functions),
            "most": look.most,
        }
        answer = await tx.sql.execute(_FREE[look.suspects], values)
        found += [read_row(one) for one in answer.mappings()]
    return found
