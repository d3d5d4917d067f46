"""All that tasks hold, as it is stored, for whoever encrypts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi_taskflow.backends.base import Attempt
from fastapi_taskflow.backends.base import rotation as port
from fastapi_taskflow.backends.rediskeys.applying import ATTEMPTS
from fastapi_taskflow.backends.rediskeys.documents import dumped, loaded
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.rows import WHOLE, row
from fastapi_taskflow.backends.rediskeys.unit import OnStore
from fastapi_taskflow.backends.rules.looking import parse_cursor

__all__ = ["RedisRotation"]

_LOGS = port.ContentField.LOGS


class RedisRotation(OnStore, port.Rotation):
    """Contents of tasks."""

    async def contents(self, *, limit: int, cursor: str | None = None) -> port.Contents:
        after = "-inf" if cursor is None else f"({parse_cursor(cursor)}"
        store = self._store
        how = after, "+inf", "WITHSCORES", "LIMIT", 0, limit + 1
        (page,) = await store.read(("ZRANGEBYSCORE", store.key("all"), *how))
        ids = texts(page[: 2 * limit : 2])
        found = await store.read(
            *[("HMGET", store.key(f"task:{one}"), *WHOLE) for one in ids],
            *[("LRANGE", store.key(f"attempts:{one}"), 0, -1) for one in ids],
            *[("LRANGE", store.key(f"lines:{one}"), 0, -1) for one in ids],
        )
        rows, rest = found[: len(ids)], found[len(ids) :]
        held: list[port.Content] = []
        for number, task_id in enumerate(ids):
            held += _held(task_id, rows[number], rest[number], rest[number + len(ids)])
        more = str(int(page[2 * limit - 1])) if len(page) > 2 * limit else None
        return port.Contents(held, more)

    async def rewrite(self, changes: Sequence[port.Rewrite]) -> list[bool]:
        return [await self._rewrite(one.content, one.value) for one in changes]

    async def _rewrite(self, content: port.Content, value: Any) -> bool:
        unit, task_id, key = await self._unit(), content.task_id, self._store.key
        await unit.load([task_id], fields=WHOLE)
        one = unit.rows.get(task_id)
        if one is None:
            return False
        name = content.field.value
        if content.field is _LOGS or content.number:
            kind = "lines" if content.field is _LOGS else "attempts"
            (stored,) = await self._store.read(("LRANGE", key(f"{kind}:{task_id}"), 0, -1))
            place, text = _replaced(content, stored, value)
            if text is None:
                return False
            unit.touch(task_id)
            unit.do("LSET", f"{kind}:{task_id}", place, text)
        elif getattr(one, name) == content.value:
            setattr(one, name, value)
            unit.put(one, [name])
        else:
            return False
        await unit.commit()
        return True


def _replaced(content: port.Content, stored: Sequence[bytes], value: Any) -> tuple[int, str | None]:
    """Where in a list another text goes, and that; None: it is not what was read any more."""
    if content.field is _LOGS:
        place = content.number - 1
        fits = place < len(stored) and loaded(stored[place]) == list(content.value)
        return place, dumped(list(value)) if fits else None
    for place, attempt in enumerate(map(ATTEMPTS.read, stored)):
        if attempt is not None and attempt.fence == content.number:
            fits = getattr(attempt, content.field.value) == content.value
            return place, _with(attempt, content.field.value, value) if fits else None
    return 0, None


def _with(attempt: Attempt, name: str, value: Any) -> str:
    return ATTEMPTS.text(attempt._replace(**{name: value}))


def _held(
    task_id: str, values: Sequence[Any], attempts: Sequence[bytes], lines: Sequence[bytes]
) -> list[port.Content]:
    """What a task has, its own first."""
    if values[0] is None:
        return []
    kept: list[tuple[int, Any]] = [(0, row(task_id, WHOLE, values))]
    kept += [(one.fence, one) for one in map(ATTEMPTS.read, attempts) if one is not None]
    found = [
        port.Content(task_id, field, number, value)
        for number, one in kept
        for field in port.ContentField
        if field is not _LOGS and (value := getattr(one, field.value, None))
    ]
    told = [(number, loaded(raw)) for number, raw in enumerate(lines, 1)]
    return found + [port.Content(task_id, _LOGS, n, tuple(each)) for n, each in told if each]
