"""Search: which tasks are in all of some sets, latest arrival first, a slice at a time.

The smallest set is walked, and the server says of each slice what else holds. No step of it
takes the server long, however large the store is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import ENDING_LENGTH, Query
from fastapi_taskflow.backends.rediskeys.documents import loaded
from fastapi_taskflow.backends.rediskeys.rows import tag_set
from fastapi_taskflow.backends.rediskeys.scripts import FILTER
from fastapi_taskflow.backends.rediskeys.store import Store
from fastapi_taskflow.backends.rules.looking import ERRORS_WITHIN
from fastapi_taskflow.words.clock import to_micros

__all__ = ["count", "find"]

# Tasks of a slice; the first ones of most searches are enough.
_FIRST, _LARGEST = 250, 4000
# So many that begin with a text, or are of some dates, are looked up before others.
_FEW = 4000

# The number of a task's arrival, and its id.
_Found = tuple[int, str]


class _Part(NamedTuple):
    """A condition: to be in one of these sets, or what ``args`` say to `FILTER`.

    ``beside`` are more tasks that may hold; None: nobody knows which. ``sure``: all of them do.
    """

    sets: tuple[str, ...] = ()
    args: tuple[Any, ...] = ("", "", "")
    beside: Sequence[_Found] | None = ()
    sure: bool = True


_ALL = _Part(("all",))
_ALONE = "@", "!"


async def find(
    store: Store, query: Query, before: int | None = None, size: int = _FIRST
) -> AsyncIterator[list[_Found]]:
    """Tasks that match, slice by slice."""
    parts = await _parts(store, query)
    base = await _smallest(store, parts)
    others = [one for one in parts if one is not base or not one.sure]
    async for found in _walk(store, base, before, size):
        yield await _fitting(store, others, found) if others and found else found


async def count(store: Store, query: Query, cap: int) -> int:
    """How many match, at most so many."""
    parts = await _parts(store, query) or [_ALL]
    if len(parts) == 1 and parts[0].sure and parts[0].sets:
        # A task has one state.
        return min(cap, await _size(store, parts[0]))
    total = 0
    async for found in find(store, query):
        total += len(found)
        if total >= cap:
            return cap
    return total


async def _parts(store: Store, query: Query) -> list[_Part]:
    found = []
    if query.statuses:
        found.append(_Part(tuple(f"status:{one.value}" for one in query.statuses)))
    exact = {"func": query.func_name, "queue": query.queue, "source": query.source}
    exact |= {"batch": query.batch_id, "failure": query.failure, "ending": query.ending}
    exact |= {"key": query.order_key}
    names = [f"{kind}:{name}" for kind, name in exact.items() if name is not None]
    if query.tag is not None:
        name, value = query.tag
        names.append(tag_set(name, value))
    found += [_Part((name,)) for name in names]
    if query.retried is not None:
        away = _Part((), ("!", "retried"), beside=None, sure=False)
        found.append(_Part(("retried",)) if query.retried else away)
    if query.since is not None or query.until is not None:
        found.append(await _dates(store, query))
    if query.text is not None:
        found.append(await _text(store, query.text))
    return found


async def _dates(store: Store, query: Query) -> _Part:
    first = "-inf" if query.since is None else to_micros(query.since)
    end = "inf" if query.until is None else to_micros(query.until)
    key, span = store.key("created"), (first, f"({end}")
    (number,) = await store.read(("ZCOUNT", key, *span))
    beside = None
    if number <= _FEW:
        (found,) = await store.read(("ZRANGEBYSCORE", key, *span))
        beside = await _arrived(store, found)
    return _Part((), ("@", first, end), beside, sure=beside is not None)


async def _text(store: Store, text: str) -> _Part:
    raw = text.encode("utf-8", "surrogatepass")
    ids, among = store.key("ids"), (b"[" + raw, b"[" + raw + b"\xff")
    last = ERRORS_WITHIN - 1
    cells, number, oldest = await store.read(
        ("HKEYS", store.key("cells")),
        ("ZLEXCOUNT", ids, *among),
        ("ZREVRANGE", store.key("all"), last, last, "WITHSCORES"),
    )
    newest = int(oldest[1]) if oldest else 0
    names = {cell[1] for cell in map(loaded, cells) if cell and cell[1].startswith(text)}
    sets = [*sorted(f"func:{name}" for name in names), f"tagged:{text}"]
    if len(text) == ENDING_LENGTH:
        sets.append(f"ending:{text}")
    beside = None
    if number <= _FEW:
        named, erred = await store.read(
            ("ZRANGEBYLEX", ids, *among),
            ("ZRANGEBYSCORE", store.key("saying"), newest, "inf"),
        )
        beside = await _arrived(store, [*named, *erred])
    return _Part(tuple(sets), ("?", text, newest), beside, sure=False)


async def _arrived(store: Store, ids: Sequence[bytes]) -> list[_Found]:
    """Tasks with the numbers of their arrivals."""
    if not ids:
        return []
    (scores,) = await store.read(("ZMSCORE", store.key("all"), *ids))
    pairs = zip(ids, scores, strict=True)
    return [(int(score), _name(task_id)) for task_id, score in pairs if score is not None]


async def _smallest(store: Store, parts: Iterable[_Part]) -> _Part:
    known = [one for one in parts if one.beside is not None]
    sizes = [await _size(store, one) for one in known]
    return known[sizes.index(min(sizes))] if known else _ALL


async def _size(store: Store, part: _Part) -> int:
    sizes: list[int] = await store.read(*[("ZCARD", store.key(name)) for name in part.sets])
    return sum(sizes) + len(part.beside or ())


async def _walk(
    store: Store, base: _Part, before: int | None, size: int
) -> AsyncIterator[list[_Found]]:
    """All that a part may mean, in order."""
    end: int | None = before
    while True:
        limit = ("+inf" if end is None else f"({end}", "-inf", "WITHSCORES", "LIMIT", 0, size)
        asked = [("ZREVRANGEBYSCORE", store.key(name), *limit) for name in base.sets]
        lists = [
            [(int(score), _name(raw)) for raw, score in zip(one[::2], one[1::2], strict=True)]
            for one in await store.read(*asked)
        ]
        # Below this one of them may have more.
        floor = max((one[-1][0] for one in lists if len(one) == size), default=0)
        several = {one for each in (*lists, base.beside or ()) for one in each}
        yield sorted(
            (o for o in several if floor <= o[0] and (end is None or o[0] < end)), reverse=True
        )
        if not floor:
            return
        end, size = floor, min(2 * size, _LARGEST)


async def _fitting(store: Store, parts: Sequence[_Part], found: Sequence[_Found]) -> list[_Found]:
    """Those for which all parts hold."""
    args: list[Any] = [len(parts)]
    for one in parts:
        each = one.args if one.args[0] in _ALONE else (*one.args, *one.sets)
        args += len(each), *each
    fits = set(await store.run(FILTER, *args, *[task_id for _, task_id in found]))
    return [one for one in found if one[1].encode("utf-8", "surrogatepass") in fits]


def _name(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
