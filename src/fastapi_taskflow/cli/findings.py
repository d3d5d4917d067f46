"""What the doctor finds: how bad, what it means, and what mends it."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Finding", "Level"]


class Level(str, Enum):  # noqa: UP042  (written to JSON as its value)
    """How much a finding matters. Only a problem makes the exit code 1."""

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

    def as_json(self) -> dict[str, Any]:
        """As it stands in the list of findings."""
        return {**self._asdict(), "level": self.level.value}
