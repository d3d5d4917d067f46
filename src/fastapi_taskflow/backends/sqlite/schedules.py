"""Schedules in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    DueSchedules,
    ScheduleChange,
    Schedules,
    StoredSchedule,
)
from fastapi_taskflow.backends.rules.accepting import displaced_by, write
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.scheduling import answers, groups_of, heard
from fastapi_taskflow.backends.sqlite.admission import Terms
from fastapi_taskflow.backends.sqlite.applying import apply
from fastapi_taskflow.backends.sqlite.batchrows import follow_batches
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.loading import facts_of, load
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["SqliteSchedules"]

_MICROS_PER_SECOND = 1_000_000
_COLUMNS = "name, version, definition, state, payload, next_at"
_DUE = f"SELECT {_COLUMNS} FROM @schedules WHERE next_at <= ? ORDER BY next_at LIMIT ?"  # noqa: S608
_NEXT = "SELECT next_at FROM @schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1 OFFSET ?"
_PAGE = f"SELECT {_COLUMNS} FROM @schedules WHERE name > ? ORDER BY name LIMIT ?"  # noqa: S608
_FIND = Rows(f"SELECT {_COLUMNS} FROM @schedules WHERE name IN ({{rows}})", 1)  # noqa: S608
_VERSIONS = Rows("SELECT name, version FROM @schedules WHERE name IN ({rows})", 1)
_PUT = Rows(f"INSERT OR REPLACE INTO @schedules ({_COLUMNS}) VALUES {{rows}}", 6, padded=False)  # noqa: S608
_DROP = Rows("DELETE FROM @schedules WHERE name IN ({rows})", 1)


class SqliteSchedules(Schedules):
    """The verbs of schedules."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def due(self, *, limit: int) -> DueSchedules:
        now = self._handle.clock.micros()
        rows, following = await self._handle.store.reader.read(_due, now, limit)
        wait = None if following is None else (following - now) / _MICROS_PER_SECOND
        return DueSchedules(from_micros(now), wait, rows)

    async def find(self, names: Sequence[str]) -> list[StoredSchedule | None]:
        if not names:
            return []
        found = await self._handle.store.reader.read(_find, names)
        return [found.get(name) for name in names]

    async def page(self, *, limit: int, after: str = "") -> list[StoredSchedule]:
        return await self._handle.store.browser.read(_page, after, limit)

    async def change(
        self,
        changes: Sequence[ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        storable.check_groups([one.tasks for one in changes])
        terms = Terms(tuple((limits or {}).items()), key_ttl)
        return await self._handle.batch(_change, changes, terms, admits=True)


def _due(session: Session, now: int, limit: int) -> tuple[list[StoredSchedule], int | None]:
    rows = session.all(_DUE, (now, limit))
    # Those that were read are the first ones.
    following = session.one(_NEXT, (len(rows),))
    return [_schedule(row) for row in rows], None if following is None else following[0]


def _find(session: Session, names: Sequence[str]) -> dict[str, StoredSchedule]:
    return {row[0]: _schedule(row) for row in session.find(_FIND, names)}


def _page(session: Session, after: str, limit: int) -> list[StoredSchedule]:
    return [_schedule(row) for row in session.all(_PAGE, (after, limit))]


def _schedule(row: Sequence[Any]) -> StoredSchedule:
    """A damaged one has texts that say nothing, and nobody runs it."""
    name, version, definition, state, payload, next_at = row
    return StoredSchedule(
        str(name),
        version if type(version) is int else 0,
        definition if type(definition) is str else "",
        state if type(state) is str else "",
        payload if type(payload) is bytes else None,
        _moment(next_at),
    )


def _moment(value: Any) -> datetime | None:
    return moment(value) if type(value) is int else None


def _change(
    tx: Transaction, terms: Terms, changes: Sequence[ScheduleChange]
) -> list[tuple[Admission, ...] | None]:
    limits = dict(terms.limits)
    versions = dict(tx.find(_VERSIONS, [one.name for one in changes]))
    fits = heard(versions, changes)
    groups = groups_of(changes, fits)
    desk, plan = Desk(facts_of(tx, groups, limits), limits, tx.present), tx.plan()
    admitted = [desk.judge(group) for group in groups]
    rows = load(tx, displaced_by(desk.draft))
    write(plan, desk.draft, rows, lead=tx.lead, key_ttl=terms.key_ttl, unstored=())
    follow_batches(tx, plan)
    apply(tx, plan, rows)
    kept = {one.name: one.schedule for one, is_heard in zip(changes, fits, strict=True) if is_heard}
    tx.write(_DROP, [(name,) for name, schedule in kept.items() if schedule is None])
    tx.write(_PUT, [_values(schedule) for schedule in kept.values() if schedule is not None])
    return answers(changes, fits, admitted)


def _values(one: StoredSchedule) -> tuple[Any, ...]:
    next_at = None if one.next_at is None else to_micros(one.next_at)
    return one.name, one.version, one.definition, one.state, one.payload, next_at
