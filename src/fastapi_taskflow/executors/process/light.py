"""Calls that are so small that the event loop itself can send them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from fastapi_taskflow.executors.base import Call
from fastapi_taskflow.executors.sending.carried import sent_values

__all__ = ["is_light"]

_SCALARS = frozenset({type(None), bool, int, float, date, datetime, timedelta, Decimal, UUID})
_TEXTS = frozenset({str, bytes})
_LISTS = frozenset({list, tuple, set, frozenset})
# A thread takes longer to hear of a call than the loop takes to pickle as much as this.
_MOST_VALUES = 256
_MOST_LENGTH = 8_192


def is_light(call: Call) -> bool:
    """All that goes with it is short and of Python's own kinds: none has code of its own to run.

    What its memory is limited to, its child is watched for.
    """
    if call.memory_limit is not None:
        return False
    variables = sent_values(call.context)
    return variables is not None and _are_light(chain(call.args, call.kwargs.values(), variables))


def _are_light(values: Iterable[Any]) -> bool:
    count = length = 0
    waiting = [values]
    while waiting:
        for value in waiting.pop():
            kind = type(value)
            count += 1
            if kind in _TEXTS:
                length += len(value)
            elif kind in _LISTS:
                waiting.append(value)
            elif kind is dict:
                waiting += (value.keys(), value.values())
            elif kind not in _SCALARS:
                return False
            if count > _MOST_VALUES or length > _MOST_LENGTH:
                return False
    return True
