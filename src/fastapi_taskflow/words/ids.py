"""Task ids: UUIDv7 text whose order is the order of making.

Sorted ids keep a store's primary key appending instead of splitting pages. The bits are
laid out as RFC 9562 method 1: milliseconds, then random bits drawn anew for every
millisecond, then a counter that starts at random. The counter is last because people tell
tasks apart by the last eight characters of their ids.

Not a secret: whoever sees an id of one process can guess those it made in the same
millisecond. Access is decided by rights, never by knowing an id.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["IdSource", "new_id"]


_CHANCE_BYTES = 10
_CHANCES = 64


class IdSource:
    """Makes ids that grow within this process, from any thread. Lives as long as it.

    Args:
        now_ns: Wall clock in nanoseconds since the epoch. When it goes back, ids keep the
            last millisecond and count on.
        entropy: Gives that many random bytes.
        counter_bits: Size of the counter, at most 32. It starts in the lower half, so the
            upper one is free for one millisecond's ids; past its end comes the next
            millisecond, early.
    """

    __slots__ = ("_chances", "_counter_end", "_entropy", "_lock", "_now_ns", "_state")

    def __init__(
        self,
        now_ns: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
        *,
        counter_bits: int = 32,
    ) -> None:
        self._now_ns = now_ns
        self._entropy = entropy
        self._counter_end = 1 << counter_bits
        self._forget()
        if hasattr(os, "register_at_fork"):
            # A forked child would repeat its parent's ids.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # Serialises turning to a new millisecond. Made anew because a fork may happen
        # while another thread of the parent holds it.
        self._lock = threading.Lock()
        # Milliseconds, the id up to its last group's counter, and the counter. One tuple,
        # so that a thread without the lock never sees parts of two milliseconds.
        self._state: tuple[int, str, Iterator[int]] = (-1, "", iter(()))
        # Drawn and not used yet; a fork drops it.
        self._chances: Iterator[bytes] = iter(())

    def new_id(self) -> str:
        """A new id, greater than every id that this source gave before this call."""
        millisecond, prefix, counter = self._state
        if self._now_ns() // 1_000_000 <= millisecond:
            try:
                # next() on a range is one step under the interpreter's lock: no two
                # threads get the same number.
                return f"{prefix}{next(counter):08x}"
            except StopIteration:
                pass
        return self._turn(counter)

    def _turn(self, used_up: Iterator[int]) -> str:
        with self._lock:
            millisecond, _, counter = self._state
            if counter is used_up:
                millisecond = max(self._now_ns() // 1_000_000, millisecond + 1)
                prefix, counter = self._draw(millisecond)
                self._state = (millisecond, prefix, counter)
                return f"{prefix}{next(counter):08x}"
        # Another thread has turned already.
        return self.new_id()

    def _draw(self, millisecond: int) -> tuple[str, Iterator[int]]:
        bits = int.from_bytes(self._chance(), "big")
        start = (bits & 0x7FFF_FFFF) % (self._counter_end // 2)
        random_a = bits >> 31 & 0xFFF
        random_b = bits >> 43 & 0x3FFF
        random_c = bits >> 57 & 0xFFFF
        prefix = (
            f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7{random_a:03x}"
            f"-{0x8000 | random_b:04x}-{random_c:04x}"
        )
        return prefix, iter(range(start, self._counter_end))

    def _chance(self) -> bytes:
        chance = next(self._chances, None)
        if chance is None:
            # Many at once: at a request a millisecond each of them would ask the system.
            drawn = self._entropy(_CHANCE_BYTES * _CHANCES)
            size = _CHANCE_BYTES
            self._chances = iter([drawn[i : i + size] for i in range(0, len(drawn), size)])
            chance = next(self._chances)
        return chance


_SOURCE = IdSource()


def new_id() -> str:
    """A new task id: 36 characters, greater than any this process made before."""
    return _SOURCE.new_id()
