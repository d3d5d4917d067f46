"""What `signal` gives, as plain numbers.

That module makes a member of an enumeration of each, which takes ten times as long as to ask, and
is done after every call.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["getsignal", "pthread_sigmask"]

getsignal: Callable[[int], Any] = _signal.getsignal
pthread_sigmask: Callable[[int, Iterable[int]], set[int]] = _signal.pthread_sigmask
