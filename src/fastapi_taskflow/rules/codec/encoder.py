"""Arguments to typed JSON.

Nearly all arguments are plain values, so the first walk takes text and numbers as they
are; only if the JSON shows that one of them has no form in it, a second one looks closely.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from fastapi_taskflow.rules.codec.refusals import Callee, Excess, Refusal, place
from fastapi_taskflow.rules.codec.scalars import CAREFUL, HOPEFUL
from fastapi_taskflow.rules.codec.typetable import Types
from fastapi_taskflow.rules.codec.writer import Writer, write_dict
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.plain import name_of

__all__ = ["VERSION", "encode"]

VERSION = 1
"""First item of every payload."""

_MOST_LOOKED_AT = 3_000
_SHORT_BYTES = 1_000
_FRAME = b"[1,[],{}]"


def encode(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    types: Types,
    *,
    max_bytes: int = 262_144,
    callee: Callee | None = None,
    sealed: bool = False,
) -> bytes:
    """Arguments as bytes that `decode` gives back equal and of the same types.

    Args:
        types: The classes that may be stored.
        max_bytes: The most that the result may take.
        callee: Who takes the arguments; named in errors.
        sealed: They will be encrypted: secrets may be among them.

    Raises:
        TaskArgumentError: a value cannot be stored, and the message names the argument and
            the place within it; or the whole is too large.
    """
    # Beside the arguments there are the version and two pairs of brackets.
    writer = Writer(types, HOPEFUL, max_bytes + len(_FRAME), sealed=sealed)
    try:
        payload = _hopefully(args, kwargs, writer) or _carefully(args, kwargs, writer)
    except Refusal as refused:
        if isinstance(refused, Excess) and refused.of_bytes:
            size = f"more than {max_bytes}"
        else:
            where = place(callee, refused.path[::-1])
            raise TaskArgumentError(
                f"Cannot store {where}{_whose(callee)}: {refused}."
            ) from refused
    else:
        if len(payload) <= max_bytes or not (args or kwargs):
            return payload
        size = str(len(payload))
    most = place(callee, _largest(args, kwargs, writer.anew(HOPEFUL)))
    raise TaskArgumentError(
        f"The arguments{_whose(callee)} take {size} bytes when stored, most of them in {most}, "
        f"and the limit is {max_bytes}. Store large data elsewhere and pass its key, or raise "
        "max_payload_bytes."
    )


def _whose(callee: Callee | None) -> str:
    return "" if callee is None else f" of task {callee.name!r}"


def _hopefully(args: tuple[Any, ...], kwargs: dict[str, Any], writer: Writer) -> bytes | None:
    """The payload, if all values have a JSON form as they are."""
    trees = _trees(args, kwargs, writer)
    try:
        payload = to_json([VERSION, *trees])
    except (PydanticSerializationError, ValueError):  # a lone surrogate
        return None
    # To read a long one takes less time than to search it.
    doubtful = len(payload) > _SHORT_BYTES or b"NaN" in payload or b"Infinity" in payload
    return None if doubtful and not _is_readable(payload) else payload


def _carefully(args: tuple[Any, ...], kwargs: dict[str, Any], writer: Writer) -> bytes:
    """The payload, with every value looked at."""
    trees = _trees(args, kwargs, writer.anew(CAREFUL))
    try:
        return to_json([VERSION, *trees])
    except (PydanticSerializationError, ValueError) as exc:
        raise Refusal(str(exc)) from exc


def _trees(args: tuple[Any, ...], kwargs: dict[str, Any], writer: Writer) -> tuple[Any, Any]:
    root = "args"
    try:
        positional = writer.items(args, 0)
        root = "kwargs"
        return positional, write_dict(writer, kwargs, 0) if kwargs else kwargs
    except Refusal as refused:
        refused.path.append(root)
        raise
    # A dict that another thread fills, or code of the value's own class.
    except BaseException as exc:
        failed = Refusal(f"{name_of(type(exc))} while reading it: {error_text(exc)}")
        failed.path.append(root)
        raise failed from exc


def _largest(args: tuple[Any, ...], kwargs: dict[str, Any], writer: Writer) -> tuple[str, str]:
    """The place of the argument that takes most, as far as the limit lets one see."""
    values = [(("args", f"[{index}]"), value) for index, value in enumerate(args)]
    values += [(("kwargs", f"[{name!r}]"), value) for name, value in kwargs.items()]
    # A look, not another walk as long as the first.
    writer.nodes = min(writer.nodes, _MOST_LOOKED_AT)
    sizes: dict[tuple[str, str], int] = {}
    for where, value in values:
        before = writer.room
        # An excess leaves no room, so it has taken all that was there.
        with suppress(Exception):
            writer.items((value,), 0)
        sizes[where] = before - writer.room
        if writer.room < 0 or writer.nodes < 0:
            break
    return max(sizes, key=sizes.__getitem__)


def _is_readable(payload: bytes) -> bool:
    """False for what JSON has no constants for."""
    try:
        from_json(payload, allow_inf_nan=False)
    except ValueError:
        return False
    return True
