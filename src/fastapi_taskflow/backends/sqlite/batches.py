"""Batches in tables of their own."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    Batches,
    Callback,
    HeldCall,
    NewBatch,
    StoredBatch,
)
from fastapi_taskflow.backends.rules.accepting import displaced_by, write
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.batching import begin
from fastapi_taskflow.backends.rules.batchrows import shown
from fastapi_taskflow.backends.sqlite.admission import Terms
from fastapi_taskflow.backends.sqlite.applying import apply
from fastapi_taskflow.backends.sqlite.batchrows import COLUMNS, batch_row, follow_batches
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.loading import facts_of, load
from fastapi_taskflow.backends.sqlite.reading import NEWEST, parsed_cursor
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["SqliteBatches"]

# In one statement: what is counted and what runs is of one moment.
_SHOWN = (
    f"SELECT {COLUMNS}, (SELECT count(*) FROM @tasks AS t WHERE t.batch_id = b.id"
    " AND t.state = 1 AND t.batch_place IS NOT NULL), b.seq FROM @batches AS b"
)
_FIND = Rows(f"{_SHOWN} WHERE b.id IN ({{rows}})", 1)
_PAGE = f"{_SHOWN} WHERE b.seq < ? ORDER BY b.seq DESC LIMIT ?"
_KNOWN = Rows("SELECT id FROM @batches WHERE id IN ({rows})", 1)
_HELD = (
    "SELECT batch, kind, task_id, payload FROM @calls WHERE task_id > ? ORDER BY task_id LIMIT ?"
)
_RESEAL = "UPDATE @calls SET payload = ? WHERE batch = ? AND kind = ? AND payload = ?"


class SqliteBatches(Batches):
    """The verbs of batches."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def add(
        self,
        batches: Sequence[NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        storable.check_batches(batches)
        terms = Terms(tuple((limits or {}).items()), key_ttl)
        return await self._handle.batch(add, batches, terms, admits=True)

    async def find(self, batch_ids: Sequence[str]) -> list[StoredBatch | None]:
        if not batch_ids:
            return []
        found = await self._handle.store.reader.read(_find, batch_ids)
        return [found.get(one) for one in batch_ids]

    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[StoredBatch], str | None]:
        before = NEWEST if cursor is None else parsed_cursor(cursor)
        return await self._handle.store.browser.read(_page, limit, before)

    async def held(self, *, limit: int, after: str = "") -> list[HeldCall]:
        return await self._handle.store.browser.read(_held, limit, after)

    async def reseal(self, changes: Sequence[tuple[HeldCall, bytes]]) -> list[bool]:
        return await self._handle.batch(_reseal, changes)


def add(tx: Transaction, terms: Terms, batches: Sequence[NewBatch]) -> list[Admission]:
    """Store batches, see `Batches.add`."""
    limits, groups = dict(terms.limits), [one.tasks for one in batches]
    known = {row[0] for row in tx.find(_KNOWN, [one.batch_id for one in batches])}
    desk, plan = Desk(facts_of(tx, groups, limits), limits, tx.present), tx.plan()
    answers = [desk.judge(group) for group in groups]
    rows = load(tx, displaced_by(desk.draft))
    write(plan, desk.draft, rows, lead=tx.lead, key_ttl=terms.key_ttl, unstored=())
    begun = [
        begin(new, answer)
        for new, answer in zip(batches, answers, strict=True)
        if new.batch_id not in known
    ]
    follow_batches(tx, plan, {one.batch_id: one for one in begun if one is not None})
    apply(tx, plan, rows)
    return answers


def _find(session: Session, ids: Sequence[str]) -> dict[str, StoredBatch]:
    return {row[0]: shown(batch_row(row), row[-2]) for row in session.find(_FIND, ids)}


def _page(session: Session, limit: int, before: int) -> tuple[list[StoredBatch], str | None]:
    rows = session.all(_PAGE, (before, limit + 1))
    more = str(rows[limit - 1][-1]) if len(rows) > limit else None
    return [shown(batch_row(row), row[-2]) for row in rows[:limit]], more


def _held(session: Session, limit: int, after: str) -> list[HeldCall]:
    found: list[HeldCall] = []
    for batch_id, kind, task_id, payload in session.all(_HELD, (after, limit)):
        with suppress(ValueError):
            found.append(HeldCall(batch_id, Callback(kind), task_id, payload))
    return found


def _reseal(tx: Transaction, changes: Sequence[tuple[HeldCall, bytes]]) -> list[bool]:
    return [
        tx.run(_RESEAL, (new, one.batch_id, one.kind.value, one.payload)).rowcount > 0
        for one, new in changes
    ]
