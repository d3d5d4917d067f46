"""Arguments to typed JSON.

Nearly all arguments are plain values, so the first walk takes text and numbers as they
are; only if the JSON shows that one of them has no form in it, a second one looks closely.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from fastapi_taskflow.codec.places import Callee, place
from fastapi_taskflow.codec.typetable import TypeTable
from fastapi_taskflow.codec.writer import CAREFUL, HOPEFUL, Refusal, Writer, write_dict
from fastapi_taskflow.errors import TaskArgumentError

__all__ = ["VERSION", "encode"]

VERSION = 1
"""First item of every payload."""

# A payload of this length cannot hold an integer that the JSON reader refuses (4,300 digits).
_HOPEFUL_BYTES = 4000


def encode(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    types: TypeTable,
    *,
    max_bytes: int = 262_144,
    callee: Callee | None = None,
) -> bytes:
    """Arguments as bytes that `decode` gives back equal and of the same types.

    Args:
        types: The classes that may be stored.
        max_bytes: The most that the result may take.
        callee: Who takes the arguments; named in errors.

    Raises:
        TaskArgumentError: a value cannot be stored, and the message names the argument and
            the place within it; or the whole is too large.
    """
    try:
        payload = _hopefully(args, kwargs, types) or _carefully(args, kwargs, types)
    except Refusal as refused:
        where = place(callee, refused.path[::-1])
        raise TaskArgumentError(f"Cannot store {where}{_whose(callee)}: {refused}.") from refused
    if len(payload) > max_bytes and (args or kwargs):
        raise TaskArgumentError(
            f"The arguments{_whose(callee)} take {len(payload)} bytes when stored, most of them "
            f"in {_largest(args, kwargs, types, callee)}, and the limit is {max_bytes}. Store "
            "large data elsewhere and pass its key, or raise max_payload_bytes."
        )
    return payload


def _whose(callee: Callee | None) -> str:
    return "" if callee is None else f" of task {callee.name!r}"


def _largest(
    args: tuple[Any, ...], kwargs: dict[str, Any], types: TypeTable, callee: Callee | None
) -> str:
    values = [(("args", f"[{index}]"), value) for index, value in enumerate(args)]
    values += [(("kwargs", f"[{name!r}]"), value) for name, value in kwargs.items()]
    sizes = {path: len(_carefully((value,), {}, types)) for path, value in values}
    largest = max(sizes, key=sizes.__getitem__)
    return place(callee, largest)


def _hopefully(args: tuple[Any, ...], kwargs: dict[str, Any], types: TypeTable) -> bytes | None:
    trees = _trees(args, kwargs, Writer(types, HOPEFUL))
    try:
        payload = to_json([VERSION, *trees])
    except (PydanticSerializationError, ValueError):  # a lone surrogate or a huge integer
        return None
    doubtful = len(payload) > _HOPEFUL_BYTES or b"NaN" in payload or b"Infinity" in payload
    return None if doubtful and not _is_readable(payload) else payload


def _is_readable(payload: bytes) -> bool:
    """False for what JSON has no constants for, and for integers that are too long."""
    try:
        from_json(payload, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _carefully(args: tuple[Any, ...], kwargs: dict[str, Any], types: TypeTable) -> bytes:
    trees = _trees(args, kwargs, Writer(types, CAREFUL))
    try:
        return to_json([VERSION, *trees])
    except (PydanticSerializationError, ValueError) as exc:
        raise Refusal(str(exc)) from exc


def _trees(args: tuple[Any, ...], kwargs: dict[str, Any], writer: Writer) -> tuple[Any, Any]:
    root = "args"
    try:
        positional = writer.items(args, 0)
        root = "kwargs"
        return positional, write_dict(writer, kwargs, 0)
    except Refusal as refused:
        refused.path.append(root)
        raise
    # A dict that another thread fills, or code of the value's own class.
    except Exception as exc:
        failed = Refusal(f"{type(exc).__name__} while reading it: {exc}")
        failed.path.append(root)
        raise failed from exc
