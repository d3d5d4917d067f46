"""What is shown of tasks. No answer needs one state of the store over several statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from fastapi_taskflow.backends import base
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.rules import looking
from fastapi_taskflow.backends.rules.rows import as_alias, read, shown
from fastapi_taskflow.backends.rules.sums import Sum, add_up, seconds_of
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.allowing import traffic
from fastapi_taskflow.backends.sql.failures import read_failures
from fastapi_taskflow.backends.sql.loading import BRIEF, HEAD, WHOLE, with_lines
from fastapi_taskflow.backends.sql.statements import IDS, NOW, OF, find, pick
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.words.models import TaskStatus

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
_FIRST = (
    sa.select(t.tasks.c.queue, t.tasks.c.due_at.label("since"))
    .where(t.tasks.c.queue == OF, t.tasks.c.free == sa.true(), t.tasks.c.due_at <= NOW)
    .order_by(t.tasks.c.due_at)
    .limit(1)
)
_SINCE = sa.func.coalesce(t.tasks.c.due_at, t.tasks.c.created_at)
_HELD = (
    sa.select(t.tasks.c.queue, sa.func.min(_SINCE).label("since"))
    .where(t.tasks.c.owner.is_not(None), t.tasks.c.status == TaskStatus.PENDING)
    .where(t.tasks.c.behind == sa.false(), _SINCE <= NOW)
    .group_by(t.tasks.c.queue)
)
# One statement, so that nothing is folded between its two halves.
_ADDED = sa.union_all(
    sa.select(*[t.sums.c[name] for name in base.Tally._fields]).where(
        t.sums.c.grain == base.Grain.EVER
    ),
    sa.select(*[t.deltas.c[name] for name in base.Tally._fields]),
).subquery()
_TALLY = sa.select(
    *_ADDED.c[:3],
    # A sum of whole numbers is no such number everywhere.
    *[
        sa.cast(sa.func.sum(_ADDED.c[name]), sa.BigInteger).label(name)
        for name in ("rows", "ended")
    ],
    sa.func.sum(_ADDED.c.seconds).label("seconds"),
).group_by(*_ADDED.c[:3])
_SUMS = sa.union_all(
    sa.select(*[t.sums.c[name] for name in Sum._fields])
    .where(t.sums.c.grain == OF, sa.or_(t.sums.c.ended > 0, t.sums.c.waited > 0))
    .where(t.sums.c.second >= sa.bindparam("since"), t.sums.c.second < sa.bindparam("until")),
    sa.select(*[t.deltas.c[name] for name in Sum._fields]).where(
        sa.or_(t.deltas.c.ended > 0, t.deltas.c.waited > 0)
    ),
)

_EXACT = "func_name", "queue", "source", "failure"

_LATEST = t.tasks.c.arrival.desc()

# No character comes after it, in the order of code points that all stores use.
_LAST = "\U0010ffff"
# As the index says, or a plan for any statuses could not use it.
_UNSUCCESSFUL = t.tasks.c.status != sa.literal_column("'SUCCESS'")


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
        if query.order_key is None:
            wanted = wanted.where(*self._conditions(query), *before)
        else:
            among = self._of_key(query, *before, most=limit + 1)
            wanted = wanted.join(among, among.c.arrival == t.tasks.c.arrival)
        async with self._store.reading() as sql:
            found = await find(sql, wanted.order_by(_LATEST).limit(limit + 1))
            rows = [read(one) for one in found]
            logged = {} if most_bytes is None else await with_lines(sql, rows)
        tasks_shown = [(row.arrival, logged.get(row.task_id) or shown(row)) for row in rows]
        return looking.page_of(tasks_shown, limit=limit, most_bytes=most_bytes)

    async def count(self, query: base.Query, *, cap: int = 10_000) -> int:
        if query.order_key is None:
            wanted = sa.select(t.tasks.c.arrival).where(*self._conditions(query))
        else:
            wanted = sa.select(self._of_key(query, most=cap).c.arrival)
        counted = wanted.limit(cap).subquery()
        async with self._store.reading() as sql:
            return (await sql.execute(sa.select(sa.func.count()).select_from(counted))).scalar_one()

    async def tally(self) -> list[base.Tally]:
        async with self._store.reading() as sql:
            return [base.Tally(**one) for one in await find(sql, _TALLY)]

    async def rollups(self, query: base.RollupQuery) -> list[base.Rollup]:
        since, until = seconds_of(query)
        async with self._store.reading() as sql:
            found = await find(sql, _SUMS, of=query.grain, since=since, until=until)
        return add_up(query, [Sum(**one) for one in found])

    async def failures(self, query: base.FailureQuery) -> list[base.FailureGroup]:
        async with self._store.reading() as sql:
            return await read_failures(sql, query)

    async def traffic(
        self, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
    ) -> base.Traffic:
        async with self._store.reading() as sql:
            found = await traffic(sql, order_keys, buckets, leased=leased, most=most)
        return found._replace(now=self._store.clock.now())

    async def waiting_since(self, queues: Sequence[str]) -> dict[str, datetime]:
        now = self._store.clock.now()
        async with self._store.reading() as sql:
            # One after the other, which reads one entry of the index each.
            free = [await find(sql, _FIRST, of=one, now=now) for one in queues]
            held = await find(sql, _HELD, now=now)
        found = [one for rows in (*free, held) for one in rows]
        # The first that is due in each comes last.
        found.sort(key=lambda one: one["since"], reverse=True)
        return {one["queue"]: one["since"] for one in found if one["queue"] in queues}

    async def next_due(self, queues: Sequence[str]) -> float | None:
        if not queues:
            return None
        async with self._store.reading() as sql:
            paused = await loading.paused(sql, queues)
            found = await pick(sql, _DUE, {*queues} - paused)
        due = [one["due"] for one in found if one["due"] is not None]
        return (min(due) - self._store.clock.now()).total_seconds() if due else None

    def _of_key(self, query: base.Query, *before: sa.ColumnElement[bool], most: int) -> sa.Subquery:
        """The numbers of the latest tasks of a key, so many of each state at the most.

        The index of turns has those of one state in order, however many there are.
        """
        states = query.statuses or frozenset(TaskStatus)
        standing = [(status, False) for status in sorted(states)]
        if TaskStatus.PENDING in states:
            standing.append((TaskStatus.PENDING, True))
        parts = [
            sa.select(t.tasks.c.arrival)
            .where(t.tasks.c.order_key == query.order_key, t.tasks.c.behind == sa.literal(behind))
            .where(t.tasks.c.status == status, *self._conditions(query), *before)
            .order_by(_LATEST)
            .limit(most)
            .subquery()
            for status, behind in standing
        ]
        return sa.union_all(*[sa.select(one.c.arrival) for one in parts]).subquery()

    def _conditions(self, query: base.Query) -> list[sa.ColumnElement[bool]]:
        """All of them must hold."""
        found: list[sa.ColumnElement[bool]] = []
        if query.statuses:
            found.append(t.tasks.c.status.in_(query.statuses))
            if TaskStatus.SUCCESS not in query.statuses:
                found.append(_UNSUCCESSFUL)
        exact = {name: getattr(query, name) for name in _EXACT}
        found += [t.tasks.c[name] == value for name, value in exact.items() if value is not None]
        if query.retried is not None:
            again = t.tasks.c.retried_as
            found.append(again.is_not(None) if query.retried else again.is_(None))
        if query.tag is not None:
            name, value = query.tag
            found.append(_tagged(t.tags.c.name == name, t.tags.c.value == value))
        if query.ending is not None:
            found.append(_ends(query.ending))
        if query.batch_id is not None:
            found.append(t.tasks.c.batch_id == query.batch_id)
        if query.since is not None:
            found.append(t.tasks.c.created_at >= query.since)
        if query.until is not None:
            found.append(t.tasks.c.created_at < query.until)
        if query.text is not None:
            found.append(self._says(query.text))
        return found

    def _says(self, text: str) -> sa.ColumnElement[bool]:
        told = t.tasks.c.error, t.tasks.c.title, t.tasks.c.summary
        said = sa.or_(*[self._store.database.containing(one, text) for one in told])
        return sa.or_(
            t.tasks.c.task_id.between(text, text + _LAST),
            t.tasks.c.func_name.between(text, text + _LAST),
            _tagged(t.tags.c.value == text),
            _ends(text),
            sa.and_(_among_newest(t.tasks, looking.ERRORS_WITHIN), said),
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
