"""A claim as one statement, where a database can: the first of the due tasks of one queue.

That is all there is to decide if nothing is paused, limited or aged, and none of them is suspect.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.rules.rows import Row, read
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.candidates import due, is_near
from fastapi_taskflow.backends.sql.columns import TEXT
from fastapi_taskflow.backends.sql.loading import WHOLE
from fastapi_taskflow.backends.sql.pausing import PAUSED
from fastapi_taskflow.backends.sql.statements import MOST, locked, shared
from fastapi_taskflow.backends.sql.store import Store

__all__ = ["take"]

_BY: sa.BindParameter[str] = sa.bindparam("by", type_=TEXT)
_CLAIM: sa.BindParameter[str] = sa.bindparam("claim", type_=TEXT)
_FUNCTIONS = sa.any_(sa.bindparam("functions", type_=ARRAY(TEXT, dimensions=1)))

_HERE = shared(
    sa.select(t.instances.c.instance_id).where(
        t.instances.c.instance_id == _BY, t.instances.c.alive == sa.true()
    )
).cte("here")
_IS_HERE = sa.select(sa.func.count() == 1).select_from(_HERE).scalar_subquery()
_FREE = locked(
    due([t.tasks.c.arrival, t.tasks.c.interruptions])
    .where(t.tasks.c.func_name == _FUNCTIONS, _IS_HERE)
    .limit(MOST),
    skip=True,
).cte("free")
_OK = sa.select(
    sa.and_(
        ~sa.exists().where(PAUSED),
        ~sa.exists().where(t.tasks.c.claim_id == _CLAIM),
        ~sa.exists().where(is_near(_FREE.c.interruptions)),
    ).label("ok")
).cte("ok")
_ARRIVALS: sa.Function[Any] = sa.func.array(
    sa.select(_FREE.c.arrival).scalar_subquery(), type_=ARRAY(sa.BigInteger, dimensions=1)
)
_TAKEN = (
    sa.update(t.tasks)
    .where(t.tasks.c.arrival == sa.any_(_ARRIVALS), sa.select(_OK.c.ok).scalar_subquery())
    .values(owner=_BY, claim_id=_CLAIM, fence=t.tasks.c.fence + 1, free=False)
    .returning(*WHOLE)
    .cte("taken")
)
_TAKE = sa.select(_OK.c.ok, *_TAKEN.c).select_from(_OK.outerjoin(_TAKEN, sa.true()))
_NAMES = [column.name for column in WHOLE]


async def take(store: Store, request: ClaimRequest) -> list[Row] | None:
    """What a request gets; None: it takes more to decide."""
    slots = {queue: number for queue, number in request.queues.items() if number > 0}
    if not store.database.fuses or len(slots) != 1 or request.limits or request.ageing:
        return None
    ((queue, number),) = slots.items()
    now, _ = await store.now()
    given = {
        "by": request.instance,
        "claim": request.claim_id,
        "of": queue,
        "functions": sorted(request.functions),
        "now": now,
        "most": min(number, request.limit),
    }
    found = await store.at_once(_TAKE, given)
    if not found[0].ok:
        return None
    rows = [dict(zip(_NAMES, tuple(one)[1:], strict=True)) for one in found]
    return [read(one) for one in rows if one["arrival"] is not None]
