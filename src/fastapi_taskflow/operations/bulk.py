"""Retry or cancel all tasks that match: stored as something of its own, which any instance does.

Who asks gets an id, and may go. What is to be done is counted beforehand, followed, and called off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Query, StoredSchedule
from fastapi_taskflow.engine.core.bulk import BulkAction, filters_of
from fastapi_taskflow.engine.core.schedules import newer, port_of
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.reading import Count, catch_up
from fastapi_taskflow.operations.scheduling import send
from fastapi_taskflow.rules.bulk import (
    POSSIBLE,
    USUAL,
    Bulk,
    BulkKind,
    BulkState,
    Refusal,
    bulk_id_of,
    bulk_key,
)
from fastapi_taskflow.words.errors import BulkNotFound, ConfigurationError, StoreUnavailable
from fastapi_taskflow.words.ids import new_id

__all__ = [
    "BulkInfo",
    "BulkPreview",
    "cancel_bulk",
    "get_bulk",
    "list_bulk",
    "preview_bulk",
    "start_bulk",
]

_MOST_COUNTED = 10_000
_MOST_TRIES = 20
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkInfo:
    """An action on many tasks.

    Attributes:
        action: ``retry`` or ``cancel``.
        filters: Which tasks, as it was asked for.
        status: ``running``, ``done`` or ``cancelled``.
        found: Tasks that matched so far.
        done: Of these, those that were retried, cancelled or asked to stop.
        refused: Those that were not: retried by somebody else, ended meanwhile, arguments that
            are not stored, an idempotency key that another task has by now.
        refusals: The first 100 of them, with the reason.
    """

    bulk_id: str
    action: BulkKind
    filters: Mapping[str, Any]
    status: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    found: int
    done: int
    refused: int
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPreview:
    """How many tasks it would be done to.

    Attributes:
        at: As ``before`` of `start_bulk`: then it is done to none that was not counted.
    """

    count: Count
    at: datetime


async def preview_bulk(desk: Desk, action: BulkKind, query: Query) -> BulkPreview:
    """How many tasks it would be done to now.

    Raises:
        ConfigurationError: to tasks in these states it cannot be done, or to all of them.
    """
    await catch_up(desk.engine)
    # Taken first: what ends while it is counted may be in the number, never in the act alone.
    at = desk.engine.clock.now()
    number = await desk.engine.backend.count(_checked(action, query), cap=_MOST_COUNTED + 1)
    return BulkPreview(count=Count(min(number, _MOST_COUNTED), number > _MOST_COUNTED), at=at)


async def start_bulk(
    desk: Desk,
    action: BulkKind,
    query: Query,
    *,
    before: datetime | None = None,
    actor: str = ANONYMOUS,
) -> BulkInfo:
    """Store it; an instance with a role begins at once, or when there is one.

    Done to those that match when their page is read, the newest first; not to tasks that come
    later. Each is done once, whatever dies. A retry is stored, also of a task that was not
    durable, and takes no place of its queue's ``max_size``.

    Args:
        before: Only to tasks that were made before, and for a retry had ended before; others are
            not found, or refused.

    Raises:
        ConfigurationError: as `preview_bulk`, or this store keeps no such thing.
    """
    engine = desk.engine
    await catch_up(engine)
    query = _checked(action, query)
    if before is not None:
        query = replace(query, until=min(before, query.until or before))
    now = (await port_of(engine.core).due(limit=0)).now
    filters = filters_of(query)
    ended = before.isoformat() if before is not None and action == "retry" else None
    bulk = Bulk(action, filters, actor, now.isoformat(), ended)
    name = bulk_key(new_id())
    row = StoredSchedule(name, newer(0, now), bulk.text(), BulkState().text(), None, now)
    one = BulkAction.read(row)
    _, change = one._replace(stored=row._replace(version=0)).put(one.state, now, now)
    # Before it begins: it never happens unnoted.
    await desk.note(f"bulk_{action}", one.bulk_id, actor, {"filters": filters})
    await send(engine, change)
    return _info(one)


async def get_bulk(desk: Desk, bulk_id: str) -> BulkInfo:
    """One action.

    Raises:
        BulkNotFound: there is none, or it was over for 30 days.
    """
    return _info(await _existing(desk, bulk_id))


async def list_bulk(desk: Desk, *, limit: int = 50) -> list[BulkInfo]:
    """Actions, the newest first; those that are over for 30 days."""
    # A store has them in the order in which they were made.
    found: deque[BulkInfo] = deque(maxlen=limit)
    after = bulk_key("")
    while True:
        page = await port_of(desk.engine.core).page(limit=_PAGE, after=after)
        mine = [row for row in page if bulk_id_of(row.name) is not None]
        found += [_info(one) for one in map(_read, mine) if one is not None]
        if len(mine) < _PAGE:
            return [*reversed(found)]
        after = mine[-1].name


async def cancel_bulk(desk: Desk, bulk_id: str, *, actor: str = ANONYMOUS) -> BulkInfo:
    """Do it to no more tasks; what was done stays. One that is over stays as it is.

    Raises:
        BulkNotFound: as `get_bulk`.
    """
    engine = desk.engine
    for _ in range(_MOST_TRIES):
        one = await _existing(desk, bulk_id)
        if one.state.status != "running":
            return _info(one)
        now = (await port_of(engine.core).due(limit=0)).now
        then, change = one.end(one.state.over("cancelled", now), now)
        if await send(engine, change) is not None:
            await desk.note("cancel_bulk", bulk_id, actor, {})
            return _info(then)
    raise StoreUnavailable(f"Bulk action {bulk_id} goes on all the time. Try again.")


def _checked(action: BulkKind, query: Query) -> Query:
    unfit = sorted(status.value for status in query.statuses - POSSIBLE[action])
    if unfit:
        possible = ", ".join(sorted(status.value for status in POSSIBLE[action]))
        raise ConfigurationError(
            f"Tasks that are {' or '.join(unfit)} cannot be {_DONE[action]}: give one of "
            f"{possible}."
        )
    if query == Query(statuses=query.statuses):
        raise ConfigurationError(
            f"All tasks of the store would be {_DONE[action]}: say which, by func_name, queue, "
            "tag, failure, since or another filter."
        )
    statuses = query.statuses or USUAL[action]
    return replace(query, statuses=statuses, retried=False if action == "retry" else query.retried)


_DONE = {"retry": "retried", "cancel": "cancelled"}


async def _existing(desk: Desk, bulk_id: str) -> BulkAction:
    (row,) = await port_of(desk.engine.core).find([bulk_key(bulk_id)])
    one = None if row is None else _read(row)
    if one is None:
        raise BulkNotFound(f"No bulk action has the id {bulk_id!r}.")
    return one


def _read(row: StoredSchedule) -> BulkAction | None:
    try:
        return BulkAction.read(row)
    # Damaged, or of a newer release.
    except (ValueError, KeyError, TypeError):
        return None


def _info(one: BulkAction) -> BulkInfo:
    bulk, state = one.bulk, one.state
    return BulkInfo(
        bulk_id=one.bulk_id,
        action=bulk.kind,
        filters=bulk.filters,
        status=state.status,
        actor=bulk.actor,
        created_at=datetime.fromisoformat(bulk.created_at),
        ended_at=None if state.ended_at is None else datetime.fromisoformat(state.ended_at),
        found=state.found,
        done=state.done,
        refused=state.refused,
        refusals=state.refusals,
    )
