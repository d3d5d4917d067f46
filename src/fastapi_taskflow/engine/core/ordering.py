"""The order keys of tasks, from their arguments or from what is stored of these."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.rules.registry import Registered

__all__ = ["order_key_for", "order_key_of_stored"]


def order_key_for(
    core: Core, registered: Registered, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """A task's key; None where it has none. Of a secret it has a digest.

    Raises:
        TaskArgumentError: see `Ordering.value`.
    """
    ordering = registered.ordering
    if ordering is None:
        return None
    value = ordering.value(args, kwargs)
    if value is None:
        return None
    redactor, func = core.settings.redactor, registered.func
    hides = ordering.parameter is not None and redactor.hides(func, ordering.parameter)
    if hides or redactor.mask_of(func, args, kwargs)(value) != value:
        value = f"~{hashlib.sha256(value.encode()).hexdigest()[:32]}"
    return ordering.key(value)


def order_key_of_stored(core: Core, registered: Registered, payload: bytes | None) -> str | None:
    """The same for a task whose arguments are encoded already.

    Raises:
        TaskArgumentError, PayloadUnreadable: it cannot be known.
    """
    if registered.ordering is None:
        return None
    args, kwargs = core.registry.decode(registered.name, payload or b"")
    return order_key_for(core, registered, args, kwargs)
