"""Limits over all instances: how many more of a queue, or of a function, one claim may take.

A store counts leases and keeps the levels of token buckets; both are looked up in the claim's
own transaction, which no other claim under the same limits overlaps. A claim without limits asks
for nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import NamedTuple

from fastapi_taskflow.backends.base import Limits
from fastapi_taskflow.backends.buckets import (
    Bucket,
    Level,
    bucket_name,
    drain,
    longest_wait,
    tokens,
)
from fastapi_taskflow.words.rates import Limit, Rate

__all__ = [
    "Allowance",
    "Taken",
    "Usage",
    "bucket_names",
    "bucket_of",
    "gate_names",
    "key_bucket",
    "needs_leases",
]


class Usage(NamedTuple):
    """What a store has to say.

    Attributes:
        leased: Durable tasks that are claimed or running, by queue and function.
        levels: Of buckets, by their names.
        now: The store's time in microseconds.
    """

    leased: Mapping[tuple[str, str], int]
    levels: MutableMapping[str, Level]
    now: int


class Taken(NamedTuple):
    """What of a task decides which tokens it takes."""

    queue: str
    func: str
    order_key: str | None


def needs_leases(limits: Limits) -> bool:
    """Somebody has to count them: not for rates alone."""
    every = (*limits.queues.values(), *limits.functions.values())
    return any(limit.most is not None for limit in every)


def gate_names(limits: Limits) -> list[str]:
    """What claims under these limits pass one at a time, in the order in which it is locked."""
    found = [f"limit:queue:{name}" for name in limits.queues]
    found += [f"limit:function:{name}" for name in limits.functions]
    return sorted(found)


def bucket_names(limits: Limits) -> list[str]:
    """The buckets of those that have a rate."""
    return sorted(bucket.name for bucket in _buckets(limits))


def _buckets(limits: Limits) -> list[Bucket]:
    kinds = ("queue", limits.queues), ("function", limits.functions)
    found = [bucket_of(kind, name, one) for kind, of in kinds for name, one in of.items()]
    return [bucket for bucket in found if bucket is not None]


@lru_cache(maxsize=1024)
def bucket_of(kind: str, name: str, limit: Limit) -> Bucket | None:
    """That of a ``"queue"`` or a ``"function"``, if its limit is a rate."""
    return None if limit.rate is None else _of_rate(limit.rate, kind, name)


def key_bucket(rate: Rate, func: str, order_key: str) -> Bucket:
    """That of a function's tasks with one order key."""
    return _of_rate(rate, "key", func, order_key)


def _of_rate(rate: Rate, *of: str) -> Bucket:
    return Bucket(bucket_name("rate", *of), rate.number, rate.refill_micros / 1_000_000)


class Allowance:
    """How many more may be taken, by queue and by function, of those that have limits."""

    def __init__(self, limits: Limits, usage: Usage) -> None:
        self._limits = limits
        self._usage = usage
        queues, functions = dict[str, int](), dict[str, int]()
        for (queue, func), number in usage.leased.items():
            queues[queue] = queues.get(queue, 0) + number
            functions[func] = functions.get(func, 0) + number
        self.queues = self._left("queue", limits.queues, queues)
        self.functions = self._left("function", limits.functions, functions)

    def _left(
        self, kind: str, limits: Mapping[str, Limit], leased: Mapping[str, int]
    ) -> dict[str, int]:
        found = {}
        for name, limit in limits.items():
            room = [] if limit.most is None else [limit.most - leased.get(name, 0)]
            bucket = bucket_of(kind, name, limit)
            if bucket is not None:
                level = self._usage.levels.get(bucket.name)
                room.append(tokens(bucket, level, self._usage.now))
            found[name] = max(0, min(room))
        return found

    @property
    def rates_keys(self) -> bool:
        """There are rates of order keys."""
        return bool(self._limits.keys)

    def of_keys(self, candidates: Iterable[tuple[str, str | None]]) -> list[str]:
        """The buckets of these functions' tasks with these order keys, for `learn`."""
        found = (self._key(func, order_key) for func, order_key in candidates)
        return [bucket.name for bucket in found if bucket is not None]

    def learn(self, levels: Mapping[str, Level]) -> None:
        """What a store has to say of them."""
        self._usage.levels.update(levels)

    def wait(self, func: str, order_key: str | None) -> int:
        """Microseconds until such a task may be taken, as far as its key goes."""
        bucket = self._key(func, order_key)
        if bucket is None:
            return 0
        return longest_wait(self._usage.levels, [bucket], self._usage.now)

    def _key(self, func: str, order_key: str | None) -> Bucket | None:
        rate = self._limits.keys.get(func)
        if rate is None or order_key is None:
            return None
        return key_bucket(rate, func, order_key)

    def spend(self, taken: Iterable[Taken]) -> dict[str, Level]:
        """The new levels of buckets, after these tasks were taken."""
        spent: dict[Bucket, int] = {}
        for queue, func, order_key in taken:
            if (bucket := self._key(func, order_key)) is not None:
                spent[bucket] = 1
            of = ("queue", queue, self._limits.queues), ("function", func, self._limits.functions)
            for kind, name, limits in of:
                bucket = bucket_of(kind, name, limits[name]) if name in limits else None
                if bucket is not None:
                    spent[bucket] = spent.get(bucket, 0) + 1
        levels, now = self._usage.levels, self._usage.now
        return {
            bucket.name: drain(bucket, levels.get(bucket.name), now, number)
            for bucket, number in spent.items()
        }
