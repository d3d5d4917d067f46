"""What an examination of a store finds: how bad, what it means, and what mends it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["Finding", "Level"]


class Level(str, Enum):  # noqa: UP042  (written to JSON as its value)
    """How much a finding matters. Only a problem keeps the store from being well."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One answer; ``mend`` says what to do, None where there is nothing to do."""

    check: str
    level: Level
    detail: str
    mend: str | None = None
