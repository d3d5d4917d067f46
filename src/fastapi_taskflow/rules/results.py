"""What a function returned, as it is stored: typed JSON, as its arguments are."""

from __future__ import annotations

from typing import Any

from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import PayloadUnreadable, TaskArgumentError

__all__ = ["decode", "encode"]

_NAME = "result"


def encode(
    types: codec.TypeTable,
    entry: Registered,
    value: Any,
    *,
    max_bytes: int,
    sealed: bool = False,
) -> bytes:
    """A result as it is stored; ``sealed`` if it will be encrypted.

    Raises:
        TaskArgumentError: it cannot be; the message says why, and where in it.
    """
    callee = codec.Callee(entry.name, entry.func)
    try:
        return codec.encode(
            (),
            {_NAME: value},
            types.of(entry.name),
            max_bytes=max_bytes,
            callee=callee,
            sealed=sealed,
        )
    except TaskArgumentError as exc:
        if not str(exc).startswith("The arguments"):
            raise
        raise TaskArgumentError(
            f"The result of task {entry.name!r} takes more than {max_bytes} bytes when stored. "
            "Store large data elsewhere and return its key, or raise max_payload_bytes."
        ) from exc
    # A foreign object's own defect.
    except BaseException as exc:
        text = f"The result of task {entry.name!r} cannot be stored: {error_text(exc)}"
        raise TaskArgumentError(text) from exc


def decode(types: codec.TypeTable, name: str, stored: bytes) -> Any:
    """The result of a task, by its function's name.

    Raises:
        PayloadUnreadable: it is damaged, or this code does not know what is in it.
    """
    _, named = codec.decode(stored, types.of(name))
    if _NAME not in named:
        raise PayloadUnreadable("It is no result.", damaged=True)
    return named[_NAME]
