"""Insert in the model: each group is tried on a copy, which is kept or thrown away."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import timedelta

from fastapi_taskflow.backends.base import (
    Admission,
    Inserted,
    KeyConflict,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.testing.model.store import Model
from fastapi_taskflow.testing.model.tasks import ModelKey, ModelTask
from fastapi_taskflow.testing.model.turns import displace, of_key
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["insert"]

Refusal = KeyConflict | QueueIsFull | RetryRefused


def insert(
    model: Model, group: Sequence[NewTask], limits: Mapping[str, int], key_ttl: float
) -> Admission:
    """Store one group in the model."""
    trial = _copied(model)
    answers: list[Inserted] = []
    for task in group:
        answer = _insert_one(trial, task, limits, key_ttl)
        if not isinstance(answer, Inserted):
            if isinstance(answer, QueueIsFull) and task.task_id not in model.tasks:
                rejected = _add(model, _as_retry(model, task))
                model.end(rejected, TaskStatus.REJECTED)
            return answer
        answers.append(answer)
    vars(model).update(vars(trial))
    return Stored(tuple(answers))


def _copied(model: Model) -> Model:
    trial = copy.copy(model)
    trial.tasks = {task_id: task.copied() for task_id, task in model.tasks.items()}
    trial.aliases = dict(model.aliases)
    trial.ended, trial.ends = model.ended.copy(), model.ends.copy()
    trial.waits = model.waits.copy()
    trial.seconds = dict(model.seconds)
    trial.keys = {key: copy.copy(held) for key, held in model.keys.items()}
    return trial


def _insert_one(
    model: Model, task: NewTask, limits: Mapping[str, int], key_ttl: float
) -> Inserted | Refusal:
    known = _known(model, task, limits)
    if known is not None:
        return known
    original = None
    if task.retry_of is not None:
        original = model.canonical(task.retry_of)
        refused = _refused(task.retry_of, original)
        if refused is not None:
            return refused
        task = _as_retry(model, task)
    held = _held_against(model, task, original)
    if held is not None and task.retry_of is not None:
        return RetryRefused(task.retry_of, holder=held.task_id)
    if held is not None:
        return _duplicate(model, task, held)
    return _among_mates(model, task, original, limits, key_ttl)


def _refused(task_id: str, original: ModelTask | None) -> RetryRefused | None:
    if original is None:
        return RetryRefused(task_id)
    if original.retried_as is not None:
        return RetryRefused(task_id, retried_as=original.retried_as)
    if original.status not in RETRYABLE:
        return RetryRefused(task_id, status=original.status)
    return None


def _among_mates(
    model: Model,
    task: NewTask,
    original: ModelTask | None,
    limits: Mapping[str, int],
    key_ttl: float,
) -> Inserted | Refusal:
    mates = of_key(model, task.order_key)
    how: str = "queue" if original is not None else task.on_conflict
    if task.debounce and original is None:
        how, task = "debounce", _put_off(model, task, mates)
    if mates and how == "drop":
        first = mates[0].new.task_id
        if task.alias:
            model.aliases[task.task_id] = first
        return Inserted(first, duplicate=True, fence=0, dropped=True)
    if how == "debounce":
        mates = _calls(task, mates)
    displaced = how not in ("queue", "drop") and displace(model, mates, how)
    limit = limits.get(task.queue)
    places = sum(one.waiting and one.new.queue == task.queue for one in model.tasks.values())
    if limit is not None and places >= limit:
        return QueueIsFull(task.queue, limit, task.task_id)
    return _store(model, task, original, key_ttl)._replace(displaced=displaced)


def _known(model: Model, task: NewTask, limits: Mapping[str, int]) -> Inserted | Refusal | None:
    stored = model.tasks.get(task.task_id)
    if stored is None:
        canonical = model.aliases.get(task.task_id)
        return None if canonical is None else Inserted(canonical, duplicate=True, fence=0)
    if stored.status is TaskStatus.REJECTED:
        return QueueIsFull(stored.new.queue, limits.get(stored.new.queue, 0), task.task_id)
    return Inserted(task.task_id, duplicate=False, fence=stored.birth_fence)


def _as_retry(model: Model, task: NewTask) -> NewTask:
    """With key and fingerprint of the task that it retries, if it does."""
    original = None if task.retry_of is None else model.canonical(task.retry_of)
    if original is None:
        return task
    return task._replace(
        retry_of=original.new.task_id,
        idempotency_key=None if _is_throttle(original.new) else original.new.idempotency_key,
        fingerprint=original.new.fingerprint,
    )


def _held_against(model: Model, task: NewTask, original: ModelTask | None) -> ModelKey | None:
    """The hold of somebody else on the task's key."""
    key = task.idempotency_key
    held = None if key is None else model.keys.get(key)
    if held is None or (held.expires is not None and held.expires <= model.clock.now()):
        return None
    if original is not None and held.task_id == original.new.task_id:
        return None
    return held


def _duplicate(model: Model, task: NewTask, held: ModelKey) -> Inserted | KeyConflict:
    throttled = _is_throttle(task)
    if held.fingerprint != task.fingerprint and not throttled:
        return KeyConflict(task.idempotency_key or "", held.task_id)
    if task.alias and held.task_id in model.tasks:
        model.aliases[task.task_id] = held.task_id
    return Inserted(held.task_id, duplicate=True, fence=0, dropped=throttled)


def _is_throttle(task: NewTask) -> bool:
    return (task.idempotency_key or "").startswith("throttle=")


def _calls(task: NewTask, mates: list[ModelTask]) -> list[ModelTask]:
    """Those of which a debounced task takes the place."""
    return [one for one in mates if one.waiting and one.new.func_name == task.func_name]


def _put_off(model: Model, task: NewTask, mates: list[ModelTask]) -> NewTask:
    """As late as the debounce says, and no later than ten of it after the first call."""
    now, first = model.clock.now(), model.clock.now()
    for one in _calls(task, mates):
        first = min(first, one.new.created_at)
    latest = first + timedelta(seconds=10 * task.debounce)
    due = max(now, min(now + timedelta(seconds=task.debounce), latest))
    return task._replace(created_at=first, due_at=due, delay=0.0)


def _store(model: Model, task: NewTask, original: ModelTask | None, key_ttl: float) -> Inserted:
    if original is not None:
        original.retried_as = task.task_id
        if task.replace_original:
            gone = original.new.task_id
            del model.tasks[gone]
            model.aliases = {one: of for one, of in model.aliases.items() if of != gone}
    behind = bool(of_key(model, task.order_key))
    stored = _add(model, task)
    stored.behind = behind
    free = task.order_key is not None
    if not free and task.owner is not None and (model.alive(task.owner) or not task.persist):
        stored.owner = task.owner
        stored.fence = stored.birth_fence = 1
    if task.idempotency_key is not None:
        ttl = key_ttl if task.key_ttl is None else task.key_ttl
        model.keys[task.idempotency_key] = ModelKey(task.fingerprint, task.task_id, ttl)
    return Inserted(task.task_id, duplicate=False, fence=stored.fence)


def _add(model: Model, task: NewTask) -> ModelTask:
    model.arrivals += 1
    due = task.due_at or model.clock.now() + timedelta(seconds=task.delay)
    stored = ModelTask(task, model.arrivals, birth_fence=0, due_at=due)
    model.tasks[task.task_id] = stored
    return stored
