"""Why tasks wait: the first thing that is in the way of each, found in one place.

The store tells what all instances hold; what holds in this process alone (a queue's own slots) is
told as this process sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from fastapi_taskflow.backends.base import StoredTask, Traffic
from fastapi_taskflow.backends.buckets import Bucket, until
from fastapi_taskflow.backends.rules.allowing import bucket_of, key_bucket
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.rates import Limit
from fastapi_taskflow.words.waiting import Waiting

__all__ = ["explain"]

# Further ones are as good as never.
_MOST_AHEAD = 100
_SOON_SECONDS = 0.01


async def explain(desk: Desk, tasks: Iterable[tuple[TaskRecord, StoredTask]]) -> None:
    """Set ``waiting_for`` in the records of tasks that wait for a claim."""
    waiting = [
        (record, stored)
        for record, stored in tasks
        if record.status is TaskStatus.PENDING and stored.persist and stored.owner is None
    ]
    if not waiting:
        return
    found = _Reasons(desk.engine, await _living(desk), await _traffic(desk.engine, waiting))
    for record, stored in waiting:
        record.waiting_for = next(found.of(record, stored), _SLOT)


_SLOT = Waiting("slot", "a free slot")


async def _living(desk: Desk) -> frozenset[str]:
    """The functions that somebody can run."""
    living = await desk.living()
    return frozenset(name for one in living if "execute" in one.roles for name in one.functions)


async def _traffic(engine: Engine, waiting: Sequence[tuple[TaskRecord, StoredTask]]) -> Traffic:
    keys = {record.order_key for record, stored in waiting if stored.behind}
    buckets = {one.name for record, _ in waiting for one, _ in _buckets(engine, record)}
    limiting = engine.core.limiting
    limits = [*limiting.functions().values(), *limiting.queues().values()]
    return await engine.backend.traffic(
        sorted(key for key in keys if key is not None),
        sorted(buckets),
        leased=any(one.most is not None for one in limits),
        most=_MOST_AHEAD + 1,
    )


def _buckets(engine: Engine, record: TaskRecord) -> Iterator[tuple[Bucket, str]]:
    """Those that it takes from, and what they are of; that of its key first."""
    limiting = engine.core.limiting
    rate = limiting.keys().get(record.func_name)
    if rate is not None and record.order_key is not None:
        yield key_bucket(rate, record.func_name, record.order_key), _shown(engine, record)
    for kind, limit in _limits(engine, record):
        name = record.queue if kind == "queue" else record.func_name
        bucket = bucket_of(kind, name, limit)
        if bucket is not None:
            yield bucket, f"{kind} {name}"


def _limits(engine: Engine, record: TaskRecord) -> Iterator[tuple[str, Limit]]:
    queue = engine.core.limiting.queues().get(record.queue)
    if queue is not None:
        yield "queue", queue
    function = engine.core.limiting.functions().get(record.func_name)
    if function is not None:
        yield "function", function


def _shown(engine: Engine, record: TaskRecord) -> str:
    """The key as people know it: ``tenant:7``."""
    key = record.order_key or ""
    registered = engine.registry.by_name(record.func_name)
    ordering = None if registered is None else registered.ordering
    if ordering is None or ordering.parameter is None or not ordering.scope.endswith("()"):
        return key
    return f"{ordering.parameter}{key.removeprefix(ordering.scope)}"


class _Reasons:
    def __init__(self, engine: Engine, living: frozenset[str], traffic: Traffic) -> None:
        self._engine = engine
        self._living = living
        self._traffic = traffic
        self._now = engine.clock.now() if traffic.now is None else traffic.now

    def of(self, record: TaskRecord, stored: StoredTask) -> Iterator[Waiting]:
        """What is in its way, the first first."""
        if record.func_name not in self._living:
            yield Waiting("no_instance", f"no live instance knows {record.func_name}")
        if self._engine.core.queues.get(record.queue).paused:
            yield Waiting("paused", f"queue {record.queue} is paused")
        for what in self._engine.core.queues.pauses.holding(
            record.func_name, record.order_key, record.tags
        ):
            yield Waiting("paused", f"{what} is paused")
        if stored.behind:
            yield self._line(record)
        yield from self._date(record, stored)
        yield from self._full(record)
        for bucket, of in _buckets(self._engine, record):
            if seconds := self._until(bucket, 1):
                yield _rate_limit(of, None, seconds)
        yield from self._local(record)

    def _line(self, record: TaskRecord) -> Waiting:
        line = self._traffic.lines.get(record.order_key or "", [])
        ahead = line.index(record.task_id) if record.task_id in line else None
        more = f"{ahead}" if ahead is not None else f"{_MOST_AHEAD} or more"
        of = _shown(self._engine, record)
        rate = self._engine.core.limiting.keys().get(record.func_name)
        if rate is not None and ahead is not None and record.order_key is not None:
            bucket = key_bucket(rate, record.func_name, record.order_key)
            if seconds := self._until(bucket, ahead + 1):
                return _rate_limit(of, ahead, seconds)
        return Waiting("key", f"key {of}, {more} ahead", ahead)

    def _date(self, record: TaskRecord, stored: StoredTask) -> Iterator[Waiting]:
        due = record.due_at
        if due is None or due <= self._now:
            return
        seconds = (due - self._now).total_seconds()
        for bucket, of in _buckets(self._engine, record):
            # A task that found no token is due when there is one.
            if (token := self._until(bucket, 1)) >= seconds - _SOON_SECONDS:
                yield _rate_limit(of, None if record.order_key is None else 0, token)
        kind = "retry" if record.start_time is not None or stored.failures else "date"
        if kind == "date" and record.source == "scheduled":
            kind = "schedule"
        yield Waiting(kind, f"{_DATES[kind]} {_written(due)}", None, seconds)

    def _full(self, record: TaskRecord) -> Iterator[Waiting]:
        for kind, limit in _limits(self._engine, record):
            name = record.queue if kind == "queue" else record.func_name
            place = 0 if kind == "queue" else 1
            held = sum(n for of, n in self._traffic.leased.items() if of[place] == name)
            if limit.most is not None and held >= limit.most:
                text = f"global limit of {kind} {name}, {held} of {limit.most} in use"
                yield Waiting("global_limit", text)

    def _local(self, record: TaskRecord) -> Iterator[Waiting]:
        queue = self._engine.core.queues.get(record.queue)
        if self._engine.core.executes and self._engine.lateness.is_late:
            yield Waiting("loop_lag", "the event loop here is late: nothing starts (max_loop_lag)")
        if self._engine.core.executes and queue.concurrency is not None and queue.free <= 0:
            text = f"queue {record.queue} is full, {queue.running} running here"
            yield Waiting("queue_full", text)

    def _until(self, bucket: Bucket, number: int) -> float:
        level = self._traffic.levels.get(bucket.name)
        if level is None and number <= bucket.capacity:
            return 0.0
        return until(bucket, level, to_micros(self._now), number) / 1_000_000


_DATES = {"retry": "retry due at", "schedule": "scheduled for", "date": "due at"}


def _rate_limit(of: str, ahead: int | None, seconds: float) -> Waiting:
    before = "" if ahead is None else f"{ahead} ahead, "
    spoken = f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    return Waiting("rate_limit", f"rate limit {of}, {before}about {spoken}", ahead, seconds)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
