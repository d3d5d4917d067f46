"""The titles of tasks, from their arguments or from what is stored of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.titles import title_of
from fastapi_taskflow.words.errors import PayloadUnreadable

__all__ = ["title_for", "title_of_stored"]


def title_for(
    core: Core, registered: Registered, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """A task's title; None where there is none."""
    title = registered.config.title
    return title_of(registered.func, title, args, kwargs, core.settings.redactor)


def title_of_stored(core: Core, func_name: str, payload: bytes | None) -> str | None:
    """The same for a task whose arguments are encoded already, as those of schedules are."""
    registered = core.registry.by_name(func_name)
    if registered is None or registered.config.title is None:
        return None
    try:
        args, kwargs = core.registry.decode(func_name, payload or b"")
    # Whoever runs it will say so.
    except PayloadUnreadable:
        return None
    return title_for(core, registered, args, kwargs)
