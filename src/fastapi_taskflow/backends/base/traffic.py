"""What a store knows of why tasks wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.backends.buckets import Level

__all__ = ["Traffic"]


class Traffic(NamedTuple):
    """The answer of `Backend.traffic`; all of it empty from a store that does not tell.

    Attributes:
        now: The store's time; None: it does not tell.
        lines: By order key, ids of its live tasks in order, that which has the turn first.
        leased: Durable tasks that are claimed or running, by queue and function.
        levels: Of those buckets that are not full.
    """

    now: datetime | None = None
    lines: Mapping[str, list[str]] = {}
    leased: Mapping[tuple[str, str], int] = {}
    levels: Mapping[str, Level] = {}
