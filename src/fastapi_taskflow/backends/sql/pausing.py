"""What is paused, and the conditions by which claims pass over it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.rules.claiming import is_paused
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.statements import find

__all__ = ["PAUSED", "pauses", "unless_paused"]

# As `columns.Json` writes it; who says it otherwise has all of them read.
_SAID = sa.type_coerce(t.queues.c.settings, sa.Text)
PAUSED = sa.and_(_SAID.contains('"paused": '), ~_SAID.contains('"paused": false'))
"""Settings that may pause something."""

_ALL = sa.select(t.queues.c.queue, t.queues.c.settings)


async def pauses(sql: AsyncConnection) -> Pauses:
    """All that is paused."""
    found = await find(sql, _ALL)
    return Pauses.of(one["queue"] for one in found if is_paused(one["settings"]))


def unless_paused(pauses: Pauses) -> list[sa.ColumnElement[bool]]:
    """Conditions that leave out tasks with these keys and tags."""
    key, found = t.tasks.c.order_key, list[sa.ColumnElement[bool]]()
    if pauses.keys:
        found.append(sa.or_(key.is_(None), key.not_in(sorted(pauses.keys))))
    # One value looked up by the primary key for each task. What can be made a join is one, and a
    # planner that does not know yet how many have the tag then compares each with each.
    for name, paused in sorted(pauses.tags):
        mine = t.tags.c.task_id == t.tasks.c.task_id, t.tags.c.name == name
        value = sa.select(t.tags.c.value).where(*mine).scalar_subquery()
        found.append(value.is_distinct_from(paused))
    return found
