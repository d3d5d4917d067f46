"""What every driver refuses, because no store can hold it or give it back as it was.

Callers' options are checked at the door; this is the wall behind it. A driver calls it before
it writes anything of a call, so that who sent a batch can send its parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fastapi_taskflow.backends.base import LogChunk, NewBatch, NewTask, Outcome, Snapshot
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.limits import LARGEST
from fastapi_taskflow.words.loglines import is_line
from fastapi_taskflow.words.quoting import quoted

__all__ = ["check_batches", "check_chunks", "check_groups", "check_outcomes", "check_snapshots"]


def check_groups(groups: Sequence[Sequence[NewTask]]) -> None:
    """New tasks.

    Raises:
        TaskArgumentError: a value cannot be stored.
    """
    for group in groups:
        for task in group:
            _check_task(task)


def check_batches(batches: Sequence[NewBatch]) -> None:
    """New batches; raises as `check_groups`."""
    for one in batches:
        check_groups([one.tasks, list(one.callbacks.values())])
        if one.tags:
            _check_tags(one.batch_id, one.tags)


def check_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """States of tasks; raises as `check_groups`."""
    for one in snapshots:
        _check_task(one.task)
        _check_end(one.task.task_id, one.elapsed, one.error, one.stacktrace, one.logs)
        _check_told(one.task.task_id, one)
        if one.due_at is not None:
            _check_moment(one.task.task_id, "due_at", one.due_at)


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Ends of claims; raises as `check_groups`."""
    for one in outcomes:
        task_id = one.lease.task_id
        _check_end(task_id, one.elapsed, one.error, one.stacktrace, one.logs)
        _check_told(task_id, one)
        if one.delay:
            _check_delay(task_id, one.delay)


def check_chunks(chunks: Sequence[LogChunk]) -> None:
    """What running attempts tell; raises as `check_groups`."""
    for one in chunks:
        _check_lines(one.lease.task_id, one.lines)
        _check_told(one.lease.task_id, one)


def _check_task(task: NewTask) -> None:
    task_id = task.task_id
    names = task_id, task.func_name, task.queue, task.source
    if not type(names[0]) is type(names[1]) is type(names[2]) is type(names[3]) is str:
        raise _unstorable(task_id, "these names", names)
    priority = task.priority
    if priority is not None and not (type(priority) is int and -LARGEST - 1 <= priority <= LARGEST):
        raise _unstorable(task_id, "priority", priority)
    if task.delay:
        _check_delay(task_id, task.delay)
    if task.due_at is not None:
        _check_moment(task_id, "due_at", task.due_at)
    if task.tags:
        _check_tags(task_id, task.tags)
    if task.title is not None and type(task.title) is not str:
        raise _unstorable(task_id, "title", task.title)
    if task.order_key is not None and not (type(task.order_key) is str and task.persist):
        raise _unstorable(task_id, "order_key", task.order_key)


def _check_delay(task_id: str, delay: float) -> None:
    if type(delay) not in (float, int) or not math.isfinite(delay):
        raise _unstorable(task_id, "delay", delay)


def _check_tags(task_id: str, tags: Mapping[str, str]) -> None:
    if not isinstance(tags, Mapping):
        raise _unstorable(task_id, "tags", tags)
    for name, value in tags.items():
        if type(name) is not str or type(value) is not str:
            raise _unstorable(task_id, "a tag", value if type(name) is str else name)


def _check_moment(task_id: str, what: str, moment: datetime) -> None:
    if not (isinstance(moment, datetime) and moment.tzinfo is not None):
        raise _unstorable(task_id, what, moment)


def _check_end(
    task_id: str,
    elapsed: float | None,
    error: str | None,
    stacktrace: str | None,
    logs: Iterable[str],
) -> None:
    if elapsed is not None and type(elapsed) is not float:
        raise _unstorable(task_id, "elapsed", elapsed)
    if error is not None and type(error) is not str:
        raise _unstorable(task_id, "error", error)
    if stacktrace is not None and type(stacktrace) is not str:
        raise _unstorable(task_id, "stacktrace", stacktrace)
    if logs:
        _check_lines(task_id, logs)


def _check_told(task_id: str, said: LogChunk | Outcome | Snapshot) -> None:
    texts = ("progress", said.progress), ("emitted", said.emitted), ("summary", said.summary)
    for name, text in texts:
        if text is not None and type(text) is not str:
            raise _unstorable(task_id, name, text)


def _check_lines(task_id: str, lines: Iterable[str]) -> None:
    for line in lines:
        if not is_line(line):
            raise _unstorable(task_id, "a log line", line)


def _unstorable(task_id: object, what: str, value: object) -> TaskArgumentError:
    return TaskArgumentError(
        f"Task {quoted(task_id)} cannot be stored: no store holds {what} = {quoted(value)}."
    )
