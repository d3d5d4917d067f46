"""Why a task waits, for people and programs."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Waiting"]


class Waiting(NamedTuple):
    """What a pending task waits for, the first thing that is in its way.

    Attributes:
        reason: ``"no_instance"``, ``"paused"``, ``"key"``, ``"rate_limit"``, ``"retry"``,
            ``"schedule"``, ``"date"``, ``"global_limit"``, ``"queue_full"``,
            ``"loop_lag"`` or ``"slot"``.
        text: The same for people, on one line.
        ahead: Tasks of its key before it; None where that is not what it waits for.
        seconds: About how long, as far as it can be told: what runs is not in it.
    """

    reason: str
    text: str
    ahead: int | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-serialisable values."""
        return self._asdict()
