"""What decides about new tasks: which facts are needed, and how they are told."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base import Member, NewTask
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.words.conflicts import DISPLACING
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "Facts",
    "Holder",
    "Known",
    "Mate",
    "Needs",
    "Original",
    "facts_of",
    "is_held",
    "is_plain",
    "keys_of",
    "mate_of",
    "needs",
    "nothing_known",
]


class Known(NamedTuple):
    """A task that is stored already. ``born`` is its fence at birth."""

    status: TaskStatus
    born: int


class Holder(NamedTuple):
    """The task that holds an idempotency key now."""

    task_id: str
    fingerprint: bytes | None


class Original(NamedTuple):
    """A task that somebody wants to retry."""

    task_id: str
    status: TaskStatus
    retried_as: str | None
    key: str | None
    fingerprint: bytes | None
    queue: str
    func: str
    member: Member | None = None


class Mate(NamedTuple):
    """A live task that has the order key of a new one. ``fresh``: it was never started."""

    task_id: str
    func: str
    status: TaskStatus
    queue: str
    fresh: bool
    asked: bool
    created_at: datetime


class Facts(NamedTuple):
    """What the store has, as far as it can decide about some groups.

    None under a key means the same as no such key.

    Attributes:
        known: Stored tasks by id.
        aliases: Canonical ids by alias.
        originals: By canonical id.
        holders: By key, where it is not free.
        waiting: PENDING tasks that never started, by limited queue.
        alive: Instances that may own tasks.
        mates: By order key in order of arrival: that which has the turn, and all others where a
            new task may displace them.
    """

    known: dict[str, Known | None]
    aliases: dict[str, str | None]
    originals: dict[str, Original | None]
    holders: dict[str, Holder | None]
    waiting: dict[str, int]
    alive: Container[str]
    mates: dict[str, tuple[Mate, ...] | None]


class Needs(NamedTuple):
    """What has to be looked up: ids of tasks or aliases, the ``retry_of``, limited queues.

    Of ``turns``, order keys, the live tasks: all of them where that is True, else the first.
    """

    ids: list[str]
    retried: list[str]
    queues: set[str]
    turns: dict[str, bool]


def needs(groups: Iterable[Sequence[NewTask]], limits: Mapping[str, int]) -> Needs:
    """Which facts decide about these groups; `keys_of` says the rest."""
    tasks = [task for group in groups for task in group]
    retried = [task.retry_of for task in tasks if task.retry_of is not None]
    queues = {task.queue for task in tasks if task.queue in limits}
    turns: dict[str, bool] = {}
    for task in tasks:
        if task.order_key is not None:
            displaces = task.on_conflict in DISPLACING or task.debounce > 0
            turns[task.order_key] = turns.get(task.order_key, False) or displaces
    return Needs([task.task_id for task in tasks], retried, queues, turns)


def keys_of(
    groups: Iterable[Sequence[NewTask]], originals: Mapping[str, Original | None]
) -> set[str]:
    """The keys that these groups may take: their own, and those of what they retry."""
    keys = {task.idempotency_key for group in groups for task in group}
    keys.update([one.key for one in originals.values() if one])
    return {key for key in keys if key is not None}


def is_plain(task: NewTask, limits: Mapping[str, int]) -> bool:
    """Nothing decides about it but whether it is there already, and its owner lives."""
    bound = task.idempotency_key, task.order_key, task.retry_of, task.member
    return task.queue not in limits and all(one is None for one in bound)


def nothing_known(alive: Container[str]) -> Facts:
    """The facts for plain tasks of which none is there."""
    return Facts({}, {}, {}, {}, {}, alive, {})


def is_held(expires_at: datetime | None, now: datetime) -> bool:
    """A key that somebody holds is not free yet; no expiry while its task lives."""
    return expires_at is None or now < expires_at


def facts_of(
    rows: Mapping[str, Row],
    aliases: Mapping[str, str],
    holders: Mapping[str, Holder],
    waiting: Mapping[str, int],
    alive: Container[str],
    mates: Mapping[str, Iterable[Row]],
) -> Facts:
    """The facts, from the rows of all tasks that `needs` names, by id.

    Args:
        mates: Rows by order key, in order of arrival.
    """
    return Facts(
        known={task_id: Known(row.status, row.born) for task_id, row in rows.items()},
        aliases=dict(aliases),
        originals={task_id: _original(row) for task_id, row in rows.items()},
        holders=dict(holders),
        waiting=dict(waiting),
        alive=alive,
        mates={key: tuple(map(mate_of, of)) for key, of in mates.items()},
    )


def mate_of(row: Row) -> Mate:
    """What a row means to new tasks of its order key."""
    fresh = row.start_time is None
    return Mate(
        row.task_id,
        row.func_name,
        row.status,
        row.queue,
        fresh,
        row.cancel_asked,
        row.created_at,
    )


def _original(row: Row) -> Original:
    return Original(
        row.task_id,
        row.status,
        row.retried_as,
        row.idempotency_key,
        row.fingerprint,
        row.queue,
        row.func_name,
        row.member,
    )
