"""What is shown of tasks. No answer needs one state of the store over several statements."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from fastapi_taskflow.backends import base
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.rules import looking
from fastapi_taskflow.backends.rules.rows import as_alias, read, shown
from fastapi_taskflow.backends.rules.sums import Sum, add_up, seconds_of
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.dialect import containing
from fastapi_taskflow.backends.sql.loading import BRIEF, HEAD, WHOLE, with_lines
from fastapi_taskflow.backends.sql.statements import IDS, OF, find, pick
from fastapi_taskflow.backends.sql.store import OnStore

__all__ = ["SqlReads"]

_BY_ID = sa.select(*WHOLE).where(t.tasks.c.task_id.in_(IDS))
_ATTEMPTS = (
    sa.select(*[t.attempts.c[name] for name in base.Attempt._fields])
    .where(t.attempts.c.task_id == OF)
    .order_by(t.attempts.c.arrival)
)
_DUE = sa.select(sa.func.min(t.tasks.c.due_at).label("due")).where(
    t.tasks.c.queue.in_(IDS), t.tasks.c.free == sa.true()
)
# One statement, so that nothing is folded between its two halves.
_ADDED = sa.union_all(
    sa.select(*[t.sums.c[name] for name in base.Tally._fields]).where(
        t.sums.c.grain == base.Grain.EVER
    ),
    sa.select(*[t.deltas.c[name] for name in base.Tally._fields]),
).subquery()
_TALLY = sa.select(
    *_ADDED.c[:3], *[sa.func.sum(column).label(column.name) for column in _ADDED.c[3:]]
).group_by(*_ADDED.c[:3])
_SUMS = sa.union_all(
    sa.select(*[t.sums.c[name] for name in Sum._fields])
    .where(t.sums.c.grain == OF, t.sums.c.ended > 0)
    .where(t.sums.c.second >= sa.bindparam("since"), t.sums.c.second < sa.bindparam("until")),
    sa.select(*[t.deltas.c[name] for name in Sum._fields]).where(t.deltas.c.ended > 0),
)

# No character comes after it, in the order of code points that all stores use.
_LAST = "\U0010ffff"


class SqlReads(OnStore, Reads):
    """Reads on a connection of their own."""

    async def get(self, task_ids: Sequence[str]) -> list[base.StoredTask | None]:
        if not task_ids:
            return []
        async with self._store.reading() as sql:
            of = await loading.canonical(sql, task_ids)
            rows = await pick(sql, _BY_ID, [of.get(one, one) for one in task_ids])
            found = await with_lines(sql, map(read, rows))
        return [
            as_alias(found[of[one]], one) if of.get(one) in found else found.get(one)
            for one in task_ids
        ]

    async def attempts(self, task_id: str) -> list[base.Attempt]:
        async with self._store.reading() as sql:
            of = await loading.canonical(sql, [task_id])
            found = await find(sql, _ATTEMPTS, of=of.get(task_id, task_id))
            return [base.Attempt(**one) for one in found]

    async def search(
        self,
        query: base.Query,
        *,
        limit: int,
        cursor: str | None = None,
        most_bytes: int | None = None,
    ) -> base.Page:
        before = [] if cursor is None else [t.tasks.c.arrival < looking.parse_cursor(cursor)]
        wanted = sa.select(*(BRIEF if most_bytes is None else HEAD))
        wanted = wanted.where(*_conditions(query), *before)
        async with self._store.reading() as sql:
            found = await find(sql, wanted.order_by(t.tasks.c.arrival.desc()).limit(limit + 1))
            rows = [read(one) for one in found]
            logged = {} if most_bytes is None else await with_lines(sql, rows)
        tasks_shown = [(row.arrival, logged.get(row.task_id) or shown(row)) for row in rows]
        return looking.page_of(tasks_shown, limit=limit, most_bytes=most_bytes)

    async def count(self, query: base.Query, *, cap: int = 10_000) -> int:
        wanted = sa.select(t.tasks.c.arrival).where(*_conditions(query)).limit(cap).subquery()
        async with self._store.reading() as sql:
            return (await sql.execute(sa.select(sa.func.count()).select_from(wanted))).scalar_one()

    async def tally(self) -> list[base.Tally]:
        async with self._store.reading() as sql:
            return [base.Tally(**one) for one in await find(sql, _TALLY)]

    async def rollups(self, query: base.RollupQuery) -> list[base.Rollup]:
        since, until = seconds_of(query)
        async with self._store.reading() as sql:
            found = await find(sql, _SUMS, of=query.grain, since=since, until=until)
        return add_up(query, [Sum(**one) for one in found])

    async def next_due(self, queues: Sequence[str]) -> float | None:
        if not queues:
            return None
        async with self._store.reading() as sql:
            paused = await loading.paused(sql, queues)
            found = await pick(sql, _DUE, {*queues} - paused)
        due = [one["due"] for one in found if one["due"] is not None]
        return (min(due) - self._store.clock.now()).total_seconds() if due else None


def _conditions(query: base.Query) -> list[sa.ColumnElement[bool]]:
    """All of them must hold."""
    found: list[sa.ColumnElement[bool]] = []
    if query.statuses:
        found.append(t.tasks.c.status.in_(query.statuses))
    exact = {"func_name": query.func_name, "queue": query.queue, "source": query.source}
    found += [t.tasks.c[name] == value for name, value in exact.items() if value is not None]
    if query.tag is not None:
        name, value = query.tag
        found.append(_tagged(t.tags.c.name == name, t.tags.c.value == value))
    if query.ending is not None:
        found.append(_ends(query.ending))
    if query.since is not None:
        found.append(t.tasks.c.created_at >= query.since)
    if query.until is not None:
        found.append(t.tasks.c.created_at < query.until)
    if query.text is not None:
        found.append(_says(query.text))
    return found


def _says(text: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        t.tasks.c.task_id.between(text, text + _LAST),
        t.tasks.c.func_name.between(text, text + _LAST),
        _tagged(t.tags.c.value == text),
        _ends(text),
        sa.and_(_among_newest(t.tasks, looking.ERRORS_WITHIN), containing(t.tasks.c.error, text)),
    )


def _tagged(*wanted: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(t.tags.c.task_id == t.tasks.c.task_id, *wanted)


def _ends(text: str) -> sa.ColumnElement[bool]:
    named: sa.Select[tuple[str]] = sa.select(t.aliases.c.task_id).where(
        t.aliases.c.ending == text, _among_newest(t.aliases, looking.ENDINGS_WITHIN)
    )
    return sa.or_(
        sa.and_(t.tasks.c.ending == text, _among_newest(t.tasks, looking.ENDINGS_WITHIN)),
        t.tasks.c.task_id.in_(named),
    )


def _among_newest(table: sa.Table, most: int) -> sa.ColumnElement[bool]:
    newest = sa.select(sa.func.max(table.alias().c.arrival)).scalar_subquery()
    return table.c.arrival > newest - most
