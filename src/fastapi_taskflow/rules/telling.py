"""What a function tells while it runs, as a store keeps it: the latest, in one text each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fastapi_taskflow.words.said import Progress, progress

__all__ = ["emitted_of", "emitted_text", "progress_of", "progress_text"]

# Whoever damaged a text may have written anything.
_NOT_READABLE = ValueError, TypeError, LookupError, RecursionError


def progress_text(told: Progress) -> str:
    """As it is stored."""
    return json.dumps(list(told))


def progress_of(text: str) -> Progress | None:
    """What is stored; None where somebody damaged it."""
    try:
        return progress(*json.loads(text))
    except _NOT_READABLE:
        return None


def emitted_text(first: int, values: Iterable[str]) -> str:
    """The newest values, each as JSON; the first of them was the ``first`` of all."""
    return f'{{"first":{first},"data":[{",".join(values)}]}}'


def emitted_of(text: str | None) -> tuple[int, list[Any]]:
    """The number of the first value, from 1, and the values; none where somebody damaged it."""
    try:
        found = json.loads(text or '{"first":1,"data":[]}')
        return int(found["first"]), list(found["data"])
    except _NOT_READABLE:
        return 1, []
