"""Rows that somebody damaged: what can be read of them, and what cannot.

No release of this library writes such rows. Other programs, restored backups and failing
disks do, and one of them must not take the others from a list, a claim or a recovery.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Member, StoredTask
from fastapi_taskflow.backends.sqlite.duetimes import due_shown
from fastapi_taskflow.backends.sqlite.schema import CODES, STATES, status_of
from fastapi_taskflow.words.clock import from_micros
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.texts import clean, clip

__all__ = [
    "DAMAGED",
    "NAMES",
    "TaskRow",
    "is_sound",
    "member_of",
    "read_tags",
    "salvaged",
    "written",
]

DAMAGED = "Damaged in the store: "
"""Begins the error that a damaged task is shown with."""

_NOTHING = type(None)
_NUMBER = frozenset[type]({int})
_NUMBER_OR_NOT = frozenset[type]({int, _NOTHING})
_TEXT = frozenset[type]({str})
_TEXT_OR_NOT = frozenset[type]({str, _NOTHING})
# What the columns hold, and what stands in for anything else.
_COLUMNS: tuple[tuple[str, frozenset[type], Any], ...] = (
    ("id", _TEXT, None),
    ("func", _TEXT, None),
    ("state", _NUMBER, CODES[TaskStatus.INTERRUPTED]),
    ("created_at", _NUMBER, 0),
    ("start_at", _NUMBER_OR_NOT, None),
    ("end_at", _NUMBER_OR_NOT, None),
    ("retries_used", _NUMBER, 0),
    ("error", _TEXT_OR_NOT, None),
    ("stacktrace", _TEXT_OR_NOT, None),
    ("idempotency_key", _TEXT_OR_NOT, None),
    ("tags", _TEXT_OR_NOT, None),
    ("source", _TEXT, "unknown"),
    ("priority", _NUMBER_OR_NOT, None),
    ("executor", _TEXT_OR_NOT, None),
    ("queue", _TEXT, None),
    ("retry_of", _TEXT_OR_NOT, None),
    ("retried_as", _TEXT_OR_NOT, None),
    ("instance", _TEXT_OR_NOT, None),
    ("due_at", _NUMBER_OR_NOT, None),
    ("elapsed", frozenset[type]({float, _NOTHING}), None),
    ("payload", frozenset[type]({bytes, _NOTHING}), None),
    ("persist", _NUMBER, 0),
    ("requeue", _NUMBER, 0),
    ("failures", _NUMBER, 0),
    ("interruptions", _NUMBER, 0),
    ("fence", _NUMBER, 0),
    ("owner", _TEXT_OR_NOT, None),
    ("cancel_asked", _NUMBER, 0),
    ("progress", _TEXT_OR_NOT, None),
    ("emitted", _TEXT_OR_NOT, None),
    ("result", frozenset[type]({bytes, _NOTHING}), None),
    ("result_missing", _TEXT_OR_NOT, None),
    ("title", _TEXT_OR_NOT, None),
    ("summary", _TEXT_OR_NOT, None),
    ("order_key", _TEXT_OR_NOT, None),
    ("behind", _NUMBER, 0),
    ("batch_id", _TEXT_OR_NOT, None),
    ("batch_place", _NUMBER_OR_NOT, None),
    ("after", _TEXT_OR_NOT, None),
    ("failure", _TEXT_OR_NOT, None),
    ("seq", _NUMBER, 0),
)
NAMES = tuple(name for name, *_ in _COLUMNS)
"""The columns of a `TaskRow`, in their order."""
# What a task is called by is shown as far as it goes.
_NAMES = frozenset({"id", "func", "queue"})
# What a task is given and says is not for everybody who may ask how it is.
_CONTENTS = frozenset(
    {
        *("payload", "error", "stacktrace", "idempotency_key", "progress", "emitted", "result"),
        *("title", "summary"),
    }
)
_SHOWN = 100

TaskRow = Sequence[Any]
"""The columns of `rows.FULL` or `rows.BRIEF`."""

# Combinations of types that have been looked at before; there are few of them.
_sound: set[tuple[type, ...]] = set()


def is_sound(row: TaskRow) -> bool:
    """Every column holds what it should, as far as types go."""
    types = tuple(map(type, row))
    if types in _sound:
        return True
    if any(kind not in kinds for kind, (_, kinds, _) in zip(types, _COLUMNS, strict=True)):
        return False
    _sound.add(types)
    return True


def read_tags(text: str) -> dict[str, str]:
    """Stored tags.

    Raises:
        ValueError: they are no JSON object of text.
    """
    tags = json.loads(text)
    if type(tags) is not dict or not all(type(value) is str for value in tags.values()):
        raise ValueError(text)
    return tags


def salvaged(row: TaskRow, logs: list[str] | None) -> StoredTask:
    """What can be read of a row; its record's error says what cannot."""
    faults: list[str] = []
    values: dict[str, Any] = {}
    for value, (name, kinds, stand_in) in zip(row, _COLUMNS, strict=True):
        if type(value) in kinds:
            values[name] = value
        else:
            told = type(value).__name__ if name in _CONTENTS else written(value)
            faults.append(f"{name} is {told}")
            values[name] = _name(value) if name in _NAMES else stand_in
    if not 0 <= values["state"] < len(STATES):
        faults.append(f"state is {values['state']}")
    status = status_of(values["state"])
    tags = _tags(values["tags"], faults)
    elapsed = values["elapsed"]
    if elapsed is not None and not math.isfinite(elapsed):
        faults.append(f"elapsed is {elapsed}")
        elapsed = None
    if status is TaskStatus.PENDING and values["persist"] and values["due_at"] is None:
        faults.append("due_at is missing")
    damage = clip(", ".join(faults), 10 * _SHOWN)
    record = TaskRecord(
        values["id"], values["func"], status, (), {}, from_micros(values["created_at"]),
        _moment(values["start_at"]), _moment(values["end_at"]), values["retries_used"],
        f"{DAMAGED}{damage}", [] if logs is None else logs, values["stacktrace"],
        values["idempotency_key"], tags, None, values["source"], values["priority"],
        values["executor"], values["queue"], values["retry_of"], values["retried_as"], None,
        values["instance"], due_shown(values["due_at"]), elapsed, None, None,
        values["result_missing"], values["title"], values["summary"], values["order_key"],
        values["batch_id"], values["failure"],
    )  # fmt: skip
    return StoredTask(
        record, values["payload"], bool(values["persist"]), bool(values["requeue"]),
        values["failures"], values["interruptions"], values["fence"], values["owner"],
        bool(values["cancel_asked"]), False, damage, None, values["progress"],
        values["emitted"], values["result"], bool(values["behind"]),
        member_of(values["batch_id"], values["batch_place"], values["after"]),
    )  # fmt: skip


def member_of(batch_id: str | None, place: int | None, after: str | None) -> Member | None:
    """A task's part in a batch."""
    return None if batch_id is None else Member(batch_id, place, after)


def _tags(text: str | None, faults: list[str]) -> dict[str, str]:
    try:
        return read_tags(text) if text else {}
    except (ValueError, RecursionError):
        faults.append(f"tags are {written(text)}")
        return {}


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def written(value: Any) -> str:
    """A stored value of any type, for people: on one line, and cut."""
    if value is None:
        return "missing"
    return repr(value[:_SHOWN] if isinstance(value, str | bytes) else value)


def _name(value: Any) -> str:
    """Something to call a task by, whatever stands there."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return clean(text)[:_SHOWN] or "?"
