"""What a new task does where a live one has its order key, and what became of it."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = ["DISPLACING", "ON_CONFLICT", "Disposition", "OnConflict"]

OnConflict: TypeAlias = Literal["queue", "drop", "replace", "cancel_running"]
Disposition: TypeAlias = Literal["created", "existing", "replaced", "dropped"]

ON_CONFLICT: tuple[str, ...] = get_args(OnConflict)

DISPLACING = frozenset({"replace", "cancel_running"})
"""These end tasks that wait."""
