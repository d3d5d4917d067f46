"""What verbs decide on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from fastapi_taskflow.backends.base import Claimed, Lease, NewTask, StoredTask
from fastapi_taskflow.backends.rediskeys.applying import ATTEMPTS, KEYS
from fastapi_taskflow.backends.rediskeys.documents import loaded
from fastapi_taskflow.backends.rediskeys.rows import WHOLE, lane_of, row, tag_set
from fastapi_taskflow.backends.rediskeys.scripts import CANDIDATES
from fastapi_taskflow.backends.rediskeys.store import Store
from fastapi_taskflow.backends.rediskeys.unit import Unit
from fastapi_taskflow.backends.rules import facts as rules
from fastapi_taskflow.backends.rules.claiming import Look, are_new, is_paused
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.backends.rules.rows import Row, shown
from fastapi_taskflow.backends.rules.turns import gate_of
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.loglines import unpacked

__all__ = [
    "alive",
    "candidates",
    "canonical",
    "claimed",
    "facts",
    "history",
    "members",
    "owned",
    "pauses",
    "texts",
    "with_lines",
]

_MICROSECOND = timedelta(microseconds=1)


def texts(found: Iterable[bytes]) -> list[str]:
    """Names, as they were given."""
    return [one.decode("utf-8", "surrogatepass") for one in found]


def alive(unit: Unit, instance: str) -> bool:
    """Whether it has enlisted, and was not declared dead; it has been loaded."""
    found = loaded(unit.at["instances"].get(instance))
    return isinstance(found, dict) and bool(found.get("alive"))


async def canonical(
    unit: Unit,
    task_ids: Sequence[str],
    more: Mapping[str, Iterable[str]] = MappingProxyType({}),
    *,
    new: int = 0,
) -> dict[str, str]:
    """Load tasks, and the tasks of those that are aliases: their ids."""
    await unit.load(task_ids, {"aliases": task_ids, **more}, new=new)
    found = {one: unit.at["aliases"][one] for one in task_ids}
    of = dict(zip(found, texts(one or b"" for one in found.values()), strict=True))
    of = {alias: task_id for alias, task_id in of.items() if task_id}
    await unit.load(of.values())
    return of


async def facts(
    unit: Unit, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> tuple[rules.Facts, set[str]]:
    """What decides about new tasks; and which holders of keys have no record any more."""
    wanted = rules.needs(groups, limits)
    owners = {task.owner for group in groups for task in group if task.owner is not None}
    ids = [*wanted.ids, *wanted.retried]
    more: dict[str, Iterable[str]] = {
        "instances": owners,
        "keys": rules.keys_of(groups, {}),
        "waiting": wanted.queues,
        "gates": [gate_of(one) for one in wanted.turns],
    }
    of = await canonical(unit, ids, more, new=len(wanted.ids))
    living = {one for one in owners if alive(unit, one)}
    mates = await _mates(unit, wanted.turns)
    found = rules.facts_of(unit.rows, of, {}, {}, living, mates)
    retried = {one: found.originals.get(of.get(one, one)) for one in wanted.retried}
    keys = rules.keys_of(groups, retried)
    await unit.load((), {"keys": keys})
    for name in keys:
        key = KEYS.read(unit.at["keys"][name])
        expires_at = None if key is None or key.expires_at is None else from_micros(key.expires_at)
        if key is not None and rules.is_held(expires_at, unit.now):
            found.holders[name] = rules.Holder(key.task_id, key.fingerprint)
    holders = {one.task_id for one in found.holders.values() if one is not None}
    await unit.load(holders)
    found.waiting.update({name: int(unit.at["waiting"][name] or 0) for name in wanted.queues})
    return found, holders - unit.rows.keys()


async def _mates(unit: Unit, wanted: Mapping[str, bool]) -> dict[str, list[Row]]:
    """The live tasks of order keys: all of them where that is True, else the first."""
    found = {}
    for order_key, every in wanted.items():
        ids = await members(unit.store, f"turn:{order_key}", 0 if every else 1)
        await unit.load(ids)
        rows = [unit.rows[one] for one in ids if one in unit.rows]
        found[order_key] = [one for one in rows if one.order_key == order_key]
    return found


def pauses(found: Sequence[bytes]) -> Pauses:
    """All that is paused, by the settings of queues."""
    pairs = zip(texts(found[::2]), map(loaded, found[1::2]), strict=True)
    return Pauses.of(name for name, settings in pairs if is_paused(settings or {}))


async def candidates(
    unit: Unit, looks: Sequence[Look], pauses: Pauses, *, offered: int = 0
) -> list[Row]:
    """Free and due tasks, as many as may be of use.

    Args:
        offered: For a moment nobody else finds so many of them: two who take the same tasks at
            once are in each other's way.
    """
    queues = list(dict.fromkeys(one.queue for one in looks))
    args = [to_micros(unit.now), offered, len(queues), *queues, len(WHOLE), *WHOLE]
    held = [f"turn:{key}" for key in pauses.keys]
    held += [tag_set(name, value) for name, value in pauses.tags]
    args += len(held), *held
    for one in looks:
        lanes = [lane_of(one.queue, name, suspect=one.suspects) for name in one.functions]
        step = 0 if one.step is None else one.step // _MICROSECOND
        args += one.most, step, len(lanes), *lanes
    found = await unit.store.run(CANDIDATES, *args)
    ids = texts(found[::2])
    rows = [unit.take_in(one, WHOLE, raw) for one, raw in zip(ids, found[1::2], strict=True)]
    return [one for one in rows if one is not None and one.free]


async def history(unit: Unit, task_ids: Iterable[str]) -> dict[Lease, bool]:
    """Of the leases of some tasks whose attempts are kept, whether they were late."""
    ids, key = list(task_ids), unit.store.key
    if not ids:
        return {}
    found = await unit.store.read(*[("LRANGE", key(f"attempts:{one}"), 0, -1) for one in ids])
    kept = {}
    for task_id, attempts in zip(ids, found, strict=True):
        for attempt in filter(None, map(ATTEMPTS.read, attempts)):
            kept[Lease(task_id, attempt.fence)] = attempt.late
    return kept


async def members(store: Store, name: str, most: int = 0) -> list[str]:
    """Those of a sorted set that come first."""
    (found,) = await store.read(("ZRANGE", store.key(name), 0, most - 1))
    return texts(found)


async def owned(store: Store, name: str) -> list[Row]:
    """Tasks that are in a sorted set, whole."""
    ids = await members(store, name)
    found = await store.read(*[("HMGET", store.key(f"task:{one}"), *WHOLE) for one in ids])
    pairs = zip(ids, found, strict=True)
    return [row(task_id, WHOLE, raw) for task_id, raw in pairs if raw[0] is not None]


async def with_lines(store: Store, rows: Sequence[Row]) -> list[StoredTask]:
    """Tasks as they are shown, whole."""
    key = store.key
    found = await store.read(*[("LRANGE", key(f"lines:{one.task_id}"), 0, -1) for one in rows])
    logs = [unpacked(str(line) for raw in chunks for line in loaded(raw) or ()) for chunks in found]
    return list(map(shown, rows, logs))


async def claimed(store: Store, rows: Sequence[Row]) -> list[Claimed]:
    """What whoever holds these tasks now is told of them."""
    found = list(map(shown, rows)) if are_new(rows) else await with_lines(store, rows)
    return [Claimed(Lease(one.record.task_id, one.fence), one) for one in found]
