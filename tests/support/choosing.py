"""Which tests `make test-fast` leaves out where a folder's tests are costly."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def slow_but_the_first(
    items: Sequence[pytest.Item], folder: Path, is_costly: Callable[[pytest.Function], bool]
) -> None:
    """Mark all cases but the first of each costly test in a folder as slow."""
    met: set[str] = set()
    for item in items:
        if item.path.parent == folder and isinstance(item, pytest.Function):
            test = item.nodeid.partition("[")[0]
            if test in met and is_costly(item):
                item.add_marker(pytest.mark.slow)
            met.add(test)
