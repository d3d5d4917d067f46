"""Kinds of frames between a child and its parent, on pipes that only they have."""

from __future__ import annotations

from fastapi_taskflow.executors.sending import ends

__all__ = ["CALL", "CALLED", "FULL", "LEAVES", "LOAD", "READY", "SAID", "STOPPED"]

# CALL and LOAD to the child, the others from it. An end has the kind that it has anywhere.
CALL, READY, SAID, STOPPED, CALLED, FULL, LOAD, LEAVES = range(
    len(ends.UNPACK), len(ends.UNPACK) + 8
)
