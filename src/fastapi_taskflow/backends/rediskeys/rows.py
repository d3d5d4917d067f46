"""A task as a hash, and everything that is found out by it: the sets it is in, what it counts in.

A task's hash has a version, a document of what never changes, one of its state, and those columns
apart that are large or are read alone. What sets it is in follows from its columns: so nothing else
knows of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fastapi_taskflow.backends.rediskeys.documents import Documents, dumped
from fastapi_taskflow.backends.rules.claiming import is_suspect, rank
from fastapi_taskflow.backends.rules.duetimes import is_never
from fastapi_taskflow.backends.rules.looking import ending_of
from fastapi_taskflow.backends.rules.rows import Row, read
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import LIVE

__all__ = [
    "APART",
    "BRIEF",
    "HEAD",
    "WHOLE",
    "Had",
    "Kept",
    "Sets",
    "counts_of",
    "fields_of",
    "fixed_of",
    "fixed_sets_of",
    "lane_of",
    "row",
    "sets_of",
    "state_of",
    "tag_set",
]

_BYTES = "payload", "result"
APART = (*_BYTES, "error", "stacktrace", "progress", "emitted", "title", "summary")
"""Columns with a field of their own."""

WHOLE = ("v", "d", "s", *APART)
BRIEF = "v", "d", "s", "error", "progress", "title", "summary"
HEAD = (*BRIEF, "stacktrace")

_STATE = (
    "status",
    "fence",
    "owner",
    "claim_id",
    "instance",
    "cancel_asked",
    "due_at",
    "start_time",
    "end_time",
    "elapsed",
    "retries_used",
    "failures",
    "interruptions",
    "failure",
    "result_missing",
    "result_until",
    "retried_as",
    "behind",
)
_fixed, _state = Documents(Row, "task_id", "damage", *APART, *_STATE), Documents(Row, only=_STATE)
# Of what no document says.
_REQUIRED = "func_name", "queue", "created_at", "status"
_HIGHEST = 2**31
_SILENT = None, None, None
# Sets by the value of a column.
_OPTIONAL = {"failure": "failure", "owner": "owner", "claim": "claim_id"}


def row(task_id: str, fields: Sequence[str], found: Sequence[bytes | None]) -> Row:
    """The row of a hash of which these fields were read, the document among them."""
    raw = dict(zip(fields, found, strict=True))
    values: dict[Any, object] = dict.fromkeys(_REQUIRED)
    # In stores of version 1 all was in one document.
    values |= _fixed.values(raw["d"]) | _state.values(raw["s"] or raw["d"])
    for name in APART:
        one = raw.get(name)
        if one is not None:
            values[name] = one if name in _BYTES else one.decode("utf-8", "surrogatepass")
    return read(values | {"task_id": task_id})


def state_of(one: Row) -> str:
    """The document of what changes."""
    return _state.text(one)


def fixed_of(one: Row) -> dict[str, Any]:
    """The fields that only a new task needs."""
    return {"d": _fixed.text(one)}


def fields_of(one: Row, columns: Collection[str]) -> tuple[dict[str, Any], set[str]]:
    """Fields beside the documents to set, and those that are empty, when columns have changed."""
    values = {name: getattr(one, name) for name in APART if name in columns}
    empty = {name for name, value in values.items() if value is None}
    return {name: value for name, value in values.items() if value is not None}, empty


def lane_of(queue: str, func_name: str, *, suspect: bool) -> str:
    """Where free tasks wait from which a claim takes one as well as the other."""
    return f"{int(suspect)}{len(queue)}:{queue}:{func_name}"


def tag_set(name: str, value: str) -> str:
    """The set of the tasks that have a tag."""
    return f"tag:{len(name)}:{name}:{value}"


Sets = dict[tuple[str, str], float]
"""Sorted sets by name, with the member that stands for a task, and its score."""


class Had(NamedTuple):
    """What a server has of a task beside its documents.

    ``columns`` are those of the fields of their own that there may be.
    """

    sets: Sets
    counts: frozenset[tuple[str, str]]
    columns: frozenset[str]


class Kept(NamedTuple):
    """A row, the version it was written with, and what else the server has of it."""

    row: Row
    version: bytes
    had: Had


def fixed_sets_of(one: Row) -> Sets:
    """The sets it is in as long as it is stored."""
    task_id, arrival = one.task_id, one.arrival
    names = ["all", f"func:{one.func_name}", f"queue:{one.queue}", f"source:{one.source}"]
    names.append(f"ending:{ending_of(task_id)}")
    for name, value in one.tags.items():
        names += tag_set(name, value), f"tagged:{value}"
    if one.batch_id is not None:
        names.append(f"batch:{one.batch_id}")
    if one.order_key is not None:
        names.append(f"key:{one.order_key}")
    found: Sets = {(name, task_id): arrival for name in names}
    found["ids", task_id] = 0
    found["created", task_id] = to_micros(one.created_at)
    return found


def sets_of(one: Row) -> Sets:
    """The sets that follow from its state.

    The score of a lane is below 0: from then on, by the store's time, the task is in it.
    """
    task_id, arrival = one.task_id, one.arrival
    found: Sets = {(name, task_id): arrival for name in _names(one)}
    if one.result_until is not None:
        found["results", task_id] = to_micros(one.result_until)
    if one.end_time is not None:
        found["ended", f"{arrival:018d}{task_id}"] = to_micros(one.end_time)
    if one.free and one.due_at is not None:
        due = max(1, to_micros(one.due_at))
        lane = lane_of(one.queue, one.func_name, suspect=is_suspect(one.interruptions))
        member = f"{rank(one.priority) + _HIGHEST:010d}{due:018d}{arrival:018d}{task_id}"
        size = len(lane.encode("utf-8", "surrogatepass"))
        found[f"due:{one.queue}", f"{size}:{lane}{member}"] = due
        found[f"lane:{lane}", member] = -due
    return found


def _names(one: Row) -> list[str]:
    """Of those in which tasks are in the order of their arrival."""
    status = one.status
    found = [f"status:{status.value}"]
    for kind, of in _OPTIONAL.items():
        value = getattr(one, of)
        if value is not None:
            found.append(f"{kind}:{value}")
    if one.retried_as is not None:
        found.append("retried")
    if (one.error, one.title, one.summary) != _SILENT:
        found.append("saying")
    if status in LIVE:
        found += _live_names(one)
    return found


def _live_names(one: Row) -> Iterator[str]:
    if one.order_key is not None:
        yield f"turn:{one.order_key}"
    if one.cancel_asked and one.owner is not None:
        yield f"asked:{one.owner}"
    if one.batch_place is not None and one.status is TaskStatus.RUNNING:
        yield f"running:{one.batch_id}"
    if one.batch_id is not None and is_never(one.due_at):
        yield f"parked:{one.batch_id}"


def counts_of(one: Row) -> frozenset[tuple[str, str]]:
    """Counters that it counts in, and which of their fields."""
    found = []
    if one.waiting:
        found.append(("waiting", one.queue))
    if one.owner is not None and one.persist:
        found.append(("leased", _leased(one.queue, one.func_name)))
    return frozenset(found)


@lru_cache(maxsize=1_000)
def _leased(queue: str, func_name: str) -> str:
    return dumped([queue, func_name])
