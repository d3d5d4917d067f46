"""What can be told of a store beside its tasks: of its file, its tables, and of what goes round."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from fastapi_taskflow.backends.base import Backend, Finding, Level, Query
from fastapi_taskflow.backends.sqlite import fleet
from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.faults import translated
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.older import command_for, left_over
from fastapi_taskflow.backends.sqlite.onlookers import check_readable, check_there
from fastapi_taskflow.backends.sqlite.placecheck import examine_place
from fastapi_taskflow.backends.sqlite.reading import NEWEST, search
from fastapi_taskflow.backends.sqlite.schema import FREE, VERSION
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.versions import missing
from fastapi_taskflow.backends.sqlite.vitals import vitals
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, from_micros
from fastapi_taskflow.words.counting import plural

__all__ = ["Examined"]

# Two machines never share a file, so one clock wrote all times; this is rounding and haste.
_AHEAD = timedelta(seconds=5)

_LATE = "SELECT count(*) FROM @attempts WHERE late"
# What has never started and was claimed twice; sealed forms begin as `crypto` says.
_SEALED = "(substr(payload, 1, 4) = x'74666531' OR substr(payload, 1, 5) = x'6741414141')"
_UNOPENED = (
    "SELECT count(*) FROM @tasks WHERE state = 0 AND owner IS NULL AND start_at IS NULL"  # noqa: S608
    f" AND fence > 1 AND {_SEALED}"
)
# What has never started, was claimed when it was due, and is due later again.
_UNREAD = (
    f"SELECT func, count(*) FROM @tasks WHERE {FREE} AND start_at IS NULL AND fence > born"  # noqa: S608
    f" AND due_at > ? AND NOT coalesce({_SEALED}, 0) GROUP BY func ORDER BY func"
)


class Examined(Backend):
    """A backend that tells what it finds of the store behind its handle."""

    _handle: Handle

    async def vitals(self) -> list[Finding]:
        return await asyncio.to_thread(vitals, self._handle.database)

    def examine(self) -> Iterator[Finding]:
        return _examine(self._handle.database)


def _examine(database: Database) -> Iterator[Finding]:
    """All findings; a gigabyte takes a second or so."""
    database = database.resolved()
    check_there(database.path)
    yield from examine_place(database.path)
    yield from vitals(database)
    try:
        with closing(database.onlooker()) as connection:
            session = Session(connection, database.texts)
            check_readable(session, database)
            yield _schema(session, database)
            yield from _older(session, database)
            yield _integrity(session, database)
            yield from _circling(session)
            yield from _late(session)
            yield _clock(session)
    except sqlite3.Error as exc:
        raise translated(exc, database.path) from exc


def _schema(session: Session, database: Database) -> Finding:
    gone = missing(session, database.texts.prefix)
    if gone:
        return Finding(
            "schema",
            Level.PROBLEM,
            f"Schema version {VERSION}, but somebody has removed {', '.join(gone)}",
            "Restore a backup, or move what is left into a new store: an index can be made "
            "again by hand (`.schema` of a new store shows how), a table's content is lost.",
        )
    return Finding("schema", Level.OK, f"Schema version {VERSION}")


def _older(session: Session, database: Database) -> Iterator[Finding]:
    found = left_over(session, database.texts.prefix)
    if found is not None:
        yield Finding(
            "older",
            Level.WARNING,
            f"The file holds a store of the older fastapi-taskflow ({found}), which is not used",
            f"Stop the app, and take it over with `{command_for(database.path)}`.",
        )


def _integrity(session: Session, database: Database) -> Finding:
    was_still = database.is_still
    damage = _damage(session)
    if damage and was_still and not database.is_still:
        # Somebody has begun to write meanwhile, and some of that was seen halfway.
        with closing(database.onlooker()) as connection:
            damage = _damage(Session(connection, database.texts))
    if not damage:
        return Finding("integrity", Level.OK, "Nothing in the file is damaged")
    return Finding(
        "integrity",
        Level.PROBLEM,
        f"The file is damaged: {damage[0]}"
        + (f" (and {len(damage) - 1} more)" * (len(damage) > 1)),
        "Stop all processes, keep a copy, and restore a backup; or save what can be read with "
        "`sqlite3 FILE .recover | sqlite3 NEW`.",
    )


def _damage(session: Session) -> list[str]:
    try:
        lines = [str(row[0]) for row in session.all("PRAGMA quick_check(20)")]
    except sqlite3.Error as exc:
        return [str(exc)]
    return [] if lines == ["ok"] else lines


def _circling(session: Session) -> Iterator[Finding]:
    """Tasks that instances take and give back, again and again."""
    ((unopened,),) = session.all(_UNOPENED)
    if unopened:
        yield Finding(
            "encryption",
            Level.WARNING,
            f"{plural(unopened, 'encrypted task')} waiting, which instances took and gave back: "
            "most likely none of them has the key",
            "Give every instance all keys that are in use (`encrypt_args_key=[new, old]`); "
            "`rotate-keys` tells which tasks no key opens.",
        )
    for name, count in session.all(_UNREAD, (SYSTEM_CLOCK.micros(),)):
        yield Finding(
            "unreadable",
            Level.WARNING,
            f"{plural(count, 'task')} waiting for {name!r}, which instances took and gave back: "
            "most likely their arguments are those of another version of the app",
            "`/tasks/functions` and the app's log say why. Start a version that takes them, or "
            f"cancel them: `tasks list --func-name {name} --status pending`.",
        )


def _late(session: Session) -> Iterator[Finding]:
    ((count,),) = session.all(_LATE)
    if count:
        yield Finding(
            "late",
            Level.NOTE,
            f"{plural(count, 'end')} of attempts came after their instance had been taken for "
            "dead, and changed nothing",
            "Look at them with `tasks show`. If there are ever more: something pauses processes "
            "longer than `instance_ttl`.",
        )


def _clock(session: Session) -> Finding:
    now = SYSTEM_CLOCK.now()
    # Tasks and instances of today say nothing of a clock that was right until yesterday.
    times = [from_micros(fleet.latest_shown(session))]
    times += [peer.info.started_at for peer in fleet.signals(session, "").peers]
    times += [task.record.created_at for task in search(session, Query(), 1, NEWEST).tasks]
    newest = max(times)
    if newest - now > _AHEAD:
        return Finding(
            "clock",
            Level.PROBLEM,
            f"The store has times up to {newest.isoformat(timespec='seconds')}, and this clock "
            f"says {now.isoformat(timespec='seconds')}: it was set back",
            "Set the clock right (NTP). Tasks run all the same; the store shows times of its own, "
            "which go on from the latest, until the clock has caught up.",
        )
    return Finding("clock", Level.OK, "Not behind what the store has seen")
