"""Python's garbage collector, made to look less often while an engine runs.

A request that waits for a commit keeps over a hundred objects alive, so thirty of them
exceed the collector's default many times a second. It finds next to nothing, moves what it
saw to the older generations, and then looks at everything there is: half of a durable
request's pauses were that. A higher threshold leaves more garbage for a moment and loses
none. An app that has set its own keeps it.
"""

from __future__ import annotations

import gc
import threading

__all__ = ["relax", "restore"]

# More than a few hundred waiting requests keep alive, and some megabytes at the most.
_THRESHOLD = 10_000
# Those that Python comes with: 700 up to 3.11, later 2,000.
_DEFAULTS = (700, 2_000)

_lock = threading.Lock()
_engines = 0
_before: tuple[int, int, int] | None = None


def relax() -> None:
    """An engine starts. Does nothing where the app has chosen its own threshold."""
    global _engines, _before  # noqa: PLW0603  (the collector is one for the whole process)
    with _lock:
        _engines += 1
        found = gc.get_threshold()
        if _engines == 1 and found[0] in _DEFAULTS:
            _before = found
            gc.set_threshold(_THRESHOLD, *found[1:])


def restore() -> None:
    """An engine has stopped; after the last one the threshold is as it was."""
    global _engines, _before  # noqa: PLW0603
    with _lock:
        _engines -= 1
        if _engines == 0 and _before is not None:
            if gc.get_threshold()[0] == _THRESHOLD:
                gc.set_threshold(*_before)
            _before = None
