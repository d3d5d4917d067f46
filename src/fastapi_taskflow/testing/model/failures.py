"""Failed attempts by group in the model."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.words.failures import Failure

__all__ = ["ModelFailures"]


class ModelFailures:
    """How often each group failed, and when first and last."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, datetime, datetime]] = {}

    def note(self, failure: Failure | None, now: datetime) -> str | None:
        """An attempt ended so; its group."""
        if failure is None:
            return None
        times, first, _ = self.seen.get(failure.group, (0, now, now))
        self.seen[failure.group] = times + 1, first, now
        return failure.group
