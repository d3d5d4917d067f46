"""A verb as one statement, where a database can: it writes what was decided on what is known here.

It looks whether that still holds, and otherwise writes nothing: then the verb loads, and decides
again. It is a transaction by itself, so the server is asked once where loading and applying ask
it five times. The same rules decide; only plans of plain tasks are written so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql.applying import grown, is_news, made
from fastapi_taskflow.backends.sql.columns import TEXT, Text
from fastapi_taskflow.backends.sql.statements import locked, shared
from fastapi_taskflow.backends.sql.store import Store
from fastapi_taskflow.backends.sql.tables import aliases, instances, tasks

__all__ = ["Seen", "insert", "seen", "update"]

# All of it is one message: more goes in several.
_MOST_BYTES = 16_000_000

_MANY: sa.BindParameter[int] = sa.bindparam("many", type_=sa.BigInteger)
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", type_=ARRAY(TEXT, dimensions=1))
_OWNERS: sa.BindParameter[Any] = sa.bindparam("owners", type_=ARRAY(TEXT, dimensions=1))
# Said of each table by itself: no plan may hang on how large it was when that was made.
_IS_NAMED = tasks.c.task_id == sa.any_(_IDS)


class Seen(NamedTuple):
    """What others may change of a task that is held."""

    fence: int
    status: object
    cancel_asked: bool


def seen(rows: Mapping[str, Row]) -> dict[str, Seen]:
    """Of rows that no plan has changed yet."""
    return {one: Seen(row.fence, row.status, row.cancel_asked) for one, row in rows.items()}


async def update(store: Store, plan: Plan, before: Mapping[str, Seen]) -> bool:
    """Write the changes of tasks, if all are held and as they were; False: nothing was done.

    Args:
        before: The tasks that the plan was made from.
    """
    alike = {tuple(sorted(values)) for values in plan.changed.values()}
    if len(alike) != 1 or plan.changed.keys() != before.keys() or plan.inserted or _is_more(plan):
        return False
    (changed,) = alike
    ids = list(before)
    rows = [(one, *before[one], *map(plan.changed[one].get, changed)) for one in ids]
    given = {"many": len(ids), "ids": ids, **_columns("changed", rows)}
    return await _written(store, plan, changed, given)


async def insert(store: Store, plan: Plan, owners: Collection[str]) -> bool:
    """Write new tasks, if none of them is there; False: nothing was done.

    Args:
        owners: Instances that have some of them, if these are alive.
    """
    if plan.changed or _is_more(plan):
        return False
    given = {"many": len(owners), "owners": sorted(owners), "ids": list(plan.inserted)}
    return await _written(store, plan, None, given)


def _is_more(plan: Plan) -> bool:
    """It concerns more than its tasks, and what only grows."""
    keys = plan.taken, plan.kept, plan.freed, plan.aliases, plan.vacated
    others = plan.deleted, plan.ends, plan.revived, plan.batches, plan.told, plan.failures
    return any(keys) or any(others) or any(one.anew for one in plan.lines)


async def _written(
    store: Store, plan: Plan, changed: tuple[str, ...] | None, given: dict[str, Any]
) -> bool:
    found = [(table, rows) for table, rows in (*made(plan), *grown(plan)) if rows]
    for table, rows in found:
        given |= _columns(table.name, [tuple(one.values()) for one in rows])
    if _size(given) > _MOST_BYTES:
        return False
    names = [(table, tuple(rows[0])) for table, rows in found]
    statement = _statement(tuple(names), changed)
    ((ok,),) = await store.at_once(statement, given)
    if ok and is_news(plan):
        store.tell()
    return bool(ok)


def _size(given: Mapping[str, Any]) -> int:
    lists = (of for of in given.values() if type(of) is list)
    return sum(len(one) for of in lists for one in of if type(one) is bytes or type(one) is str)


def _columns(name: str, rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {f"{name}_{n}": list(of) for n, of in enumerate(zip(*rows, strict=True))}


@cache
def _statement(
    added: tuple[tuple[sa.Table, tuple[str, ...]], ...], changed: tuple[str, ...] | None
) -> sa.Select[tuple[bool]]:
    steps: list[sa.CTE] = []
    if changed is None:
        ok = _none_is_there()
    else:
        given = _rows("changed", [tasks.c[name] for name in ("task_id", *Seen._fields, *changed)])
        ok = _all_are_held(given)
        values = dict(zip(changed, list(given.c)[1 + len(Seen._fields) :], strict=True))
        update = sa.update(tasks).values(values).where(_IS_NAMED, _is(ok))
        steps.append(update.where(tasks.c.task_id == given.c[0]).cte("updated"))
    for table, names in added:
        given = _rows(table.name, [table.c[name] for name in names])
        rows = sa.select(*given.c).where(_is(ok))
        steps.append(sa.insert(table).from_select(list(names), rows).cte(f"into_{table.name}"))
    return sa.select(ok.c.ok).add_cte(*steps)


def _is(ok: sa.CTE) -> sa.ScalarSelect[bool]:
    return sa.select(ok.c.ok).scalar_subquery()


def _rows(name: str, columns: Iterable[sa.Column[Any]]) -> sa.TableValuedAlias:
    """Rows that are given by column."""
    kinds = [TEXT if isinstance(one.type, Text) else one.type for one in columns]
    arrays = [
        sa.bindparam(f"{name}_{n}", type_=ARRAY(kind, dimensions=1)) for n, kind in enumerate(kinds)
    ]
    named = [sa.column(f"c{n}", kind) for n, kind in enumerate(kinds)]
    return sa.func.unnest(*arrays).table_valued(*named, name=f"given_{name}").render_derived()


def _all_are_held(given: sa.TableValuedAlias) -> sa.CTE:
    """Locked, in the order of all locks."""
    task_id, *was = list(given.c)[: 1 + len(Seen._fields)]
    columns = [tasks.c[name] for name in ("task_id", *Seen._fields)]
    found = locked(
        sa.select(*columns).where(_IS_NAMED, tasks.c.owner.is_not(None)).order_by(tasks.c.task_id)
    ).cte("found")
    same = [found.c[name] == one for name, one in zip(Seen._fields, was, strict=True)]
    held = found.join(given, sa.and_(found.c.task_id == task_id, *same))
    return sa.select((sa.func.count() == _MANY).label("ok")).select_from(held).cte("ok")


def _none_is_there() -> sa.CTE:
    alive = shared(
        sa.select(instances.c.instance_id)
        .where(instances.c.instance_id == sa.any_(_OWNERS), instances.c.alive == sa.true())
        .order_by(instances.c.instance_id)
    ).subquery("alive")
    all_alive = sa.select(sa.func.count() == _MANY).select_from(alive).scalar_subquery()
    known = sa.exists().where(_IS_NAMED), sa.exists().where(aliases.c.alias == sa.any_(_IDS))
    return sa.select(sa.and_(all_alive, *[~one for one in known]).label("ok")).cte("ok")
