"""A plan, written if all that it was made from is as it was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from fastapi_taskflow.backends.base import Attempt
from fastapi_taskflow.backends.rediskeys.batchrows import follow_batches
from fastapi_taskflow.backends.rediskeys.documents import Documents, dumped
from fastapi_taskflow.backends.rediskeys.failures import add_failures
from fastapi_taskflow.backends.rediskeys.turns import pass_on
from fastapi_taskflow.backends.rediskeys.unit import Unit
from fastapi_taskflow.backends.rules.batchrows import BatchRow
from fastapi_taskflow.backends.rules.looking import ending_of
from fastapi_taskflow.backends.rules.plan import Lines, Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.rules.sums import spans
from fastapi_taskflow.backends.rules.turns import gate_of
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.loglines import packed

__all__ = ["ATTEMPTS", "KEYS", "Key", "apply"]

_MICROS_PER_SECOND = 1_000_000


class Key(NamedTuple):
    """An idempotency key that somebody holds; times in microseconds."""

    task_id: str
    fingerprint: bytes | None
    ttl: int
    expires_at: int | None


ATTEMPTS, KEYS = Documents(Attempt), Documents(Key)


async def apply(
    unit: Unit, plan: Plan, *, new: Mapping[str, BatchRow] = MappingProxyType({})
) -> None:
    """Write all of it.

    Args:
        new: Batches that are stored now.
    """
    await follow_batches(unit, plan, new)
    held = {*plan.taken, *[one.key for one in (*plan.kept, *plan.freed)]}
    await unit.load((), {"keys": held}, new=len(plan.inserted))
    if plan.deleted:
        await _delete(unit, plan.deleted)
    for one in plan.inserted.values():
        unit.number(one)
    await pass_on(unit, plan)
    _write_rows(unit, plan)
    for alias, task_id in plan.aliases.items():
        _alias(unit, alias, plan.inserted.get(task_id) or unit.rows[task_id])
    _write_keys(unit, plan, held)
    for task_id, attempt in plan.attempts:
        unit.touch(task_id)
        unit.do("RPUSH", f"attempts:{task_id}", ATTEMPTS.text(attempt))
    for chunk in plan.lines:
        _append(unit, chunk)
    _count(unit, plan)
    add_failures(unit, plan)
    await unit.commit()


def _write_rows(unit: Unit, plan: Plan) -> None:
    for one in plan.inserted.values():
        if one.order_key is not None:
            unit.do("HSET", "gates", gate_of(one.order_key), unit.version)
        unit.put(one)
        unit.tells |= one.free
    for task_id, values in plan.changed.items():
        one = unit.rows[task_id]
        # All else is in the row already.
        one.retried_as = values.get("retried_as", one.retried_as)
        unit.put(one, values)
        unit.tells |= one.free or "cancel_asked" in values


async def _delete(unit: Unit, task_ids: Collection[str]) -> None:
    key = unit.store.key
    found = await unit.store.read(*[("SMEMBERS", key(f"aliases:{one}")) for one in task_ids])
    for task_id, aliases in zip(task_ids, found, strict=True):
        for raw in aliases:
            alias = raw.decode("utf-8", "surrogatepass")
            unit.do("HDEL", "aliases", alias)
            unit.remove(f"ending:{ending_of(alias)}", task_id)
        unit.delete(task_id)


def _alias(unit: Unit, alias: str, one: Row) -> None:
    task_id = one.task_id
    unit.touch(task_id)
    unit.do("HSET", "aliases", alias, task_id)
    unit.do("SADD", f"aliases:{task_id}", alias)
    ending = f"ending:{ending_of(alias)}"
    unit.add(ending, one.arrival, task_id)


def _write_keys(unit: Unit, plan: Plan, names: Iterable[str]) -> None:
    now = to_micros(plan.now)
    keys = {name: KEYS.read(unit.at["keys"][name]) for name in names}
    before = dict(keys)
    for name, new in plan.taken.items():
        ttl = round(new.ttl * _MICROS_PER_SECOND)
        keys[name] = Key(new.task_id, new.fingerprint, ttl, None)
    for held, is_kept in [(one, True) for one in plan.kept] + [(one, False) for one in plan.freed]:
        key = keys[held.key]
        if key is not None and key.task_id == held.task_id:
            keys[held.key] = key._replace(expires_at=now + key.ttl) if is_kept else None
    for name, key in keys.items():
        if key != before[name]:
            write_key(unit, name, key)


def write_key(unit: Unit, name: str, key: Key | None) -> None:
    """Somebody holds an idempotency key from now on; None: nobody does."""
    if key is None:
        unit.do("HDEL", "keys", name)
    else:
        unit.do("HSET", "keys", name, KEYS.text(key))
    if key is None or key.expires_at is None:
        unit.remove("expiring", name)
    else:
        unit.add("expiring", key.expires_at, name)


def _append(unit: Unit, chunk: Lines) -> None:
    task_id = chunk.task_id
    unit.touch(task_id)
    if chunk.anew:
        unit.do("UNLINK", f"lines:{task_id}")
    if chunk.lines:
        unit.do("RPUSH", f"lines:{task_id}", dumped(packed(chunk.lines)))


def _count(unit: Unit, plan: Plan) -> None:
    """Tasks by where they are, and what ended in each span of time."""
    for cell, number in plan.rows.items():
        unit.count("cells", dumped([*cell[:2], cell.status.name]), number)
    seconds = plan.seconds
    parts = spans(to_micros(plan.now) // _MICROS_PER_SECOND)
    for length, number in plan.ended.items():
        cell = length.cell
        name = dumped([*cell[:2], cell.status.name, length.bin])
        for grain, start in parts.items():
            span = f"span:{grain.name}:{start}"
            unit.count(span, f"n{name}", number)
            unit.do("HINCRBYFLOAT", span, f"s{name}", repr(seconds[length]))
    touched = dict.fromkeys(parts.items()) if plan.ended else {}
    for wait, number in plan.waited.items():
        cell = wait.cell
        name = dumped([*cell[:2], cell.status.name, wait.bin])
        for grain, start in spans(wait.minute).items():
            unit.count(f"span:{grain.name}:{start}", f"w{name}", number)
            touched[grain, start] = None
    for grain, start in touched:
        unit.add(f"spans:{grain.name}", start, start)
