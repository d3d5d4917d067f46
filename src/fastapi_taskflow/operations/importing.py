"""Taking over what the older package left in a SQLite file; the file itself stays as it is.

May be cut off at any point and begun again: tasks keep their ids, and one that is known
already is not stored twice. What was taken over whole is not looked at again, so a waiting
task whose record was deleted since does not run a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from fastapi_taskflow.backends.base import NewTask, Snapshot, Stored
from fastapi_taskflow.backends.sqlite.older import OlderCounts, OlderFile
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import ANONYMOUS, note
from fastapi_taskflow.operations.olderrows import OlderRows, Unusable
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Imported", "NotTaken", "import_older", "preview_older"]

T = TypeVar("T")

_ACTION = "import"
# Shown as the instance that ran what was taken over. It is none, and holds nothing.
_OWNER = "older-package"
# Stored together; between two batches running instances have their turn.
_BATCH = 200
_LISTED = 1_000


class NotTaken(NamedTuple):
    """A task that was not taken over, and why."""

    task_id: str
    func_name: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Imported:
    """What became of an older store, or would.

    Attributes:
        found: What the file has.
        ended: Records of ended tasks that were taken over.
        waiting: Waiting tasks that were.
        held_keys: Idempotency keys that are held from now on.
        known: Tasks that were there already.
        refused: How many tasks were not taken over.
        refusals: The first 1,000 of them.
        earlier: All of it was taken over before; nothing was done.
    """

    found: OlderCounts
    ended: int = 0
    waiting: int = 0
    held_keys: int = 0
    known: int = 0
    refused: int = 0
    refusals: list[NotTaken] = field(default_factory=list)
    earlier: bool = False

    def refuse(self, row: dict[str, Any], reason: Unusable) -> None:
        """Count a task that is not taken over."""
        self.refused += 1
        if len(self.refusals) < _LISTED:
            # As long as they could be if they were usable: a row may hold megabytes.
            names = (f"{row.get('task_id')!s:.64}", f"{row.get('func_name')!s:.200}")
            self.refusals.append(NotTaken(*names, str(reason)))


def preview_older(runtime: Runtime, older: OlderFile) -> Imported:
    """What `import_older` would take over into an empty store; nothing is written.

    Raises:
        StoreUnavailable: the file holds no older store, or cannot be read.
    """
    done = Imported(found=older.counts())
    rows = _Rows(runtime, older, done)
    done.waiting = sum(1 for _ in rows.waiting())
    for one in rows.ended():
        done.ended += 1
        done.held_keys += _holds(one)
    return done


async def import_older(runtime: Runtime, older: OlderFile, *, actor: str = ANONYMOUS) -> Imported:
    """Take over ended tasks, idempotency keys, and waiting tasks with JSON arguments.

    Waiting tasks are durable and may start as soon as they are stored. Keys of tasks that
    succeeded are held for the manager's ``idempotency_ttl`` from now on.

    Raises:
        StoreUnavailable: the file holds no older store, or one of the two cannot be used;
            what was taken over until then stays.
    """
    engine = runtime.engine()
    done = Imported(found=older.counts())
    if await _was_imported(engine, older, done.found):
        done.earlier = True
        return done
    rows = _Rows(runtime, older, done)
    for tasks in _batches(rows.waiting()):
        new = await _insert(engine, tasks)
        done.waiting += new
        done.known += len(tasks) - new
    for ended in _batches(rows.ended()):
        await _take_ended(engine, ended, done)
    detail = {
        "source": older.path,
        "found": list(done.found),
        "ended": done.ended,
        "waiting": done.waiting,
        "refused": done.refused,
    }
    await note(engine, _ACTION, "older-store", actor, detail)
    return done


async def _was_imported(engine: Engine, older: OlderFile, found: OlderCounts) -> bool:
    cursor: str | None = None
    while True:
        entries, cursor = await engine.backend.audit(limit=1_000, cursor=cursor)
        for entry in entries:
            if entry.action == _ACTION and entry.detail.get("source") == older.path:
                return entry.detail.get("found") == list(found)
        if cursor is None:
            return False


class _Rows:
    """What an older file has that can be used; the rest is counted as refused."""

    def __init__(self, runtime: Runtime, older: OlderFile, done: Imported) -> None:
        self._rows = OlderRows(
            runtime.registry, max_bytes=runtime.settings.max_payload_bytes, owner=_OWNER
        )
        self._older = older
        self._done = done

    def waiting(self) -> Iterator[NewTask]:
        return self._usable(self._older.waiting(), self._rows.waiting)

    def ended(self) -> Iterator[Snapshot]:
        """Records, then keys whose record is missing."""
        return chain(
            self._usable(self._older.ended(), self._rows.ended),
            self._usable(self._older.lone_keys(), self._rows.lone_key),
        )

    def _usable(
        self, found: Iterable[dict[str, Any]], read: Callable[[Mapping[str, Any]], T]
    ) -> Iterator[T]:
        for row in found:
            try:
                yield read(row)
            except Unusable as reason:
                self._done.refuse(row, reason)


async def _insert(engine: Engine, tasks: list[NewTask]) -> int:
    """Store those that are not known; how many that were."""
    new = await _unknown(engine, tasks)
    await engine.backend.insert([[task] for task in new])
    return len(new)


async def _take_ended(engine: Engine, batch: list[Snapshot], done: Imported) -> None:
    unknown = {task.task_id for task in await _unknown(engine, [one.task for one in batch])}
    new = [one for one in batch if one.task.task_id in unknown]
    done.known += len(batch) - len(new)
    held = await _hold(engine, [one.task for one in new if _holds(one)])
    done.held_keys += len(held)
    await engine.backend.mirror(
        _OWNER,
        [
            one if one.task.task_id in held else one._replace(task=_without_key(one.task))
            for one in new
        ],
    )
    done.ended += len(new)


async def _hold(engine: Engine, tasks: list[NewTask]) -> frozenset[str]:
    """Take the keys of tasks that nobody else holds by now; the ids of these tasks."""
    answers = await engine.backend.insert(
        [[task] for task in tasks], key_ttl=engine.settings.idempotency_ttl
    )
    return frozenset(
        task.task_id
        for task, answer in zip(tasks, answers, strict=True)
        if isinstance(answer, Stored) and not answer.tasks[0].duplicate
    )


async def _unknown(engine: Engine, tasks: list[NewTask]) -> list[NewTask]:
    """Those that the store does not have, each once."""
    found = await engine.backend.get([task.task_id for task in tasks])
    new = [
        task
        for task, known in zip(tasks, found, strict=True)
        # Or has half: its key was taken, and the import was cut off before its end was told.
        if known is None or (known.owner == _OWNER and known.record.status not in TERMINAL)
    ]
    return list({task.task_id: task for task in new}.values())


def _without_key(task: NewTask) -> NewTask:
    return task._replace(idempotency_key=None, fingerprint=None)


def _holds(one: Snapshot) -> bool:
    return one.task.idempotency_key is not None and one.status is TaskStatus.SUCCESS


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
