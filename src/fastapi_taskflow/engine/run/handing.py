"""What a step of a chain is given: the result of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi_taskflow.backends.base import Claimed, StoredTask
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.rules import results
from fastapi_taskflow.words.errors import PayloadUnreadable
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Befores", "befores", "with_result"]

Befores = Mapping[str, StoredTask]
"""By id, tasks whose results others are given."""

_NONE: Befores = {}


async def befores(core: Core, claims: Sequence[Claimed]) -> Befores:
    """Those of some claims."""
    ids = {
        member.after
        for claim in claims
        if (member := claim.task.member) is not None and member.after is not None
    }
    if not ids:
        return _NONE
    found = await core.backend.get([one for one in ids if one is not None])
    return {one.record.task_id: one for one in found if one is not None}


def with_result(
    core: Core, task: LiveTask, args: tuple[Any, ...], kwargs: dict[str, Any], before: Befores
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A task's arguments, with what it is given.

    Raises:
        PayloadUnreadable: it is not there any more, or cannot be read here.
    """
    if task.member is None or task.member.after is None or task.registered.shape is None:
        return args, kwargs
    value = _value(core, task.member.after, before.get(task.member.after))
    given = task.registered.shape.with_next(args, kwargs, value)
    # The function takes it no more.
    return (args, kwargs) if given is None else given


def _value(core: Core, task_id: str, stored: StoredTask | None) -> Any:
    if stored is None or stored.record.status is not TaskStatus.SUCCESS:
        text = f"The result of task {task_id} before it is not in the store any more."
        raise PayloadUnreadable(text, damaged=True)
    if (missing := stored.record.result_missing) is not None:
        text = f"The result of task {task_id} before it is not there any more. {missing}"
        raise PayloadUnreadable(text, damaged=True)
    if stored.result is None:
        return None
    return results.decode(core.registry.types, stored.record.func_name, stored.result)
