"""From a row of the older package's store to a task of this one, or why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi_taskflow.backends.base import NewTask, Snapshot
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL
from fastapi_taskflow.words.texts import fit

__all__ = ["OlderRows", "Unusable"]

_LINE_BYTES = 16_384
_LOG_BYTES = 262_144
_LINES = 1_000
_ERROR_BYTES = 65_536
_NAME_CHARACTERS = 200
_INTEGERS = 2**31 - 1
_NOBODY = "unknown"
# How the values that JSON has no form for look as text; see `backends.sqlite.older`.
_REPR = re.compile(
    r"<[\w.]+(?: object)? at 0x[0-9a-f]+>|<[\w.]+: .*>|b'.*'"
    r"|(?:datetime\.\w+|Decimal|UUID|(?:Posix|Windows)Path)\(.*\)",
    re.DOTALL,
)


class Unusable(Exception):
    """Why a row cannot be taken over."""


class OlderRows:
    """Reads rows for one manager; its methods raise `Unusable`.

    Args:
        registry: Its functions, if they are known: arguments are stored as for them.
        max_bytes: Limit of a task's encoded arguments.
        owner: Of what has ended.
    """

    def __init__(self, registry: TaskRegistry, *, max_bytes: int, owner: str) -> None:
        self._registry = registry
        self._max_bytes = max_bytes
        self._owner = owner

    def waiting(self, row: Mapping[str, Any]) -> NewTask:
        """A durable task that may start at once, if its arguments are what was passed."""
        return self._task(row, self._payload(row))

    def ended(self, row: Mapping[str, Any]) -> Snapshot:
        """A task that has ended; without arguments where they cannot be read."""
        try:
            status = TaskStatus(row["status"])
        except ValueError as exc:
            raise Unusable(f"its state {row['status']!r:.40} is none") from exc
        if status not in TERMINAL:
            raise Unusable(f"it is {status.value}, which is no end")
        try:
            payload: bytes | None = self._payload(row)
        except Unusable:
            payload = None
        task = self._task(row, payload)._replace(
            persist=False, owner=self._owner, idempotency_key=row.get("idem_key")
        )
        end = _moment(row.get("end_time")) or _moment(row.get("snapshotted_at")) or task.created_at
        start = _moment(row.get("start_time"))
        if start is None and status is TaskStatus.SUCCESS:
            start = end  # what never started has no success, and holds no key
        retries = row.get("retries_used")
        if not isinstance(retries, int) or not 0 <= retries <= _INTEGERS:
            retries = 0
        error, stacktrace = row.get("error"), row.get("stacktrace")
        elapsed = row.get("duration")
        return Snapshot(
            task=task,
            status=status,
            start_time=start,
            end_time=end,
            due_at=None,
            retries_used=retries,
            failures=retries + (status is TaskStatus.FAILED),
            elapsed=max(0.0, elapsed) if isinstance(elapsed, float) else None,
            error=None if error is None else fit(str(error), _ERROR_BYTES),
            stacktrace=None if stacktrace is None else fit(str(stacktrace), _ERROR_BYTES),
            logs=_lines(row.get("logs_json")),
        )

    def lone_key(self, row: Mapping[str, Any]) -> Snapshot:
        """A record in place of the one that is missing, so that its key is held.

        Nobody knows for which work: whoever gives the key gets a conflict.
        """
        bare = {name: row[name] for name in ("task_id", "created_at", "idem_key")}
        ended = self.ended({**bare, "func_name": _NOBODY, "status": "success"})
        return ended._replace(task=ended.task._replace(payload=None, fingerprint=None))

    def _task(self, row: Mapping[str, Any], payload: bytes | None) -> NewTask:
        task_id, name = row["task_id"], row["func_name"]
        if not isinstance(task_id, str) or not 0 < len(task_id) <= 64:  # noqa: PLR2004
            raise Unusable("its id is none")
        if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARACTERS:
            raise Unusable("its function's name is none")
        priority = row.get("priority")
        usable = isinstance(priority, int) and abs(priority) <= _INTEGERS
        registered = self._registry.by_name(name)
        queue = row.get("queue")
        return NewTask(
            task_id,
            name,
            payload,
            queue if isinstance(queue, str) and queue else DEFAULT_QUEUE,
            _moment(row.get("created_at")) or datetime.now(UTC),
            priority=priority if usable else None,
            fingerprint=None if payload is None else codec.fingerprint(name, payload),
            requeue=registered is not None and registered.config.requeue_on_interrupt,
            source=str(row.get("source") or "manual")[:_NAME_CHARACTERS],
            executor=row.get("executor") or (None if registered is None else registered.executor),
        )

    def _payload(self, row: Mapping[str, Any]) -> bytes:
        if row.get("encrypted_payload") is not None:
            raise Unusable("its arguments are encrypted pickles, which are never opened")
        try:
            args = json.loads(row.get("args_json") or "[]")
            kwargs = json.loads(row.get("kwargs_json") or "{}")
        except (TypeError, ValueError, RecursionError) as exc:
            raise Unusable("its arguments are no JSON") from exc
        # A text or an object would go on as if its letters or names were what was passed.
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise Unusable("its arguments are no list, or its keyword arguments no object")
        if lost := _first_repr([*args, *kwargs.values()]):
            raise Unusable(f"an argument was not kept, only its repr: {lost!r:.80}")
        entry = self._registry.by_name(row["func_name"])
        limit = self._max_bytes
        try:
            if entry is not None:
                return self._registry.encode(entry, tuple(args), kwargs, max_bytes=limit)
            return codec.encode(tuple(args), kwargs, self._registry.types, max_bytes=limit)
        except TaskArgumentError as exc:
            raise Unusable(str(exc)) from exc


def _first_repr(values: list[Any]) -> str | None:
    while values:
        value = values.pop()
        if isinstance(value, str) and _REPR.fullmatch(value):
            return value
        if isinstance(value, list | dict):
            values += value.values() if isinstance(value, dict) else value
    return None


def _moment(text: Any) -> datetime | None:
    """A stored time; without an offset it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as exc:
        raise Unusable(f"{text!r:.40} is no time") from exc


def _lines(text: Any) -> tuple[str, ...]:
    """The newest lines of a stored log, as many as are kept."""
    try:
        lines = json.loads(text or "[]")
    except (TypeError, ValueError, RecursionError):
        return ()
    kept: list[str] = []
    room = _LOG_BYTES
    for line in reversed(lines[-_LINES:] if isinstance(lines, list) else []):
        shown = fit(str(line), _LINE_BYTES)
        room -= len(shown.encode("utf-8", "replace"))
        if room < 0:
            break
        kept.append(shown)
    return tuple(reversed(kept))
