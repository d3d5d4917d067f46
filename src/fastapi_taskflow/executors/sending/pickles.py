"""Pickles, with cloudpickle for what plain ones refuse: functions and classes without a name."""

from __future__ import annotations

import pickle
from typing import Any

from fastapi_taskflow.rules import programs
from fastapi_taskflow.rules.importable import can_send_code

__all__ = ["by_value", "dumps", "hint"]


def dumps(value: Any) -> bytes:
    """A pickle of anything that can be sent.

    Raises:
        Exception: it cannot be; as the plain pickle says why.
    """
    try:
        # In a child `__main__` is not the one that the parent has at a prompt.
        if programs.is_child() or programs.own() is not None:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except Exception:
        if not can_send_code():
            raise
    return by_value(value) if can_send_code() else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def by_value(value: Any) -> bytes:
    """A pickle that has the code of what no other process can import.

    Raises:
        Exception: as `dumps`.
    """
    import cloudpickle  # noqa: PLC0415  (optional: the extra "process")

    data: bytes = cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return data


def hint() -> str:
    """What would let more be sent, as a sentence of an error."""
    if can_send_code():
        return ""
    return " Functions and classes without a name of their own need 'fastapi-taskflow[process]'."
