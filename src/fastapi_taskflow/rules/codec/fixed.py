"""Arguments as every attempt gets them, and those for which that is no work.

Nobody can change plain values, so sharing them is as good as a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from typing import Any

from fastapi_taskflow.rules.codec.reader import decode
from fastapi_taskflow.rules.codec.scalars import Foreign
from fastapi_taskflow.rules.codec.typetable import Types
from fastapi_taskflow.words.errors import PayloadUnreadable, TaskArgumentError
from fastapi_taskflow.words.plain import ATOMS

__all__ = ["as_stored", "is_fixed", "is_small"]

_MOST = 16
_MOST_BYTES = 512


def as_stored(
    payload: bytes,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    types: Types,
    task: str,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What ``payload`` gives, which `encode` made of these arguments.

    Raises:
        TaskArgumentError: it gives nothing: a class refuses what it holds itself.
    """
    if is_fixed(args, kwargs):
        # Equal to what would come back; tests/rules/test_codec_round_trip.py shows it.
        return args, kwargs.copy() if kwargs else kwargs
    try:
        return decode(payload, types)
    except PayloadUnreadable as exc:
        # Not the class's own words, which may hold a secret.
        found = exc.__cause__
        why = str(found) if isinstance(found, Foreign) else type(found).__name__
        raise TaskArgumentError(
            f"Cannot store the arguments of task {task!r}: they would not come back ({why})."
        ) from exc


def is_fixed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """True for immutable plain values: they come back from storage as they went in."""
    try:
        for value in args:
            if type(value) not in ATOMS:
                return False
        return not kwargs or ATOMS.issuperset(map(type, kwargs.values()))
    # The class of a class may be a user's, with a hash of its own that raises.
    except BaseException:
        return False


def is_small(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """True for a few immutable plain values of a few bytes, which may be kept for long."""
    if len(args) + len(kwargs) > _MOST or not is_fixed(args, kwargs):
        return False
    for value in args:
        if getsizeof(value) > _MOST_BYTES:
            return False
    # Names may be a client's too: ``f(**body)``.
    return not kwargs or max(map(getsizeof, (*kwargs, *kwargs.values()))) <= _MOST_BYTES
