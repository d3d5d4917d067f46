"""Instances, queue settings and the audit trail: small tables that operators look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi_taskflow.backends.base import InstanceInfo, Peer, Signals
from fastapi_taskflow.backends.rules.auditing import RECENT, linked
from fastapi_taskflow.backends.rules.pausing import is_kept
from fastapi_taskflow.backends.sqlite.salvage import written
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.models import AuditEntry

__all__ = [
    "BEAT",
    "SHOWN",
    "append_audit",
    "audit_page",
    "enlist",
    "instance_ids",
    "latest_shown",
    "retire",
    "set_queue",
    "signals",
]

BEAT = (
    "UPDATE @instances SET counter = counter + 1, lag = ?, running = ?, draining = ?"
    " WHERE id = ? AND dead = 0 RETURNING 1"
)

SHOWN = (
    "INSERT INTO @clock (id, at) VALUES (0, ?)"
    " ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)"
)
"""Notes a time that the store's clock has shown."""

_SHOWN = "SELECT at FROM @clock"
_ENLIST = (
    "INSERT INTO @instances (id, info, counter, lag, dead) VALUES (?, ?, 0, 0, 0)"
    " ON CONFLICT (id) DO UPDATE SET info = excluded.info"
)
_HOLDS = "SELECT 1 FROM @tasks WHERE owner = ? LIMIT 1"
_END = "UPDATE @instances SET dead = 1 WHERE id = ?"
_REMOVE = "DELETE FROM @instances WHERE id = ?"
_IDS = "SELECT id FROM @instances"
_PEERS = "SELECT id, info, counter, lag, running, draining FROM @instances ORDER BY id"
_ASKED = "SELECT id FROM @tasks WHERE owner = ? AND cancel_asked = 1"
_QUEUES = "SELECT name, settings FROM @queues"
_QUEUE = "SELECT settings FROM @queues WHERE name = ?"
_FORGET_QUEUE = "DELETE FROM @queues WHERE name = ?"
_SET_QUEUE = (
    "INSERT INTO @queues (name, settings, paused) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, paused = excluded.paused"
)
_AUDIT = Rows(
    "INSERT OR IGNORE INTO @audit (id, action, task_id, actor, at, detail, previous, hash)"
    " VALUES {rows}",
    8,
    padded=False,
)
# What stands in for what cannot be read of an instance. The time-to-live is the default.
_UNKNOWN: dict[str, Any] = {
    "instance_id": "",
    "host": "unknown",
    "pid": 0,
    "started_at": from_micros(0),
    "roles": frozenset(),
    "ttl": 20.0,
    "functions": frozenset(),
    "executors": {},
    "version": None,
}
_NAMES = frozenset({"roles", "functions"})
_PAGE = (
    "SELECT seq, id, action, task_id, actor, at, detail, previous, hash FROM @audit"
    " WHERE seq < ? ORDER BY seq DESC LIMIT ?"
)
_RECENT = f"SELECT id, hash FROM @audit ORDER BY seq DESC LIMIT {RECENT}"  # noqa: S608


def enlist(tx: Transaction, info: InstanceInfo) -> None:
    """Write an instance's row. Its life lock must be held already."""
    text = json.dumps(
        {
            "instance_id": info.instance_id,
            "host": info.host,
            "pid": info.pid,
            "started_at": to_micros(info.started_at),
            "roles": sorted(info.roles),
            "ttl": info.ttl,
            "functions": sorted(info.functions),
            "executors": dict(info.executors),
            "version": info.version,
        }
    )
    tx.run(_ENLIST, (info.instance_id, text))
    tx.fleet_changed()


def retire(tx: Transaction, instance: str) -> bool:
    """End an instance; True if its row is gone, False while tasks are still its own."""
    held = tx.one(_HOLDS, (instance,)) is not None
    tx.run(_END if held else _REMOVE, (instance,))
    tx.fleet_changed()
    return not held


def instance_ids(session: Session) -> list[str]:
    """All that have a row."""
    return [str(row[0]) for row in session.all(_IDS)]


def latest_shown(session: Session) -> int:
    """The latest time that is noted of the store's clock, in microseconds."""
    row = session.one(_SHOWN)
    return 0 if row is None else int(row[0])


def signals(session: Session, instance: str) -> Signals:
    """What others want an instance to know, see `Backend.signals`."""
    return Signals(
        cancel=tuple(row[0] for row in session.all(_ASKED, (instance,))),
        queues={name: _settings(settings) for name, settings in session.all(_QUEUES)},
        peers=tuple(_peer(*row) for row in session.all(_PEERS)),
    )


def _settings(text: Any) -> dict[str, Any]:
    """Stored settings; none where they are damaged: those of the code hold then."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if type(found) is dict else {}


def _peer(instance: str, info: Any, counter: Any, lag: Any, running: Any, draining: Any) -> Peer:
    """A damaged instance is still one whose tasks somebody must recover."""
    return Peer(
        _info(instance, _settings(info)),
        counter if isinstance(counter, int) else 0,
        lag if isinstance(lag, float) and math.isfinite(lag) else 0.0,
        running=running if isinstance(running, int) else 0,
        draining=draining == 1,
    )


def _info(instance: str, fields: dict[str, Any]) -> InstanceInfo:
    known: dict[str, Any] = {**_UNKNOWN, "instance_id": str(instance)}
    for name, stand_in in _UNKNOWN.items():
        found = fields.get(name)
        if name in _NAMES and isinstance(found, list):
            known[name] = frozenset(map(str, found))
        elif name == "started_at" and isinstance(found, int):
            known[name] = from_micros(found)
        elif name == "executors" and isinstance(found, dict):
            known[name] = {n: s for n, s in found.items() if s is None or type(s) is int}
        elif type(found) is type(stand_in) or (name == "version" and isinstance(found, str)):
            known[name] = found
    return InstanceInfo(**known)


def set_queue(tx: Transaction, queue: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Merge settings into the stored ones, see `Backend.set_queue`."""
    row = tx.one(_QUEUE, (queue,))
    merged: dict[str, Any] = (_settings(row[0]) if row else {}) | dict(settings)
    if not is_kept(queue, merged):
        tx.run(_FORGET_QUEUE, (queue,))
        return merged
    tx.run(_SET_QUEUE, (queue, json.dumps(merged), bool(merged.get("paused"))))
    return merged


def append_audit(tx: Transaction, entries: Sequence[AuditEntry]) -> list[None]:
    """Keep what operators did; an entry that is known already is not kept twice."""
    recent = tx.all(_RECENT)
    last = recent[0][1] if recent else ""
    new = linked(last, {one[0] for one in recent}, entries)
    tx.write(_AUDIT, [_row(one) for one in new])
    return [None] * len(entries)


def _row(one: AuditEntry) -> tuple[Any, ...]:
    at, detail = to_micros(one.timestamp), json.dumps(one.detail)
    return (
        *(one.entry_id, one.action, one.task_id, one.actor, at, detail),
        *(one.previous, one.hash),
    )


def audit_page(session: Session, limit: int, before: int) -> tuple[list[AuditEntry], str | None]:
    """Entries older than number ``before``, newest first, and the cursor of the next page."""
    rows = session.all(_PAGE, (before, limit + 1))
    page = rows[:limit]
    last = page[-1][0] if page else before
    return [_entry(row) for row in page], str(last) if len(rows) > limit else None


def _entry(row: Sequence[Any]) -> AuditEntry:
    _, entry_id, action, task_id, actor, at, detail, previous, own = row
    timestamp = from_micros(at if isinstance(at, int) else 0)
    told = _settings(detail)
    if not told and detail != "{}":
        told = {"damaged": written(detail)}
    names = str(entry_id), str(action), str(task_id), str(actor)
    return AuditEntry(*names, timestamp, told, str(previous), str(own))
